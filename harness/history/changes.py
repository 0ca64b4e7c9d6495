"""Change points of a series: where its distribution moved, and by how much.

E-divisive (Matteson and James 2014, "A nonparametric approach for multiple change point analysis of
multivariate data"; used on benchmark histories by Daly et al. 2020, "The use of change point detection
to identify software performance regressions in a continuous integration system"): the split with the
largest energy distance between its sides is kept if permuting the series rarely gives a larger one, then
both sides are searched in turn. It assumes nothing about the shape of the noise. Permutations come from
a fixed seed, so a series has one answer.

Works on logs of ratios; a change says nothing about its cause: the day, the machine and the code all are
in a history.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST = 4  # runs on either side; fewer are no level
PERMUTATIONS = 399
SIGNIFICANCE = 0.01
LONGEST = 400  # runs looked back at; the search grows with the square


@dataclass(frozen=True)
class Change:
    """At `at` (an index into the series) the median went from `before` to `after`."""

    at: int
    before: float
    after: float

    @property
    def ratio(self) -> float:
        return self.after / self.before


def changes(values: Sequence[float]) -> List[Change]:
    """The changes in `values`, which are above zero, oldest first; only the last LONGEST are looked at."""
    skipped = max(0, len(values) - LONGEST)
    logs = np.log(np.asarray(values[skipped:], dtype=np.float64))
    noise = np.random.default_rng(20260109)
    ends = sorted(_search(logs, 0, len(logs), noise))
    edges = [0, *ends, len(logs)]
    levels = [float(np.median(logs[a:b])) for a, b in zip(edges, edges[1:]) if b > a]
    return [Change(at + skipped, math.exp(levels[i]), math.exp(levels[i + 1])) for i, at in enumerate(ends)]


def _search(logs: Floats, begin: int, end: int, noise: np.random.Generator) -> List[int]:
    part = logs[begin:end]
    found = _best_split(part)
    if found is None:
        return []
    split, strength = found
    if strength <= 0:
        return []
    beaten = 0
    for _ in range(PERMUTATIONS):
        other = _best_split(noise.permutation(part))
        beaten += other is not None and other[1] >= strength
        if (beaten + 1) / (PERMUTATIONS + 1) > SIGNIFICANCE:
            return []
    at = begin + split
    return [*_search(logs, begin, at, noise), at, *_search(logs, at, end, noise)]


def _best_split(part: Floats) -> Optional[Tuple[int, float]]:
    """The split with the largest scaled energy distance between its sides."""
    n = len(part)
    if n < 2 * LEAST:
        return None
    distance = np.abs(part[:, None] - part[None, :])
    both = distance.cumsum(0).cumsum(1)
    within = np.diagonal(both)[:-1]  # of the first t, t = 1 … n - 1
    rows = both[:-1, -1]  # of the first t to all
    cross = rows - within
    rest = both[-1, -1] - within - 2 * cross
    t = np.arange(1, n, dtype=np.float64)
    energy = 2 * cross / (t * (n - t)) - within / t**2 - rest / (n - t) ** 2
    scaled = energy * t * (n - t) / n
    usable = scaled[LEAST - 1 : n - LEAST]
    place = int(np.argmax(usable))
    return place + LEAST, float(usable[place])
