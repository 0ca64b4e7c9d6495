"""Looks: how often the data may be judged while it is still growing, and what each look costs.

The data is judged after `blocks`, 2·`blocks`, … `max_blocks` measured blocks. A test repeated on
growing data errs more often than once (four unpaid looks at 5 % err in about 11 % of experiments),
so the looks share the error. All looks of a plan have one nominal level, the largest with which they
together err as declared (Pocock 1977, "Group sequential methods in the design and analysis of
clinical trials"): the looks see each other's data, so this is more than an equal share each.

A plan with several looks keeps a fifth of its error back. A finished run that stayed INCONCLUSIVE
may be extended, each time to twice its blocks; the further look then spends half of what is left
(an error-spending boundary, Lan and DeMets 1983), so that the promise holds however often that is
done. A lane whose own cap stops its data early is looked at only as often as its data changes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

from harness.experiment.schema import Design, Experiment, Gate

KEPT_BACK = 0.2  # of the error, for extensions
EXACT_PAIRS = 2  # blocks that decide a gate on a count: what repeats once repeats
_NORMAL = NormalDist()


def look_counts(design: Design) -> list[int]:
    """Counts of measured blocks at which the experiment is judged, ascending, at least one."""
    last = max(design.blocks, design.max_blocks or design.blocks)
    planned = list(range(design.blocks, last + 1, design.blocks))
    return planned + [planned[-1] << (i + 1) for i in range(design.extensions)]


def lane_look_counts(experiment: Experiment, lane: str) -> list[int]:
    """As `look_counts`, for the pairs that `lane` has at those times: its cap applied."""
    cap = experiment.workloads[lane].blocks
    counts = look_counts(experiment.design)
    return counts if cap is None else sorted({min(cap, count) for count in counts})


def look_alphas(design: Design, counts: Sequence[int]) -> list[float]:
    """The one-sided error of each look at `counts`; a two-sided interval leaves it on either side."""
    alpha = (1.0 - design.confidence) / 2.0
    planned = max(design.blocks, design.max_blocks or design.blocks)
    extensions = sum(count > planned for count in counts)  # a lane's cap may leave it none
    return list(_levels(alpha, tuple(counts), min(extensions, len(counts) - 1)))


def is_extendable(design: Design) -> bool:
    """Whether error was kept back for further looks."""
    return len(look_counts(design)) > 1


@lru_cache(maxsize=64)
def _levels(alpha: float, counts: tuple[int, ...], extensions: int) -> tuple[float, ...]:
    if len(counts) == 1:
        return (alpha,)
    planned = len(counts) - extensions
    spent = alpha * (1 - KEPT_BACK)
    first = counts[:planned]
    bound = _bisect(lambda z: crossing(first, [z] * planned) - spent)
    bounds = [bound] * planned
    left = alpha - spent
    for end in range(planned + 1, len(counts) + 1):
        left /= 2
        spent += left
        bounds.append(next_bound(counts[:end], bounds, spent))
    return tuple(1 - _NORMAL.cdf(z) for z in bounds)


def next_bound(counts: Sequence[int], bounds: Sequence[float], spent: float) -> float:
    """The bound of the last look at `counts`, after looks with `bounds`, at which all together err
    `spent`; in standard errors."""
    return _bisect(lambda z: crossing(counts, [*bounds, z]) - spent)


def _bisect(excess: object) -> float:
    """The bound at which `excess`, which falls with the bound, is zero; never on the side that errs
    more than allowed."""
    assert callable(excess)
    low, high = 0.0, 6.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def crossing(counts: Sequence[int], bounds: Sequence[float]) -> float:
    """The chance that the standardised mean of independent normal pairs, seen at `counts`, is ever
    above its bound (Armitage, McPherson and Rowe 1969: the density of the sum, cut off at each
    bound and carried on to the next look)."""
    import numpy as np  # heavy, and only plans with several looks need it

    crossed = 1 - _NORMAL.cdf(bounds[0])
    points = 300

    def grid(count: int, bound: float) -> object:
        return np.linspace(-7 * math.sqrt(count), bound * math.sqrt(count), points)

    def density(distance: object, variance: float) -> object:
        return np.exp(-np.square(distance) / (2 * variance)) / math.sqrt(2 * math.pi * variance)

    at = grid(counts[0], bounds[0])
    mass = density(at, counts[0])
    for before, count, bound in zip(counts, counts[1:], bounds[1:]):
        following = grid(count, bound)
        carried = density(np.subtract.outer(following, at), count - before) * mass
        then = np.trapz(carried, at, axis=1)
        crossed += max(0.0, np.trapz(mass, at) - np.trapz(then, following))
        at, mass = following, then
    return float(crossed)


def least_blocks(gates: Sequence[Gate], alpha: float) -> int:
    """The fewest blocks that can decide all of `gates` at that error; exact ones need no statistics."""
    return EXACT_PAIRS if all(gate.exact_within is not None for gate in gates) else least_pairs(alpha)


def least_pairs(alpha: float) -> int:
    """The fewest pairs with a finite exact interval at one-sided `alpha`: 2^-n <= alpha, because
    that is the chance that all n differences have the same sign."""
    return max(1, math.ceil(-math.log2(alpha) - 1e-9))
