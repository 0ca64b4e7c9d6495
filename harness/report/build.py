"""Builds the report of a run: the order of its parts, and the files it becomes."""

from __future__ import annotations

import os
from pathlib import Path

from harness.report import medians, provenance, sections
from harness.report.document import Document, Heading, Part
from harness.report.figures import Figures, clear_plots
from harness.report.load import RunData, load_run
from harness.report.markdown import to_markdown
from harness.report.page import to_html


def _present(*parts: Part | None) -> list[Part]:
    return [part for part in parts if part is not None]


def compose(data: RunData) -> Document:
    """The whole report; draws its plots into the run directory on the way."""
    figures = Figures(data)
    document = Document(f"{data.experiment_id}: {data.root.resolve().name}")
    document.add(*sections.headline(data), *sections.failed_runs(data))
    document.add(*sections.gates(data), *_present(figures.forest()))
    curves = _present(*(figures.memory(workload) for workload in data.workloads()))
    if curves:
        document.add(Heading(2, "Memory over time"), *curves)
    document.add(*medians.medians(data), *_present(figures.trade()))
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
    data = load_run(run_dir)
    clear_plots(data.root)
    document = compose(data)
    write_text(data.root / "report.md", to_markdown(document))
    write_text(data.root / "report.html", to_html(document))
    return data.root / "report.md"
