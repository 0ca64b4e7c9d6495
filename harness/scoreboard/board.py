"""A run of the scoreboard experiment as the table it is made for.

A pure function of the run's records: the same run gives the same board, on any day.

The *best reference* of a lane is the one with the best median there, chosen lane by lane and after the
fact, so hz3 is compared with a team of which the strongest always plays. Yardsticks that are no
allocators for use are shown but never play, nor does a reference whose settings could not be proved.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from harness.errors import UserError
from harness.experiment import Experiment, Workload
from harness.judge.pairs import RunTable
from harness.model import BASE, MEASURED, BlockRecord
from harness.peers.catalogue import OWN_LIBRARIES
from harness.report.load import lanes_as_written
from harness.scoreboard.figures import (
    BlockLogs,
    Ratio,
    block_logs,
    geometric_mean,
    larger_is_better,
    median_of,
    ratio_of,
)

ONE_THREAD, MANY_THREADS, REAL = "one thread", "several threads", "real programs"
PEAK, IDLE = "peak_rss_kb", "rss_idle_kb"

_UNKNOWN_FIGURE = "cpu_s"


@dataclass(frozen=True)
class Row:
    """One lane. `values` are medians of its figure by arm; `against` what the blocks say of hz3
    against each other arm, as ln of how much better hz3 is; `note` says what is missing."""

    lane: str
    group: str
    figure: str
    values: Mapping[str, float]
    peak_kb: Mapping[str, float]
    idle_kb: Mapping[str, float]
    against: Mapping[str, BlockLogs]
    idle_against: Mapping[str, BlockLogs]
    peak_against: Mapping[str, BlockLogs]
    best: Optional[str]
    ratio: Optional[Ratio]
    note: str


@dataclass(frozen=True)
class Board:
    """`arms` in the order of the experiment, hz3 first; `references` are those that may be best."""

    run_id: str
    manifest: Mapping[str, Any]
    experiment: Experiment
    blocks: int
    disturbed: int
    runs: int
    arms: Tuple[str, ...]
    references: Tuple[str, ...]
    rows: Tuple[Row, ...]
    alpha: float

    @property
    def groups(self) -> List[str]:
        """Those that have lanes, the usual ones first."""
        present = list(dict.fromkeys(row.group for row in self.rows))
        usual = [group for group in (ONE_THREAD, MANY_THREADS, REAL) if group in present]
        return usual + [group for group in present if group not in usual]

    def in_group(self, group: Optional[str]) -> List[Row]:
        """None: all lanes."""
        return [row for row in self.rows if group in (None, row.group)]

    def against_best(self, group: Optional[str]) -> Optional[Ratio]:
        logs = [row.against[row.best] for row in self.in_group(group) if row.best is not None]
        return geometric_mean(logs, self.alpha)

    def relative(self, arm: str, group: Optional[str], of: Callable[[Row], Mapping[str, BlockLogs]]) -> Optional[float]:
        """How many times as good as hz3 an arm is, over a group in which it ran everywhere; of memory,
        less is better. 1 for hz3 itself."""
        if arm == BASE:
            return 1.0
        logs = [of(row) for row in self.in_group(group)]
        measured = [found for found in logs if any(found.values())]
        if not measured or any(not found.get(arm) for found in measured):
            return None
        mean = geometric_mean([found[arm] for found in measured], self.alpha)
        return None if mean is None else 1 / mean.value


def speed_logs(row: Row) -> Mapping[str, BlockLogs]:
    return row.against


def peak_logs(row: Row) -> Mapping[str, BlockLogs]:
    return row.peak_against


def idle_logs(row: Row) -> Mapping[str, BlockLogs]:
    return row.idle_against


def group_of(workload: Workload) -> str:
    if workload.group is not None:
        return workload.group
    if workload.command is not None:
        return REAL
    return ONE_THREAD if workload.threads == 1 else MANY_THREADS


def make_board(where: Path, experiment: Experiment, blocks: List[BlockRecord], manifest: Mapping[str, Any]) -> Board:
    """`where` only lends its name, which is the run's."""
    if BASE not in experiment.arms:
        raise UserError(f"{where}: has no arm {BASE}; a scoreboard compares it with references")
    measured = sum(block.kind == MEASURED for block in blocks)
    table = RunTable(blocks, measured)
    unproved = {fact["arm"] for fact in manifest.get("arm_facts", []) if fact.get("problems")}
    references = tuple(
        r.arm for r in experiment.references if r.allocator not in OWN_LIBRARIES and r.arm not in unproved
    )
    alpha = (1 - float(experiment.design.confidence)) / 2
    written = [lane for lane in lanes_as_written(manifest) if lane in experiment.workloads]
    lanes = written + [lane for lane in experiment.workloads if lane not in written]
    return Board(
        run_id=where.resolve().name,
        manifest=manifest,
        experiment=experiment,
        blocks=measured,
        disturbed=sum(bool(run.disturbed) for run in table.runs),
        runs=len(table.runs),
        arms=tuple(experiment.arm_ids),
        references=references,
        rows=tuple(_row(experiment, table, lane, references, alpha) for lane in lanes),
        alpha=alpha,
    )


def _row(experiment: Experiment, table: RunTable, lane: str, references: Tuple[str, ...], alpha: float) -> Row:
    workload = experiment.workloads[lane]
    figure = workload.figure or _UNKNOWN_FIGURE
    arms = experiment.lane_arms(lane)

    def medians(metric: str) -> Dict[str, float]:
        found = {arm: median_of(table, lane, arm, metric) for arm in arms}
        return {arm: value for arm, value in found.items() if value is not None}

    def against(metric: str) -> Dict[str, BlockLogs]:
        return {arm: block_logs(table, lane, metric, (BASE, arm)) for arm in arms if arm != BASE}

    values, logs = medians(figure), against(figure)
    able = [arm for arm in references if arm in values and logs.get(arm)]
    pick = max if larger_is_better(figure) else min
    best = pick(able, key=lambda arm: values[arm]) if able else None
    return Row(
        lane=lane,
        group=group_of(workload),
        figure=figure,
        values=values,
        peak_kb=medians(PEAK),
        idle_kb=medians(IDLE),
        against=logs,
        idle_against=against(IDLE),
        peak_against=against(PEAK),
        best=best,
        ratio=ratio_of(logs[best].values(), alpha) if best is not None else None,
        note=_note(table, lane, arms),
    )


def _note(table: RunTable, lane: str, arms: List[str]) -> str:
    """Arms of which runs did not count, and the first reason."""
    told = []
    for arm in arms:
        runs = table.lane(lane, arm)
        lost = [run for run in runs if not run.counts]
        if lost:
            why = next((run.reasons[0] for run in lost if run.reasons), "no reason recorded")
            told.append(f"{arm}: {len(lost)} of {len(runs)} runs did not count ({why})")
    return "; ".join(told)
