"""Disturbed blocks: how much of a gate's data the machine had its hands in.

Prevents the accident that most runs were disturbed and the verdict does not say so. Wall-clock
figures, and all figures of speed in lanes of several threads, may decide only while at most a
declared share (`design.disturbed_most`) of their blocks was disturbed; CPU time of one thread and
memory survive a disturbance, but the headline tells of it.
"""

from __future__ import annotations

from harness.experiment import Experiment, Gate
from harness.judge.pairs import RunTable
from harness.judge.plausible import is_exact
from harness.run.cpus import single_threaded

_CPU_TIME = ("_per_cpu_s", "cpu_s", "user_s", "cpu_ns", "instructions")


def share(table: RunTable, gate: Gate, cap: int | None) -> tuple[int, int]:
    """Blocks of the gate in which a run of either arm was disturbed, and all its blocks."""
    blocks = table.lane_blocks(gate.lane, cap)
    disturbed = 0
    for block in blocks:
        runs = [table.run(gate.lane, arm, block) for arm in (gate.arm, gate.against)]
        disturbed += any(run is not None and run.disturbed for run in runs)
    return disturbed, len(blocks)


def is_sensitive(experiment: Experiment, gate: Gate) -> bool:
    """Whether a disturbance changes the figure itself: a wall-clock one, or any of speed where
    several threads compete. Unknown thread counts are taken as several."""
    if is_exact(gate.key):
        return False
    lane = experiment.workloads[gate.lane]
    one_thread = single_threaded(lane.program, lane.threads)
    return not (one_thread and gate.key.endswith(_CPU_TIME))
