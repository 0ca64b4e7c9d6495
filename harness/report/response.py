"""Arms that differ from base in the value of one flag only: how figures answer to it.

Found in the build records, so any experiment with such arms has the drawing, whatever they are called.
Each point is the Hodges–Lehmann centre of the arm's ratios to base in the same blocks, with its exact 90 %
interval; it is shown to be looked at, and decides nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional

from harness.judge.stats import Estimate, estimate
from harness.model import AA, BASE
from harness.report.arms import build_record, differences
from harness.report.load import RunData

_FEWEST_VALUES = 3  # base's own among them
_ALPHA = 0.05  # a side
_SPEED, _MEMORY = ("ops_per_cpu_s", "ops_per_s"), ("rss_idle_kb", "peak_rss_kb")


@dataclass(frozen=True)
class ResponsePoint:
    """`low` and `high` are None where there are too few blocks for an interval."""

    arm: str
    value: float
    ratio: float
    low: Optional[float]
    high: Optional[float]


@dataclass(frozen=True)
class Response:
    """`points` by the flag's value, base's own (ratio 1) among them."""

    flag: str
    metric: str  # lane.metric
    base_value: float
    points: tuple[ResponsePoint, ...]


def responses(data: RunData) -> list[Response]:
    """By flag, then by metric in the order of the gates."""
    found = []
    for flag, arms in sorted(_swept(data).items()):
        base_value = float(build_record(data, BASE)["flags"][flag])
        for metric in _metrics(data):
            points = [p for arm, value in arms.items() if (p := _point(data, metric, arm, value)) is not None]
            values = {point.value for point in points} | {base_value}
            if len(values) >= _FEWEST_VALUES:
                own = ResponsePoint(BASE, base_value, 1.0, None, None)
                ordered = sorted([*points, own], key=lambda point: (point.value, point.arm))
                found.append(Response(flag, metric, base_value, tuple(ordered)))
    return found


def _swept(data: RunData) -> dict[str, dict[str, float]]:
    """Flag -> arm -> value, of the arms in which only this flag differs from base."""
    found: dict[str, dict[str, float]] = {}
    for arm in data.arms():
        if arm in (BASE, AA) or not build_record(data, arm) or differences(data, arm, "options"):
            continue
        changed = differences(data, arm, "flags")
        if len(changed) == 1 and all(type(value) is int for value in changed[0][1:]):
            flag, _, value = changed[0]
            found.setdefault(flag, {})[arm] = float(value)
    return found


def _metrics(data: RunData) -> list[str]:
    """What was gated; where nothing was, the speed and the memory of every lane."""
    gated = [gate.metric for gate in data.verdict.gates] if data.verdict else []
    if gated:
        return list(dict.fromkeys(gated))
    return [
        f"{lane}.{metric}"
        for lane in data.workloads()
        for kind in (_SPEED, _MEMORY)
        for metric in [m for m in kind if data.has(lane, m)][:1]
    ]


def _point(data: RunData, metric: str, arm: str, value: float) -> Optional[ResponsePoint]:
    lane, _, name = metric.partition(".")
    seen = {(run.block, run.arm): run.metrics[name]
            for run in data.measured() if run.counts and run.workload == lane and name in run.metrics}  # fmt: skip
    logs = [
        math.log(figure / seen[block, BASE])
        for (block, whose), figure in sorted(seen.items())
        if whose == arm and figure > 0 and seen.get((block, BASE), 0) > 0
    ]
    if not logs:
        return None
    centre: Estimate = estimate(logs, _ALPHA)
    return ResponsePoint(arm, value, math.exp(centre.value), _exp(centre.low), _exp(centre.high))


def _exp(value: Optional[float]) -> Optional[float]:
    return None if value is None else math.exp(value)
