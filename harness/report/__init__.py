"""From a run directory to what people read: tables, plots, one Markdown and one HTML report.

`build_report(run_dir)` writes them all and `publish(run_dir, dest)` keeps a finished run for good.
Everything here is a pure function of the run directory and gives the same bytes every time. pandas,
numpy and matplotlib are imported inside the calls, never by importing this package, so that the
process that measures stays small.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["build_report", "publish", "write_index"]


def build_report(run_dir: Path) -> Path:
    """Write report.md, report.html and plots/ in `run_dir`, a run's directory or a publication's.

    Needs no verdict: an unfinished run gets a report that says so. Returns the path of report.md.
    """
    from harness.report.build import build_report as build

    return build(Path(run_dir))


def publish(run_dir: Path, dest: Path) -> Path:
    """Copy what is worth keeping of a finished run to `dest`/<experiment>/; see results/README.md.

    `dest` is normally results/published. Raises UserError for an unfinished run. Returns the
    publication's directory.
    """
    from harness.report.publication import publish as do_publish

    return do_publish(Path(run_dir), Path(dest))


def write_index(published: Path) -> Path:
    """Write index.md and index.html over the publications in `published`. Returns the path of the page."""
    from harness.report.index import write_index as write

    return write(Path(published))
