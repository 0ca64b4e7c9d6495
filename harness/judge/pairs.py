"""Measured blocks as paired figures: for one lane, metric and two arms, one pair per block.

A pair needs both runs of its block to count and to have the metric. A run that does not count takes
its partner with it (dropping one arm only would favour the other); a run that counts but lacks the
metric, or is not recorded at all, is a defect of the data and reported as such. Which arm lost runs
is kept: losses of one arm alone are no accident of the machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Optional

from harness.experiment.source import nearest
from harness.judge.plausible import too_short
from harness.judge.processors import distance, moved
from harness.model import MEASURED, BlockRecord, RunRecord


@dataclass
class Pairs:
    """Values of `arm` and `against` in the blocks where both count. `first` says per pair whether
    the arm ran before its partner, `apart` the nanoseconds between the machine's processors.
    `defects` make the data unusable; `dropped` counts blocks left out because a run did not count,
    `lost` the runs that did not by arm, `why` their reasons; `moved` counts blocks left out because
    the machine moved its processors."""

    arm: list[float] = field(default_factory=list)
    against: list[float] = field(default_factory=list)
    first: list[bool] = field(default_factory=list)
    apart: list[Optional[float]] = field(default_factory=list)
    dropped: int = 0
    moved: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)

    @property
    def n(self) -> int:
        return len(self.arm)

    @property
    def imbalance(self) -> int:
        """How many more pairs had the arm in front than behind, without sign."""
        return abs(sum(1 if first else -1 for first in self.first))


class RunTable:
    """The measured runs of the first `look` measured blocks, by lane, arm and block."""

    def __init__(self, blocks: Sequence[BlockRecord], look: int) -> None:
        measured = sorted((b for b in blocks if b.kind == MEASURED), key=lambda b: b.index)
        self.blocks = measured[:look]
        self.runs = [run for block in self.blocks for run in block.runs]
        self._at = {(r.workload, r.arm, r.block): r for r in self.runs}

    def lane(self, workload: str, arm: str) -> list[RunRecord]:
        """All measured runs of an arm in a lane, in block order."""
        return [r for r in self.runs if (r.workload, r.arm) == (workload, arm)]

    def lane_blocks(self, workload: str, cap: Optional[int]) -> list[int]:
        """Indices of the blocks in which the lane was to run: its cap stops it early."""
        indices = [block.index for block in self.blocks]
        return indices if cap is None else indices[:cap]

    def run(self, workload: str, arm: str, block: int) -> Optional[RunRecord]:
        return self._at.get((workload, arm, block))


def collect(
    table: RunTable, lane: str, key: str, arms: tuple[str, str], cap: Optional[int]
) -> Pairs:
    """The pairs of `arms` = (arm, against) for metric `key` in `lane`."""
    pairs = Pairs()
    for block in table.lane_blocks(lane, cap):
        runs = [table.run(lane, arm, block) for arm in arms]
        defect = _defect(runs, arms, key, lane, block)
        if defect:
            pairs.defects.append(defect)
            continue
        a, b = (run for run in runs if run is not None)
        lost = {arm: why for arm, run in zip(arms, (a, b)) if (why := _not_counting(run, key))}
        if lost:
            pairs.dropped += 1
            pairs.why += lost.values()
            pairs.lost.update({arm: pairs.lost.get(arm, 0) + 1 for arm in lost})
            continue
        if moved(key, (a, b)):
            pairs.moved += 1
            continue
        pairs.arm.append(a.metrics[key])
        pairs.against.append(b.metrics[key])
        pairs.first.append(a.position < b.position)
        pairs.apart.append(distance((a, b)))
    return pairs


def _defect(
    runs: Sequence[Optional[RunRecord]], arms: tuple[str, str], key: str, lane: str, block: int
) -> str:
    for run, arm in zip(runs, arms):
        if run is None:
            return f"block {block} has no run of {arm} in {lane}"
        if run.counts and not math.isfinite(run.metrics.get(key, math.nan)):
            advice = nearest(key, run.metrics) if run.metrics else "the run reported nothing"
            return f"{lane}.{key} is missing in block {block}, arm {arm}; {advice}"
    return ""


def _not_counting(run: RunRecord, key: str) -> str:
    """Why the run's figure is left out; nothing when it counts."""
    if not run.counts:
        return "; ".join(run.reasons) or "it did not count"
    return too_short(run, key)


def log_ratios(pairs: Pairs) -> Optional[list[float]]:
    """ln(arm / against) per pair; equal values (two zeros too) give 0. None when any other value is
    not above zero, because no ratio describes it."""
    ratios = []
    for a, b in zip(pairs.arm, pairs.against):
        if a == b:
            ratios.append(0.0)
        elif a <= 0 or b <= 0:
            return None
        else:
            ratios.append(math.log(a / b))
    return ratios
