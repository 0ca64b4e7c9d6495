"""`harness table`: runs to one text on standard output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

from harness.model import json_text
from harness.tables.choice import Choice
from harness.tables.forms import FORMS
from harness.tables.sheet import csv_text, markdown, records
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
    sheets = [FORMS[request.form](load_figures(path), request.choice, request.against) for path in where]
    if request.format == "csv":
        return csv_text(sheets)
    if request.format == "json":
        return json_text(records(sheets))
    return markdown(sheets)
