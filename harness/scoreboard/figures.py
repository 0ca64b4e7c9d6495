"""Figures of two arms as paired ratios, and many of them as one mean.

A ratio is taken inside a block, where both runs stood side by side, and turned so that above 1 always
means that the first arm is better. Its centre and interval are those of the gates (Hodges–Lehmann,
exact signed ranks). A geometric mean over lanes is taken block by block, so that it has an interval
of the same kind: what disturbs one block disturbs its one value.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from statistics import fmean, median
from typing import Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from harness.experiment.figures import larger_is_better as larger_is_better
from harness.judge.pairs import RunTable
from harness.judge.stats import estimate
from harness.model import RunRecord

BlockLogs = Mapping[int, float]


@dataclass(frozen=True)
class Ratio:
    """`low` and `high` are None where the blocks are too few for an interval."""

    value: float
    low: Optional[float]
    high: Optional[float]
    n: int

    @property
    def reading(self) -> str:
        """`ahead` and `behind` only when the whole interval says so."""
        if self.low is None or self.high is None:
            return "too few blocks"
        if self.low > 1:
            return "ahead"
        return "behind" if self.high < 1 else "open"


def counting(table: RunTable, lane: str, arm: str, metric: str) -> List[RunRecord]:
    """The measured runs that count and have the metric, above zero."""
    return [run for run in table.lane(lane, arm) if run.counts and run.metrics.get(metric, 0.0) > 0]


def median_of(table: RunTable, lane: str, arm: str, metric: str) -> Optional[float]:
    values = [run.metrics[metric] for run in counting(table, lane, arm, metric)]
    return median(values) if values else None


def block_logs(table: RunTable, lane: str, metric: str, arms: Tuple[str, str]) -> Dict[int, float]:
    """ln of how much better the first arm is, for each block in which both count."""
    sign = 1.0 if larger_is_better(metric) else -1.0
    first, second = ({run.block: run.metrics[metric] for run in counting(table, lane, arm, metric)} for arm in arms)
    return {block: sign * math.log(first[block] / second[block]) for block in sorted(first.keys() & second.keys())}


def ratio_of(logs: Iterable[float], alpha: float) -> Optional[Ratio]:
    """`alpha` is the error on either side; None without any figure."""
    values = list(logs)
    if not values:
        return None
    found = estimate(values, alpha)
    low, high = (None if x is None else math.exp(x) for x in (found.low, found.high))
    return Ratio(math.exp(found.value), low, high, found.n)


def geometric_mean(lanes: Sequence[BlockLogs], alpha: float) -> Optional[Ratio]:
    """Over lanes, each counting once. From the blocks that all lanes share; where there is none, from
    the lanes' own centres, without an interval."""
    full = [logs for logs in lanes if logs]
    if not full:
        return None
    shared = set.intersection(*(set(logs) for logs in full))
    if shared:
        return ratio_of([fmean(logs[block] for logs in full) for block in sorted(shared)], alpha)
    centres = [estimate(list(logs.values()), alpha).value for logs in full]
    return Ratio(math.exp(fmean(centres)), None, None, 0)
