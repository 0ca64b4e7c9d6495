"""`harness table` and `harness compare`: runs to one text on standard output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Tuple

from harness.model import json_text
from harness.tables.choice import Choice
from harness.tables.compare import compare, notes
from harness.tables.forms import FORMS
from harness.tables.sheet import Sheet, csv_text, markdown, records
from harness.tables.source import find_run, load_figures

FORMATS = ("md", "csv", "json")


@dataclass(frozen=True)
class TableRequest:
    runs: Sequence[str]
    root: Path
    results: Path
    form: str
    format: str
    choice: Choice
    against: str


def table(request: TableRequest) -> str:
    where = [find_run(named, request.root, request.results) for named in request.runs]
    return _text([FORMS[request.form](load_figures(path), request.choice, request.against) for path in where], request.format)


def comparison(request: TableRequest) -> Tuple[str, List[str]]:
    """The text, and the notes to read with it."""
    a, b = (load_figures(find_run(named, request.root, request.results)) for named in request.runs)
    return _text([compare(a, b, request.choice, request.against)], request.format), notes(a, b, request.against)


def _text(sheets: Sequence[Sheet], form: str) -> str:
    if form == "csv":
        return csv_text(sheets)
    if form == "json":
        return json_text(records(sheets))
    return markdown(sheets)
