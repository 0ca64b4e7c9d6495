"""Run directories for the report's tests, made afresh for each test that may change them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable, Optional

import pytest

from harness.model import Verdict
from harness.report import build_report, publication
from harness.report.tests.synthetic import Options, make_run

MakeRun = Callable[..., Path]


@pytest.fixture
def run_dir(tmp_path: Path) -> MakeRun:
    """Makes a run directory; the run id may be given to make a second one."""

    def make(options: Optional[Options] = None, run_id: str = "20260109T000000Z-quick") -> Path:
        return make_run(tmp_path, options, run_id)

    return make


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A GO run with its report, to be read only."""
    root = make_run(tmp_path_factory.mktemp("go"))
    build_report(root)
    return root


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    """A place for publications."""
    place = tmp_path / "results" / "published"
    place.mkdir(parents=True)
    return place


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Publishing does not judge again: it believes the verdict that is there."""

    def stored(run_dir: Path) -> Verdict:
        return Verdict.from_json(json.loads((run_dir / "verdict.json").read_text()))

    monkeypatch.setattr(publication, "judge_records", stored)
