"""A run by its directory or its experiment's name, read from what publications keep too (report/kept.py)."""

from __future__ import annotations

from pathlib import Path
from typing import List

from harness.errors import UserError
from harness.experiment.source import nearest
from harness.report.kept import load_figures, run_name
from harness.run.directory import MANIFEST, VERDICT

__all__ = ["find_run", "load_figures", "run_name"]


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
