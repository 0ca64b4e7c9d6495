"""One line of the history, made from a run's verdict and manifest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import astuple, dataclass, fields
from typing import Any, List, Mapping, Optional, Tuple

from harness.model import Verdict
from harness.run.machine import machine_key


@dataclass(frozen=True)
class Row:
    """`time` is when the run began (UTC), `commit` that of the tree, with + where it had changes; `work`
    names what the gate's lane does, `machine` the machine. `ratio` (of an absolute gate the figure
    itself) and its bounds are None where the gate could not give them."""

    time: str
    commit: str
    run: str
    experiment: str
    gate: str
    ratio: Optional[float]
    low: Optional[float]
    high: Optional[float]
    status: str
    machine: str
    work: str

    @property
    def series(self) -> Tuple[str, str, str, str]:
        return (self.experiment, self.gate, self.machine, self.work)

    def cells(self) -> List[str]:
        return ["" if value is None else repr(value) if isinstance(value, float) else str(value) for value in astuple(self)]

    @classmethod
    def from_cells(cls, cells: Mapping[str, str]) -> Row:
        values: dict[str, Any] = {name: cells[name] for name in COLUMNS}
        for name in ("ratio", "low", "high"):
            values[name] = float(values[name]) if values[name] else None
        return cls(**values)


COLUMNS = tuple(field.name for field in fields(Row))


def rows_of(run: str, verdict: Verdict, manifest: Mapping[str, Any]) -> List[Row]:
    """A row a gate; none for a run that judges nothing."""
    git = manifest.get("git") or {}
    commit = f"{git.get('commit') or 'none'}{'+' if git.get('dirty') else ''}"
    machine = machine_key(manifest.get("machine") or {})
    time = str(manifest.get("started_utc", ""))
    return [
        Row(time, commit, run, verdict.experiment_id, g.id, g.estimate, g.low, g.high, g.status.value, machine, work_key(manifest, g.metric))
        for g in verdict.gates
    ]


def work_key(manifest: Mapping[str, Any], metric: str) -> str:
    """Of the lane's program, arguments and surroundings and of what is compared there; how many blocks
    there were, and which commit, leaves it as it is."""
    experiment = manifest.get("experiment") or {}
    lane = (experiment.get("workloads") or {}).get(metric.partition(".")[0]) or {}
    done = {key: lane.get(key) for key in ("program", "command", "args", "env", "threads")}
    text = json.dumps([metric, experiment.get("kind"), experiment.get("arms"), done], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
