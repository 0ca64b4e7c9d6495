"""Slow modes: what the centre of the data does not see.

Prevents the accident that an arm which is a third slower in every tenth run passes a guard of two
per cent: the Hodges-Lehmann centre is meant to ignore a few outliers, and a slow mode looks like
some. So a guard also asks that the *mean* log-ratio, which a slow mode does shift, keeps to the
bound with its whole interval. The interval is the percentile bootstrap of the mean (Efron 1979),
with a fixed seed, so that judging again gives the same answer. Modes that stand apart are named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

RESAMPLES = 4000
_SEED = 20260109
_LEAST_APART = math.log(1.03)  # modes closer than 3 % concern nobody
_LEAST_IN_MODE = 2  # one run is an outlier, not a mode


def mean_interval(logs: Sequence[float], alpha: float) -> tuple[float, float]:
    """The interval of the mean that errs `alpha` at either side, for at least one value."""
    values = np.asarray(logs, dtype=np.float64)
    draws = np.random.default_rng(_SEED).integers(0, len(values), (RESAMPLES, len(values)))
    means = np.sort(values[draws].mean(axis=1))
    depth = max(0, math.ceil(alpha * RESAMPLES) - 1)
    return float(means[depth]), float(means[-1 - depth])


def two_modes(values: Sequence[float]) -> tuple[int, float] | None:
    """How many runs stand apart in the smaller mode, and the ratio of the modes' medians (above 1
    when the smaller mode has the larger values); None for one mode, or for too few values.

    The values are split at their widest gap. Two modes are what lies on both sides of a gap that is
    wider than both sides are spread, each side taken without its outermost value."""
    logs = sorted(math.log(v) for v in values if v > 0)
    if len(logs) < 2 * _LEAST_IN_MODE + 1 or len(logs) < len(values):
        return None
    cuts = range(_LEAST_IN_MODE, len(logs) - _LEAST_IN_MODE + 1)
    cut = max(cuts, key=lambda i: logs[i] - logs[i - 1])
    low, high = logs[:cut], logs[cut:]
    gap = high[0] - low[-1]
    if gap < max(_LEAST_APART, _spread(low), _spread(high)):
        return None
    small, large = (low, high) if len(low) < len(high) else (high, low)
    return len(small), math.exp(float(np.median(small)) - float(np.median(large)))


def _spread(side: Sequence[float]) -> float:
    """From the second value to the last but one: an outlier must not hide a gap."""
    inner = side[1:-1] if len(side) > 3 else side
    return inner[-1] - inner[0]
