"""What a program reads: one JSON document on standard output, whatever is told to people beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.tests.conftest import Lab

PROJECT = Path(__file__).resolve().parents[2]


def asked(lab: Lab, *args: str, status: int = 0) -> Any:
    done = lab.harness(*args, "--json")
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def test_list(lab: Lab) -> None:
    lists = asked(lab, "list")
    assert list(lists) == sorted(["experiments", "variants", "workloads", "references"])
    assert {"name": "fake", "kind": "ab", "problem": None} == {k: lists["experiments"][0][k] for k in ("name", "kind", "problem")}
    assert {"name": "hollow"} in lists["variants"]
    assert {"name", "presets", "library", "missing", "package", "built_by"} == set(lists["references"][0])
    assert list(asked(lab, "list", "variants")) == ["variants"]


def test_plan_and_judge_are_the_records_of_a_run(lab: Lab) -> None:
    file = lab.experiment("json", gates='gates: [{metric: load.ops_per_s, go_if: "ratio >= 3"}]')
    plan = asked(lab, "plan", file, "--quick", "--results", str(lab.results))
    assert plan["unfinished"] is None and plan["gates"] == [{"gate": "load.ops_per_s", "metric": "load.ops_per_s", "rule": "go_if ratio >= 3"}]
    assert lab.run(file, "--quick").returncode == 1
    (where,) = lab.runs("json")
    assert plan["plan"] == json.loads((where / "plan.json").read_text())
    assert asked(lab, "judge", str(where), status=1) == json.loads((where / "verdict.json").read_text())
    (where / "report.html").unlink()
    found = asked(lab, "plan", file, "--quick", "--results", str(lab.results))["unfinished"]
    assert (found["run"], found["changed"]) == (str(where), []) and found["blocks"] == 7


def test_doctor_has_the_status_it_ends_with() -> None:
    done = Lab(PROJECT, Path("/nonexistent")).harness("doctor", "--json")
    told = json.loads(done.stdout)
    assert told["exit_status"] == done.returncode and told["fit"] is (done.returncode == 0)
    assert {finding["level"] for finding in told["findings"]} <= {"good", "odd", "bad"}


@pytest.mark.parametrize("args", [["judge", "/nonexistent"], ["table", "nope"], ["compare", "nope", "nope2"], ["history", "nope"], ["plan", "nope"]])
def test_a_mistake_is_a_sentence_on_standard_error_and_no_document(lab: Lab, args: list[str]) -> None:
    done = lab.harness(*args, "--json")
    assert (done.returncode, done.stdout) == (4, "") and done.stderr.startswith("harness: ")
