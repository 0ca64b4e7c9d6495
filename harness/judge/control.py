"""The controls of every verdict: the A/A arm, the noise floor it gives, and the effect of order.

The arm "aa" is a copy of base. Whatever differs between the two is the machine's invention, so
- a copy that differs from base beyond doubt (99 %, shared among all metrics checked) and by more
  than a trifle of the margin voids the run;
- the size of what was, or could have been, invented is the noise floor; a smaller difference is
  never a GO.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Optional

from harness.experiment import Gate
from harness.judge.pairs import Pairs, log_ratios
from harness.judge.stats import estimate
from harness.judge.text import fraction, ratio
from harness.model import AaVerdict

AA_ALPHA = 0.005  # a side: 99 %
FLOOR_ALPHA = 0.025  # a side: 95 %
TRIFLE = math.log(1.001)  # differences of 0.1 % never matter: one page of a few megabytes
TRIFLE_MOST = math.log(1.01)


@dataclass(frozen=True)
class Control:
    """What the A/A arm says about one metric; `floor` is in log units."""

    verdict: AaVerdict
    floor: Optional[float]


def check_aa(metric: str, pairs: Pairs, margin: float, checks: int) -> Control:
    """Compares the copy with base. `margin` is the smallest |ln bound| that a gate on this metric
    declares, `checks` the number of metrics that share the error of 1 %."""
    logs = None if pairs.defects or not pairs.n else log_ratios(pairs)
    if logs is None:
        return Control(AaVerdict(metric, None, None, None, ok=False), None)
    strict = estimate(logs, AA_ALPHA / checks)
    tolerance = min(max(TRIFLE, margin / 4), TRIFLE_MOST)
    excludes = strict.low is not None and strict.high is not None and (
        strict.low > 0 or strict.high < 0
    )
    usual = estimate(logs, FLOOR_ALPHA)
    half = usual.half_width
    if half is None:  # too few blocks for 95 %: all that was seen is the only bound
        half = (max(logs) - min(logs)) / 2
    verdict = AaVerdict(
        metric,
        ratio(usual.value),
        ratio(usual.low),
        ratio(usual.high),
        ok=not (excludes and abs(strict.value) > tolerance),
    )
    return Control(verdict, max(abs(usual.value), half))


def smallest_margin(gates: list[Gate]) -> float:
    """The smallest |ln bound| over ratio gates (a bound of 1 gives 0); log(1.01) without any."""
    margins = []
    for gate in gates:
        if gate.same_within is not None:
            margins.append(math.log1p(gate.same_within))
        elif gate.predicate is not None and gate.predicate.subject == "ratio":
            margins.append(abs(math.log(gate.predicate.bound)))
    return min(margins, default=TRIFLE_MOST)


def position_note(pairs: Pairs, logs: list[float]) -> str:
    """Says so when running first or second matters (99 %). Order is balanced, so the estimate stays
    right; but the machine or the workload carries something over from run to run."""
    centre = estimate(logs, AA_ALPHA).value
    signed = [(x - centre) * (1 if first else -1) for x, first in zip(logs, pairs.first)]
    effect = estimate(signed, AA_ALPHA)
    if effect.low is None or effect.high is None or effect.low <= 0 <= effect.high:
        return ""
    if abs(effect.value) <= TRIFLE:
        return ""
    return f"running first changes it by {fraction(effect.value)} (order is balanced)"
