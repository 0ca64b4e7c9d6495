"""A run read from what publications keep too: the manifest, the verdict, and `runs.csv` for the blocks.

`runs.csv` is made from the blocks and loses no figure, so a table, a frame or a report made of either is
the same. Of the attempts a publication keeps those that failed, of the memory series the curves
(curves_file.py).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.model import Verdict
from harness.report.load import RunData, load_run
from harness.run.attempts import AttemptLog
from harness.run.directory import MANIFEST, VERDICT
from harness.run.tables import blocks_of_csv

RUNS = "runs.csv"
RUN_ID_FILE = "run_id"
FAILED = "failed.jsonl"


def is_publication(where: Path) -> bool:
    return (where / RUNS).exists() and not (where / "blocks").exists()


def load_published(where: Path) -> RunData:
    return replace(load_figures(where), attempts=tuple(AttemptLog(where / FAILED).read()))


def load_figures(where: Path) -> RunData:
    """The run with its blocks rebuilt from runs.csv; plan and attempts are left out. A run that has no such
    table yet (it goes on, or was cut short) is read from its blocks."""
    if not (where / RUNS).exists():
        return load_run(where)
    manifest, verdict = _json(where / MANIFEST), _json(where / VERDICT)
    if manifest is None:
        raise UserError(f"{where}: no {MANIFEST}; give the directory of one run or a publication")
    try:
        blocks = blocks_of_csv((where / RUNS).read_text(encoding="utf-8"))
        return RunData(where, manifest, None, None if verdict is None else Verdict.from_json(verdict), tuple(blocks))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{where}: {RUNS} or {VERDICT} cannot be read ({error}); was it written by another version?") from error


def run_name(data: RunData) -> str:
    """The run's own id, which a publication keeps in a file."""
    kept = data.root / RUN_ID_FILE
    return kept.read_text(encoding="utf-8").strip() if kept.exists() else data.root.resolve().name


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); is the run damaged?") from error
