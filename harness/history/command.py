"""`harness history`: series of the log as text, JSON or a plot. And the one line of `run` that adds to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from harness.errors import UserError
from harness.experiment.source import nearest
from harness.history.log import NAME, append
from harness.history.row import rows_of
from harness.model import Verdict, json_text
from harness.run.directory import RunDirectory


def record(results: Path, directory: RunDirectory, verdict: Verdict) -> None:
    """Adds a run's gates to results/history.csv."""
    append(results / NAME, rows_of(directory.root.name, verdict, directory.manifest()))


@dataclass(frozen=True)
class HistoryRequest:
    results: Path
    experiment: Optional[str]
    gate: Optional[str]
    json: bool = False
    plot: Optional[Path] = None


def history(request: HistoryRequest) -> str:
    from harness.history.index import rows  # these need numpy, which a run does not load for one line
    from harness.history.view import as_json, series_of, text

    found = series_of(rows(request.results / NAME, request.experiment, request.gate))
    if not found:
        raise UserError(_nothing(request))
    if request.plot is not None:
        from harness.history.plot import write_plot

        write_plot(found, request.plot)
    return json_text(as_json(found)) if request.json else text(found) + "\n"


def _nothing(request: HistoryRequest) -> str:
    from harness.history.index import rows

    every = rows(request.results / NAME)
    if not every:
        return f"{request.results / NAME}: there is no history yet; a run with gates begins one"
    experiments = {row.experiment for row in every}
    if request.experiment is not None and request.experiment not in experiments:
        return f"no run of {request.experiment} is in the history; {nearest(request.experiment, experiments)}"
    gates = {row.gate for row in every if request.experiment in (None, row.experiment)}
    return f"no gate {request.gate} is in the history; {nearest(str(request.gate), gates)}"
