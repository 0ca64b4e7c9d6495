"""What is asked of figures, looked at before anything runs, with the line it stands in.

A figure that no run can give is refused: the judge would miss it only at the end. A gate that is allowed
but rarely meant is told of; it may be somebody's purpose.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List

from harness import warnings
from harness.experiment import Experiment, Gate, Workload, load_experiment, parse_evidence
from harness.experiment.figures import larger_is_better, smaller_is_better, unknown_figure
from harness.experiment.source import KeyPath, Source, read_source
from harness.run.cpus import single_threaded

# Which argument, counted from 0, says how many threads a program has.
_THREADS = {
    **dict.fromkeys(("alloc_test", "bench_mt_remote", "cache_scratch", "cache_thrash", "mstress", "rptest", "sh6", "sh8"), 0),
    "glibc_thread": 1,
    "survivors": 3,
    **dict.fromkeys(("bench_burst_idle", "bench_burst_idle_v2"), 4),
    **dict.fromkeys(("larson", "larson_sized"), 6),
}


def gate_doubts(experiment: Experiment, file: Path, shown: str) -> List[str]:
    """Of the gates in `file` that `experiment`, which options may have cut down, still has."""
    marks = read_source(file).values
    told = []
    for i, gate in enumerate(load_experiment(file).gates):
        if gate not in experiment.gates:
            continue
        line, column = marks[("gates", i)]
        told += [f"{shown}:{line}:{column}: {text}" for text in _doubts(experiment, gate)]
    return told


def refuse_unknown_figures(experiment: Experiment, file: Path, shown: str) -> None:
    """Raises ExperimentError for every gate and evidence expression on a figure that its lane cannot give,
    as far as that is known. Lanes and gates that options have taken away are not asked about."""
    source = read_source(file)
    source.file = shown
    for i, gate in enumerate(load_experiment(file).gates):
        if gate in experiment.gates:
            _refuse(source, ("gates", i, "metric"), unknown_figure(experiment.workloads[gate.lane], gate.key))
    for arm, expressions in load_experiment(file).evidence.items():
        for i, text in enumerate(expressions):
            lane, _, key = parse_evidence(text).counter.partition(".")
            if lane in experiment.workloads and arm in experiment.lane_arms(lane):
                _refuse(source, ("evidence", arm, i), unknown_figure(experiment.workloads[lane], key))
    source.finish()


def _refuse(source: Source, path: KeyPath, text: str) -> None:
    if text:
        source.problem(path, text)


def _doubts(experiment: Experiment, gate: Gate) -> Iterator[str]:
    if _on_the_good_side(gate):
        better = "more" if larger_is_better(gate.key) else "less"
        asks = "demands a loss" if gate.is_target else "forbids a gain"
        yield warnings.text("good-side", rule=gate.rule, metric=gate.metric, better=better, asks=asks)
    if gate.key.endswith("_per_cpu_s") and _maybe_several_threads(experiment.workloads[gate.lane]):
        yield warnings.text("cpu-speed", metric=gate.metric, lane=gate.lane)


def _maybe_several_threads(workload: Workload) -> bool:
    """Of a command that does not say so nothing is known, and it is left in peace."""
    if workload.threads is not None or workload.program is None:
        return (workload.threads or 1) > 1
    place = _THREADS.get(workload.program)
    if place is not None and place < len(workload.args):
        return workload.args[place] != "1"
    return not single_threaded(workload.program)


def _on_the_good_side(gate: Gate) -> bool:
    """A target below 1 for something of which more is better, a guard above it, and the reverse."""
    predicate = gate.predicate
    if predicate is None or predicate.subject != "ratio" or (gate.is_target and predicate.holds(1.0)):
        return False
    if not (larger_is_better(gate.key) or smaller_is_better(gate.key)):
        return False
    wants_more = predicate.upward == gate.is_target
    return wants_more != larger_is_better(gate.key)
