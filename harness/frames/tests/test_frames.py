"""The frames hold what the files hold, under the documented names, and the example runs."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pandas as pd
import pytest

import harness
from harness.errors import UserError
from harness.frames.load import GATE_COLUMNS, MEMORY_COLUMNS, PAIR_COLUMNS
from harness.report.load import load_run as records
from harness.report.tests.synthetic import Options, make_run
from harness.run.directory import RunDirectory
from harness.run.tables import LEADING

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    where = make_run(tmp_path)
    RunDirectory(where).write_tables(records(where).blocks)
    return where


def test_runs_are_the_rows_of_runs_csv_with_their_types(run: Path) -> None:
    frame = harness.load_run(run).runs
    told = pd.read_csv(run / "runs.csv")
    assert list(frame.columns) == list(told.columns) and len(frame) == len(told)
    figures = [column for column in told.columns if told[column].dtype == float and column not in LEADING]
    assert len(figures) > 5
    for column in figures:
        pd.testing.assert_series_equal(frame[column].astype(float), told[column], check_exact=True)
    assert frame["counts"].dtype == bool and str(frame["started_utc"].dtype) == "datetime64[ns, UTC]"
    assert set(frame["kind"]) == {"warmup", "measured"}


def test_pairs_are_figures_of_one_block(run: Path) -> None:
    frames = harness.load_run(run)
    pairs = frames.pairs
    assert tuple(pairs.columns) == PAIR_COLUMNS and "base" not in set(pairs["arm"])
    data = records(run)
    some = pairs[(pairs["workload"] == "small") & (pairs["metric"] == "ops_per_cpu_s") & (pairs["arm"] == "treat")]
    made = [a / b for a, b in zip(data.values("small", "treat", "ops_per_cpu_s"), data.values("small", "base", "ops_per_cpu_s"))]
    assert list(some["ratio"]) == made and len(made) == 6
    assert not set(pairs["block"]) & set(frames.runs.loc[frames.runs["kind"] == "warmup", "block"])


def test_a_run_that_does_not_count_takes_its_pairs_with_it_and_nought_has_no_ratio(run: Path) -> None:
    lines = (run / "runs.csv").read_text()
    frame = pd.read_csv(run / "runs.csv", dtype=str, keep_default_na=False)
    frame.loc[(frame["block"] == "1") & (frame["arm"] == "base"), "counts"] = "0"
    frame.loc[(frame["block"] == "2") & (frame["arm"] == "base"), "minflt"] = "0"
    frame.to_csv(run / "runs.csv", index=False)
    pairs = harness.load_run(run).pairs
    assert "1" in set(pd.read_csv(run / "runs.csv", dtype=str)["block"]) and 1 not in set(pairs["block"])
    nought = pairs[(pairs["block"] == 2) & (pairs["metric"] == "minflt")]
    assert len(nought) and all(math.isnan(ratio) for ratio in nought["ratio"])
    assert lines != (run / "runs.csv").read_text()


def test_gates_are_the_verdicts(run: Path) -> None:
    frames = harness.load_run(run)
    verdict = json.loads((run / "verdict.json").read_text())
    assert tuple(frames.gates.columns) == GATE_COLUMNS and frames.status == verdict["status"]
    assert list(frames.gates["id"]) == [gate["id"] for gate in verdict["gates"]]
    assert list(frames.gates["estimate"]) == [gate["estimate"] for gate in verdict["gates"]]


def test_memory_is_every_sample_with_its_run(run: Path) -> None:
    memory = harness.load_run(run).memory
    assert tuple(memory.columns) == MEMORY_COLUMNS
    samples = sum(len(path.read_text().splitlines()) - 1 for path in (run / "memory").glob("*.csv"))
    assert len(memory) == samples > 0 and set(memory["phase"]) >= {"burst", "held", "joined"}


def test_a_publication_and_an_unfinished_run_have_frames_with_the_same_columns(tmp_path: Path) -> None:
    published = harness.load_run(PROJECT / "results/published/s62")
    assert published.memory.empty and tuple(published.memory.columns) == MEMORY_COLUMNS
    assert len(published.pairs) > 100 and published.name.startswith("s62/2026")
    begun = harness.load_run(make_run(tmp_path, Options(verdict=None)))
    assert begun.status == "" and begun.gates.empty and tuple(begun.gates.columns) == GATE_COLUMNS
    with pytest.raises(UserError):
        harness.load_run(tmp_path)


def test_the_example_runs_on_both(run: Path) -> None:
    for where in (PROJECT / "results/published/s62", run):
        done = subprocess.run([str(PROJECT / "tools/frames-example"), str(where)], cwd="/", capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert "treat" in done.stdout and ("held" in done.stdout) is (where == run)
