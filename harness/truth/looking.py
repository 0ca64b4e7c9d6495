"""Ways to share the error over several looks: the one in force, two it was compared with, and none.

All spend the same error on the planned looks, and keep back what extensions may spend. `unpaid` is
the mistake the tables must catch: every look at the whole error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

from harness.experiment import Design, look_alphas
from harness.experiment.looks import KEPT_BACK, next_bound
from harness.judge import Levels

_NORMAL = NormalDist()


def planned_error(design: Design) -> float:
    """The one-sided error that the planned looks share."""
    several = (design.max_blocks or design.blocks) > design.blocks
    return (1 - design.confidence) / 2 * (1 - KEPT_BACK if several else 1)


def equal_shares(design: Design, counts: Sequence[int]) -> list[float]:
    """Bonferroni: every look an equal share, as if the looks saw separate data."""
    return [planned_error(design) / len(counts)] * len(counts)


def obrien_fleming(design: Design, counts: Sequence[int]) -> list[float]:
    """Next to nothing early, nearly all at the end: the spending function of Lan and DeMets (1983)
    that resembles O'Brien and Fleming's (1979) bounds."""
    return list(_spending(planned_error(design), tuple(counts)))


def unpaid(design: Design, counts: Sequence[int]) -> list[float]:
    return [(1 - design.confidence) / 2] * len(counts)


LOOKING: dict[str, Levels] = {
    "Pocock": look_alphas,
    "equal shares": equal_shares,
    "O'Brien-Fleming": obrien_fleming,
    "unpaid": unpaid,
}


@lru_cache(maxsize=16)
def _spending(alpha: float, counts: tuple[int, ...]) -> tuple[float, ...]:
    whole = _NORMAL.inv_cdf(1 - alpha / 2)
    bounds: list[float] = []
    for end, count in enumerate(counts, start=1):
        spent = 2 * (1 - _NORMAL.cdf(whole / math.sqrt(count / counts[-1])))
        bounds.append(next_bound(counts[:end], bounds, spent))
    return tuple(1 - _NORMAL.cdf(z) for z in bounds)
