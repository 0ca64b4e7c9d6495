"""The statistics of a gate: a robust centre with an exact interval, from few paired differences.

The centre is the median of all pairwise means of the differences (Hodges and Lehmann, 1963,
"Estimates of location based on rank tests"); its interval ends at order statistics of those means
chosen by the exact null distribution of Wilcoxon's signed-rank sum (Wilcoxon, 1945; the interval as
in Bauer, 1972, "Constructing confidence sets using rank statistics"). It assumes only that the
differences are symmetric about their centre, which swapping two equal arms makes true. Ties and
zero differences need no correction: the closed interval then covers at least as often as it says
(Noether, 1967), and identical differences give the interval [x, x], which is right for exact
counters. Where symmetry is doubtful, `median` uses the sign test's interval, wider but free of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Optional

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

POWER = 0.80  # with which the minimal detectable effect is found


@dataclass(frozen=True)
class Estimate:
    """A centre and its interval; low and high are None when n is too small for a finite one."""

    value: float
    low: Optional[float]
    high: Optional[float]
    n: int

    @property
    def half_width(self) -> Optional[float]:
        if self.low is None or self.high is None:
            return None
        return (self.high - self.low) / 2


@lru_cache(maxsize=64)
def signed_rank_distribution(n: int) -> Floats:
    """P(T = t) for t = 0 … n(n+1)/2, T the sum of the ranks 1 … n each taken with chance 1/2.
    Exact, by convolution: rank k either adds k or nothing."""
    p = np.ones(1)
    for k in range(1, n + 1):
        longer = np.zeros(len(p) + k)
        longer[: len(p)] += p / 2
        longer[k:] += p / 2
        p = longer
    p.setflags(write=False)
    return p


@lru_cache(maxsize=64)
def sign_distribution(n: int) -> Floats:
    """P(S = s) for s = 0 … n, the binomial with chance 1/2."""
    p = np.ones(1)
    for _ in range(n):
        p = np.convolve(p, [0.5, 0.5])
    p.setflags(write=False)
    return p


@lru_cache(maxsize=64)
def _pairs(n: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    i, j = np.triu_indices(n)
    return i, j


def walsh_averages(x: Floats) -> Floats:
    """The means (x_i + x_j) / 2 over all i <= j, ascending."""
    i, j = _pairs(len(x))
    return np.asarray(np.sort((x[i] + x[j]) / 2))


def estimate(x: Sequence[float], alpha: float, statistic: str = "hodges-lehmann") -> Estimate:
    """Centre of `x` with the exact interval that errs at most `alpha` on either side.
    `x` must hold at least one finite number."""
    values = np.asarray(x, dtype=np.float64)
    if values.size == 0 or not np.all(np.isfinite(values)):
        raise ValueError("estimate needs at least one number, all of them finite")
    if statistic == "hodges-lehmann":
        points, null = walsh_averages(values), signed_rank_distribution(len(values))
    elif statistic == "median":
        points, null = np.sort(values), sign_distribution(len(values))
    else:
        raise ValueError(f"unknown statistic {statistic!r}")
    depth = _depth(null, alpha)
    low = float(points[depth - 1]) if depth else None
    high = float(points[-depth]) if depth else None
    return Estimate(float(np.median(points)), low, high, len(values))


def _depth(null: Floats, alpha: float) -> int:
    """Largest d with P(T <= d - 1) <= alpha: the interval runs from the d-th smallest to the d-th
    largest point. 0 when even the outermost points err more often."""
    return int(np.searchsorted(np.cumsum(null), alpha * (1 + 1e-12), side="right"))


def minimal_detectable_effect(half_width: float, alpha: float) -> float:
    """The true difference that an interval of this half-width shows with 80 % power: half-width is
    about z(1-alpha) standard errors, detection needs z(1-alpha) + z(power) of them."""
    normal = NormalDist()
    return half_width * (1 + normal.inv_cdf(POWER) / normal.inv_cdf(1 - alpha))


def blocks_needed(n: int, half_width: float, distance: float, alpha: float) -> Optional[int]:
    """About how many more pairs until an effect `distance` away from the bound shows with 80 %
    power; widths shrink with the root of n. None when it would take more than 10 000."""
    if distance <= 0:
        return None
    needed = n * (minimal_detectable_effect(half_width, alpha) / distance) ** 2
    return None if needed > 10_000 else max(1, int(np.ceil(needed - n)))
