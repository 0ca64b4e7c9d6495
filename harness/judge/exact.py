"""Exact gates: counts that repeat decide by their range.

Prevents two accidents: that a count of instructions, equal in every run to seven digits, is held for
nonsense or asks for as many blocks as a time does; and that a count which does not repeat after all
is believed from two blocks. The interval is the range of the ratios, widened by the gate's allowance
(`exact_within`). It decides only if the ratios lie within that allowance of each other, and base's own
copy does of base in every block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Optional

from harness.experiment import Gate
from harness.experiment.looks import EXACT_PAIRS
from harness.judge.control import Control
from harness.judge.stats import Estimate
from harness.judge.text import fraction


def estimate(logs: Sequence[float], gate: Gate) -> Estimate:
    """Centre and widened range of ln(arm / against); no range from one block."""
    centre = median(logs)
    if len(logs) < EXACT_PAIRS:
        return Estimate(centre, None, None, len(logs))
    allowed = math.log1p(float(gate.exact_within or 0))
    return Estimate(centre, min(logs) - allowed, max(logs) + allowed, len(logs))


def objection(gate: Gate, logs: Sequence[float], control: Optional[Control]) -> str:
    """A clause when the figures do not repeat, else nothing. What all arms of a block have in common,
    the padding of the environment for one, may differ from block to block."""
    allowed = math.log1p(float(gate.exact_within or 0))
    spread = max(logs) - min(logs)
    if spread > allowed:
        return f"the ratio differs by {fraction(spread)} among blocks, {_advice(gate)}"
    off = 0.0 if control is None else max(map(abs, control.logs), default=0.0)
    if off > allowed:
        return f"base's own copy is {fraction(off)} off base, {_advice(gate)}"
    return ""


def _advice(gate: Gate) -> str:
    return f"more than exact_within {gate.exact_within:g} allows; leave it out and take more blocks"
