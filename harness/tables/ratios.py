"""The ratio of two arms in one lane and metric, as the judge finds it.

Where a gate decided on just these, its own figures are taken, so that a pasted table and the verdict
never disagree (a gate's interval is narrower or wider than 90 % where looks were paid for). Everything
else gets the same computation at 90 %, unpaid for: it describes and decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional

from harness.judge.pairs import RunTable, collect, log_ratios
from harness.judge.stats import estimate
from harness.model import GateVerdict
from harness.report import words
from harness.report.load import RunData, experiment_value

CONFIDENCE = 0.90
_ALL = 10**9


@dataclass(frozen=True)
class Ratio:
    """`status` is the gate's answer where a gate asked, else empty. None: the data cannot give it."""

    value: Optional[float]
    low: Optional[float]
    high: Optional[float]
    n: int
    confidence: Optional[float]
    status: str = ""

    def text(self) -> str:
        """`1.006 [0.999, 1.018]`, with the level of the interval where it is not the usual one."""
        if self.value is None:
            return words.NONE
        if self.low is None or self.high is None:
            return f"{words.ratio(self.value)} [too few blocks]"
        other = "" if self.confidence in (None, CONFIDENCE) else f" ({self.confidence * 100:g} %)"
        return f"{words.ratio(self.value)} [{words.ratio(self.low)}, {words.ratio(self.high)}]{other}"


def ratio_of(data: RunData, lane: str, metric: str, arm: str, against: str) -> Ratio:
    gate = _gate(data, f"{lane}.{metric}", arm, against)
    if gate is not None and gate.estimate is not None:
        return Ratio(gate.estimate, gate.low, gate.high, gate.n, gate.confidence, gate.status.value)
    status = "" if gate is None else gate.status.value
    cap = ((experiment_value(data.manifest, "workloads", {}) or {}).get(lane) or {}).get("blocks")
    pairs = collect(RunTable(data.blocks, _ALL), lane, metric, (arm, against), cap)
    logs = log_ratios(pairs) if pairs.n else None
    if logs is None:
        return Ratio(None, None, None, pairs.n, None, status)
    found = estimate(logs, (1 - CONFIDENCE) / 2)
    return Ratio(math.exp(found.value), _exp(found.low), _exp(found.high), found.n, CONFIDENCE, status)


def _gate(data: RunData, metric: str, arm: str, against: str) -> Optional[GateVerdict]:
    gates = [] if data.verdict is None else data.verdict.gates
    return next((g for g in gates if (g.metric, g.arm, g.against) == (metric, arm, against)), None)


def _exp(value: Optional[float]) -> Optional[float]:
    return None if value is None else math.exp(value)
