"""The controls of every verdict: the A/A arm, the noise floor it gives, and the effect of order.

The arm "aa" is a copy of base. Whatever differs between the two is the machine's invention, so
- a copy that differs from base beyond doubt (99 %, shared among all metrics and looks) and by more
  than a trifle of the margin voids the run;
- with too few blocks for that doubt to be settled the control says so, and a copy on the same side
  of base in every block lets no gate decide;
- the size of what was, or could have been, invented is the noise floor; a smaller difference is
  never a GO;
- a gate that says "no worse" or "the same" needs the copy to be the same by that measure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from harness.experiment import Gate, least_pairs
from harness.judge.pairs import Pairs, log_ratios
from harness.judge.stats import estimate
from harness.judge.text import fraction, plural, ratio
from harness.model import AaVerdict

AA_ALPHA = 0.005  # a side: 99 %
FLOOR_ALPHA = 0.025  # a side: 95 %
TRIFLE = math.log(1.001)  # differences of 0.1 % never matter: one page of a few megabytes
TRIFLE_MOST = math.log(1.01)


@dataclass(frozen=True)
class Control:
    """What the A/A arm says about one metric; `logs` are ln(copy / base) by block, `floor` is in
    log units, `doubt` a clause where the copy looks different but there are too few blocks to
    tell."""

    verdict: AaVerdict
    floor: Optional[float]
    logs: Sequence[float] = ()
    doubt: str = ""

    def unlike(self, margin: float, alpha: float) -> str:
        """A clause when the copy cannot be said to equal base within `margin` (in logs), else
        nothing."""
        if not self.logs:
            return ""
        found = estimate(self.logs, alpha)
        if found.low is None or found.high is None:
            return f"{plural(found.n, 'block')} cannot show the copy of base to equal base"
        if max(-found.low, found.high) <= margin:
            return ""
        return (
            f"base's own copy is only known to be within {fraction(found.low)} … "
            f"{fraction(found.high)} of it, which is more than this gate allows"
        )


def check_aa(metric: str, pairs: Pairs, margin: float, checks: int) -> Control:
    """Compares the copy with base. `margin` is the smallest |ln bound| that a gate on this metric
    declares, `checks` how many comparisons (metrics times looks) share the error of 1 %."""
    logs = None if pairs.defects or not pairs.n else log_ratios(pairs)
    if logs is None:
        return Control(AaVerdict(metric, None, None, None, ok=False), None)
    alpha = AA_ALPHA / checks
    strict = estimate(logs, alpha)
    tolerance = min(max(TRIFLE, margin / 4), TRIFLE_MOST)
    usual = estimate(logs, FLOOR_ALPHA)
    half = usual.half_width
    if half is None:  # too few blocks for 95 %: all that was seen is the only bound
        half = (max(logs) - min(logs)) / 2
    verdict = AaVerdict(
        metric,
        ratio(usual.value),
        ratio(usual.low),
        ratio(usual.high),
        ok=not (_excludes_equality(strict.low, strict.high) and abs(strict.value) > tolerance),
        checked=strict.low is not None,
    )
    doubt = ""
    if not verdict.checked:
        needed = least_pairs(alpha)
        verdict.note = f"cannot be checked with {plural(strict.n, 'block')}; {needed} can"
        if _excludes_equality(min(logs), max(logs)) and abs(strict.value) > tolerance:
            doubt = (
                f"the copy of base is {fraction(strict.value)} off base, on the same side in all "
                f"{plural(strict.n, 'block')}; it takes {needed} blocks to tell that from chance"
            )
    return Control(verdict, max(abs(usual.value), half), logs, doubt)


def _excludes_equality(low: Optional[float], high: Optional[float]) -> bool:
    return low is not None and high is not None and (low > 0 or high < 0)


def gate_margin(gate: Gate) -> Optional[float]:
    """|ln bound| of a ratio gate (a bound of 1 gives 0), None for others."""
    if gate.same_within is not None:
        return math.log1p(gate.same_within)
    if gate.predicate is not None and gate.predicate.subject == "ratio":
        return abs(math.log(gate.predicate.bound))
    return None


def smallest_margin(gates: Sequence[Gate]) -> float:
    """The smallest margin over ratio gates; log(1.01) without any."""
    margins = [margin for gate in gates if (margin := gate_margin(gate)) is not None]
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
