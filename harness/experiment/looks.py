"""Looks: how often the data may be judged while it is still growing, and what each look costs.

The data is judged after `blocks`, 2·`blocks`, … `max_blocks` measured blocks. A test repeated on
growing data errs more often than once (four unpaid looks at 5 % err in about 11 % of experiments),
so every look is made at a share of the error: alpha divided by the number of looks (Bonferroni).
A lane whose own cap stops its data early is looked at only as often as its data changes.
"""

from __future__ import annotations

import math

from harness.experiment.schema import Design, Experiment


def look_counts(design: Design) -> list[int]:
    """Counts of measured blocks at which the experiment is judged, ascending, at least one."""
    last = max(design.blocks, design.max_blocks or design.blocks)
    return list(range(design.blocks, last + 1, design.blocks))


def lane_look_counts(experiment: Experiment, lane: str) -> list[int]:
    """As `look_counts`, for the pairs that `lane` has at those times: its cap applied."""
    cap = experiment.workloads[lane].blocks
    counts = look_counts(experiment.design)
    return counts if cap is None else sorted({min(cap, count) for count in counts})


def alpha_per_look(design: Design, looks: int) -> float:
    """One-sided error of each look; a two-sided interval leaves this much on either side."""
    return (1.0 - design.confidence) / 2.0 / looks


def least_pairs(alpha: float) -> int:
    """The fewest pairs with a finite exact interval at one-sided `alpha`: 2^-n <= alpha, because
    that is the chance that all n differences have the same sign."""
    return max(1, math.ceil(-math.log2(alpha) - 1e-9))
