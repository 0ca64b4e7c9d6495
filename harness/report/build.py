"""Builds the report of a run: the order of its parts, and the files it becomes."""

from __future__ import annotations

import os
from pathlib import Path

from harness.report import medians, provenance, sections
from harness.report.back_table import back_table
from harness.report.curves_file import CURVES, curves_csv, read_curves
from harness.report.document import Document, Heading, Part
from harness.report.figures import Figures, clear_plots
from harness.report.kept import is_publication, load_published, run_name
from harness.report.load import RunData, load_run
from harness.report.markdown import to_markdown
from harness.report.page import to_html
from harness.report.response import responses
from harness.report.series import LaneCurves, lane_curves


def _present(*parts: Part | None) -> list[Part]:
    return [part for part in parts if part is not None]


def curves_of(data: RunData) -> list[LaneCurves]:
    """Of every lane that has them, from its series or from what a publication keeps of these."""
    kept = data.root / CURVES
    if is_publication(data.root):
        found = [read_curves(kept, lane) for lane in data.workloads()] if kept.exists() else []
    else:
        found = [lane_curves(data, lane) for lane in data.workloads()]
    return [lane for lane in found if lane is not None]


def memory(data: RunData, lanes: list[LaneCurves], figures: Figures) -> list[Part]:
    if lanes:
        drawn = [part for lane in lanes for part in (figures.memory(lane), *back_table(data, lane))]
    else:
        drawn = _present(*(figures.memory_as_published(lane) for lane in data.workloads()))
    return [Heading(2, "Memory over time"), *drawn] if drawn else []


def response(data: RunData, figures: Figures) -> list[Part]:
    """A drawing a flag of which several values were tried."""
    found = responses(data)
    flags = dict.fromkeys(one.flag for one in found)
    drawn = [figures.response([one for one in found if one.flag == flag]) for flag in flags]
    return [Heading(2, "Response to a flag"), *drawn] if drawn else []


def compose(data: RunData, lanes: list[LaneCurves]) -> Document:
    """The whole report; draws its plots into the run directory on the way."""
    figures = Figures(data)
    document = Document(f"{data.experiment_id}: {run_name(data)}")
    document.add(*sections.headline(data), *sections.failed_runs(data))
    document.add(*sections.gates(data), *_present(figures.forest()))
    document.add(*memory(data, lanes, figures))
    document.add(*medians.medians(data), *_present(figures.trade()))
    document.add(*response(data, figures))
    runs = _present(figures.distribution())
    if runs:
        document.add(Heading(2, "Run by run"), *runs)
    pairs = _present(figures.pairs())
    if pairs:
        document.add(Heading(2, "Block by block"), *pairs)
    document.add(*sections.control(data), *_present(sections.control_missing(data)))
    document.add(*sections.evidence(data), *sections.disturbances(data))
    document.add(*provenance.arms(data), *provenance.machine(data))
    document.add(*provenance.repeat(data), *provenance.reading())
    return document


def write_text(path: Path, text: str) -> None:
    """Written beside and renamed, so that a reader never sees half a file."""
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError:
        if beside.is_file():
            beside.unlink()
        raise


def build_report(run_dir: Path) -> Path:
    """Of a run, or of a publication, whose figures stay as they are and only their form is made anew."""
    run_dir = Path(run_dir)
    published = is_publication(run_dir)
    data = load_published(run_dir) if published else load_run(run_dir)
    lanes = curves_of(data)
    clear_plots(data.root, keep_memory=published and not lanes)
    document = compose(data, lanes)
    if not published:
        write_text(data.root / CURVES, curves_csv(lanes))
    write_text(data.root / "report.md", to_markdown(document))
    write_text(data.root / "report.html", to_html(document))
    return data.root / "report.md"
