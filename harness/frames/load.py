"""A run or a publication as tidy frames: one observation a row, one variable a column, NaN where nothing
was measured.

    runs    a row a run, warm-up and runs that do not count too: the columns of runs.csv
            (results/README.md), `counts` as bool, `started_utc` as time
    pairs   a row a block, lane, metric and arm: its figure, base's in the same block, and their ratio;
            only what a verdict would use (measured, both count, long enough to be read)
    gates   a row a gate of the verdict: the fields of verdict.json
    memory  a row a sample of each run's memory series; empty for a publication, which has none

Nothing is rounded, reordered or left out but what is said here. pandas is needed, so this is never
imported where a run is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Union

import pandas as pd

from harness.judge.plausible import too_short
from harness.model import BASE, MEASURED, GateVerdict, RunRecord
from harness.report.load import RunData
from harness.run.tables import COMMON, LEADING
from harness.tables.source import load_figures, run_name

PAIR_COLUMNS = ("block", "workload", "metric", "arm", "against", "value", "base", "ratio", "disturbed")
MEMORY_COLUMNS = (
    "block", "kind", "workload", "arm", "t_ms", "rss_kb", "vms_kb", "pss_kb", "uss_kb", "lazyfree_kb", "anon_huge_kb", "phase", "cycle",
)  # fmt: skip
GATE_COLUMNS = tuple(field.name for field in fields(GateVerdict))


@dataclass(frozen=True)
class RunFrames:
    """Frames are made when they are first asked for, and then kept."""

    data: RunData

    @property
    def name(self) -> str:
        """Experiment and run id."""
        return f"{self.data.experiment_id}/{run_name(self.data)}"

    @property
    def manifest(self) -> Mapping[str, Any]:
        return self.data.manifest

    @property
    def status(self) -> str:
        """The verdict's status; "" for a run without one."""
        return "" if self.data.verdict is None else self.data.verdict.status.value

    @cached_property
    def runs(self) -> pd.DataFrame:
        rows = [_run_row(run) for run in self.data.runs]
        metrics = sorted({name for run in self.data.runs for name in run.metrics} - set(COMMON))
        texts = sorted({f"text.{name}" for run in self.data.runs for name in run.strings})
        frame = pd.DataFrame(rows, columns=[*LEADING, *COMMON, *metrics, *texts])
        return frame.assign(started_utc=pd.to_datetime(frame["started_utc"], utc=True, errors="coerce"))

    @cached_property
    def pairs(self) -> pd.DataFrame:
        return pd.DataFrame(list(_pairs(self.data)), columns=PAIR_COLUMNS)

    @cached_property
    def gates(self) -> pd.DataFrame:
        found = [] if self.data.verdict is None else self.data.verdict.gates
        return pd.DataFrame([gate.to_json() for gate in found], columns=GATE_COLUMNS)

    @cached_property
    def memory(self) -> pd.DataFrame:
        parts = [_series(self.data.root, run) for run in self.data.runs if run.csv and (self.data.root / run.csv).exists()]
        if not parts:
            return pd.DataFrame(columns=MEMORY_COLUMNS)
        return pd.concat(parts, ignore_index=True)[list(MEMORY_COLUMNS)]


def load_run(where: Union[str, Path]) -> RunFrames:
    """The frames of results/<experiment>/<run> or results/published/<experiment>. Raises UserError for
    what is no run."""
    return RunFrames(load_figures(Path(where)))


def _run_row(run: RunRecord) -> Dict[str, Any]:
    texts = {f"text.{name}": value for name, value in run.strings.items()}
    lead = {name: getattr(run, name) for name in LEADING}
    lead.update(reasons="; ".join(run.reasons), disturbed="; ".join(run.disturbed), csv=run.csv or "")
    return {**run.metrics, **texts, **lead}


def _pairs(data: RunData) -> Iterator[List[Any]]:
    usable = [run for run in data.runs if run.kind == MEASURED and run.counts]
    bases = {(run.block, run.workload): run for run in usable if run.arm == BASE}
    for run in usable:
        base = bases.get((run.block, run.workload))
        if base is None or run.arm == BASE:
            continue
        disturbed = bool(run.disturbed or base.disturbed)
        for metric, value in run.metrics.items():
            other = base.metrics.get(metric)
            if other is None or too_short(run, metric) or too_short(base, metric):
                continue
            ratio = value / other if other != 0 else float("nan")
            yield [run.block, run.workload, metric, run.arm, BASE, value, other, ratio, disturbed]


def _series(root: Path, run: RunRecord) -> pd.DataFrame:
    frame = pd.read_csv(root / str(run.csv), dtype={"phase": "str"}).reindex(columns=list(MEMORY_COLUMNS[4:]))
    return frame.assign(block=run.block, kind=run.kind, workload=run.workload, arm=run.arm, phase=frame["phase"].fillna(""))
