"""The lanes' past: how long their runs took, and how far base's own copy was off base.

Taken from earlier runs of the same experiment, finished or not, and from its publication; only lanes that
were then what they are now (program, arguments, environment, instrument) are looked at. Quick runs so tell
about quick runs. Runs of other machines and days are no comparison, but a fair guess at the noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.experiment import Experiment
from harness.judge.processors import moved
from harness.model import AA, BASE, MEASURED, TREAT, BlockRecord, RunRecord
from harness.run.directory import MANIFEST
from harness.tables.source import load_figures

# What of a lane decides what its runs do.
_SAME = ("program", "command", "args", "env", "sample_ms", "threads", "under")


@dataclass
class LanePast:
    """`seconds` has one entry a run whose end is known; `logs` are ln(copy / base) by figure."""

    seconds: list[float] = field(default_factory=list)
    logs: dict[str, list[float]] = field(default_factory=dict)

    @property
    def seconds_a_run(self) -> float | None:
        return sum(self.seconds) / len(self.seconds) if self.seconds else None


@dataclass
class Past:
    runs: int = 0
    lanes: dict[str, LanePast] = field(default_factory=dict)


def look_back(experiment: Experiment, folders: Sequence[Path]) -> Past:
    """`folders` are those in which runs of experiments are kept, by name (results/, results/published/)."""
    past = Past(lanes={lane: LanePast() for lane in experiment.workloads})
    for where in _runs(experiment.id, folders):
        try:
            data = load_figures(where)
        except UserError:
            continue  # of another version, or damaged: no news
        lanes = _same_lanes(experiment, data.manifest)
        if lanes and data.blocks:
            past.runs += 1
            _add(past, lanes, data.blocks, TREAT if data.manifest["experiment"].get("kind") == "aa" else AA)
    return past


def _runs(name: str, folders: Iterable[Path]) -> list[Path]:
    found = [path.parent for folder in folders for path in (folder / name).glob(f"*/{MANIFEST}")]
    found += [folder / name for folder in folders if (folder / name / MANIFEST).is_file()]
    return sorted(set(found))


def _same_lanes(experiment: Experiment, manifest: Mapping[str, Any]) -> list[str]:
    then = manifest.get("experiment", {}).get("workloads", {})
    now = experiment.dict()["workloads"]
    return [lane for lane in now if lane in then and all(now[lane].get(key) == then[lane].get(key) for key in _SAME)]


def _add(past: Past, lanes: Sequence[str], blocks: Iterable[BlockRecord], copy: str) -> None:
    for block in blocks:
        for run, after in zip(block.runs, block.runs[1:]):
            if run.workload in lanes and (took := _between(run, after)) is not None:
                past.lanes[run.workload].seconds.append(took)
        if block.kind == MEASURED:
            arms = {(run.workload, run.arm): run for run in block.runs if run.counts}
            for lane in lanes:
                if (lane, copy) in arms and (lane, BASE) in arms:
                    _add_logs(past.lanes[lane], arms[(lane, copy)], arms[(lane, BASE)])


def _between(run: RunRecord, after: RunRecord) -> float | None:
    """Seconds from one start to the next: exact to a second each, and right on the average."""
    try:
        begun, ended = (datetime.fromisoformat(text.replace("Z", "+00:00")) for text in (run.started_utc, after.started_utc))
    except ValueError:
        return None
    took = (ended - begun).total_seconds()
    return took if took >= 0 else None


def _add_logs(lane: LanePast, copy: RunRecord, base: RunRecord) -> None:
    for key in set(copy.metrics) & set(base.metrics):
        a, b = copy.metrics[key], base.metrics[key]
        if a > 0 and b > 0 and not moved(key, (copy, base)):
            lane.logs.setdefault(key, []).append(math.log(a / b))
