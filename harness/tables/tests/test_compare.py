"""Two runs stand side by side only if both did the same work on the same machine."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import pytest

from harness.errors import UserError
from harness.report.load import load_run
from harness.report.tests.synthetic import make_run
from harness.run.directory import RunDirectory
from harness.tables.choice import Choice
from harness.tables.command import TableRequest, comparison
from harness.tables.compare import are_apart
from harness.tables.ratios import Ratio

Change = Callable[[Dict[str, Any]], Any]
LANE = {"program": "bench", "args": ["1", "2"], "env": {}}


@pytest.fixture
def two(tmp_path: Path) -> Tuple[Path, Path]:
    first = make_run(tmp_path)
    RunDirectory(first).write_tables(load_run(first).blocks)
    manifest = json.loads((first / "manifest.json").read_text())
    manifest.update(schema=1, machine={"cpu_model": "x", "cpus": 2, "load": [0.1]})
    manifest["experiment"]["workloads"] = {"idle": dict(LANE), "small": dict(LANE)}
    (first / "manifest.json").write_text(json.dumps(manifest))
    second = first.with_name("second")
    shutil.copytree(first, second)
    return first, second


def change(run: Path, edit: Change) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    edit(manifest)
    (run / "manifest.json").write_text(json.dumps(manifest))


def ask(two: Tuple[Path, Path], form: str = "csv", **choice: Tuple[str, ...]) -> Tuple[str, list[str]]:
    root = two[0].parents[2]
    return comparison(TableRequest([str(run) for run in two], root, root, "ab", form, Choice(**choice), "base"))


def test_ratios_stand_beside_ratios(two: Tuple[Path, Path]) -> None:
    text, notes = ask(two)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {(row["lane"], row["arm"]) for row in rows} == {("idle", "treat"), ("small", "treat")}
    assert all(row["a"] == row["b"] and row["a low"] and row["apart"] == "0" for row in rows)
    assert notes == []
    assert "overlap" in ask(two, "md")[0] and json.loads(ask(two, "json")[0])[0]["apart"] == 0


@pytest.mark.parametrize(
    "edit, words",
    [
        (lambda m: m.update(schema=2), "schema: 1 and 2"),
        (lambda m: m["machine"].update(cpu_model="y"), "machine, cpu_model: x and y"),
        (lambda m: m["machine"].update(kernel="6"), "machine, kernel: None and 6"),
        (lambda m: m["experiment"]["workloads"]["idle"].update(args=["1", "3"]), "lane idle, args: 1 2 and 1 3"),
        (lambda m: m["experiment"]["workloads"]["idle"].update(env={"A": "1"}), "lane idle, env"),
        (lambda m: m["experiment"]["workloads"]["idle"].update(program="other"), "lane idle, program: bench and other"),
    ],
)
def test_other_work_another_machine_or_schema_is_refused(two: Tuple[Path, Path], edit: Change, words: str) -> None:
    change(two[1], edit)
    with pytest.raises(UserError) as told:
        ask(two)
    assert told.value.exit_status == 4 and "cannot be compared" in told.value.message and words in told.value.message


def test_a_lane_that_differs_does_not_forbid_another(two: Tuple[Path, Path]) -> None:
    change(two[1], lambda m: m["experiment"]["workloads"]["idle"].update(args=["9"]))
    text, _ = ask(two, lanes=("small",))
    assert "small" in text and "idle" not in text


def test_load_and_time_do_not_matter_and_other_libraries_are_told(two: Tuple[Path, Path]) -> None:
    change(two[1], lambda m: m["machine"].update(load=[7.0]))
    change(two[1], lambda m: m["arms"]["base"].update(identity="f" * 64))
    change(two[0], lambda m: m.update(programs_sha256={"bench": "1"}))
    change(two[1], lambda m: m.update(programs_sha256={"bench": "2"}))
    _, notes = ask(two)
    assert any("base is not the same library" in note for note in notes) and any("bench" in note for note in notes)


def test_a_run_is_not_compared_with_itself(two: Tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="named twice"):
        ask((two[0], two[0]))


def test_apart_means_no_point_in_common() -> None:
    def ratio(low: Any, high: Any) -> Ratio:
        return Ratio(1.0, low, high, 9, 0.9)

    assert are_apart(ratio(0.9, 1.0), ratio(1.01, 1.1)) is True
    assert are_apart(ratio(1.01, 1.1), ratio(0.9, 1.0)) is True
    assert are_apart(ratio(0.9, 1.0), ratio(1.0, 1.1)) is False
    assert are_apart(ratio(0.9, 1.0), ratio(None, None)) is None
