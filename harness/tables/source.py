"""A run by its directory or its experiment's name, read from what publications keep too.

The figures come from `runs.csv`; a run that has none yet (it goes on, or was cut short) is read from
its blocks. Either way they are the same records, for `runs.csv` is made from the blocks and loses no
figure.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, List

from harness.errors import UserError
from harness.experiment.source import nearest
from harness.model import Verdict
from harness.report.load import RunData, load_run
from harness.report.publication import RUN_ID_FILE
from harness.run.directory import MANIFEST, VERDICT
from harness.run.tables import blocks_of_csv

RUNS = "runs.csv"


def find_run(named: str, root: Path, results: Path) -> Path:
    """`named` is a directory, or an experiment: then its publication, and where it has none its newest
    run with a verdict. A run inside results/ may be named experiment/run."""
    candidates = [Path(named), results / named, root / "results" / "published" / named, results / "published" / named]
    for candidate in candidates:
        if (candidate / MANIFEST).is_file():
            return candidate
    finished = sorted(path.parent for path in (results / named).glob(f"*/{VERDICT}"))
    if finished:
        return finished[-1]
    known = _known(root, results)
    raise UserError(f"{named}: is no run (a directory with manifest.json) and no experiment that has one; {nearest(named, known)}")


def _known(root: Path, results: Path) -> List[str]:
    places = {root / "results" / "published", results / "published"}
    published = {path.parent.name for place in places for path in place.glob(f"*/{MANIFEST}")}
    return sorted(published | {path.parents[1].name for path in results.glob(f"*/*/{VERDICT}")})


def load_figures(where: Path) -> RunData:
    """The run with its blocks rebuilt from runs.csv; plan and attempts are left out."""
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
