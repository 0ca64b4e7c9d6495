"""The nightly gate through the command line, and a base built from another commit."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from harness.tests.conftest import Lab

NIGHT = ["--night", "2026-01-09"]


def git(root: Path, *args: str) -> str:
    who = ["-c", "user.name=lab", "-c", "user.email=lab@localhost", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", "-C", str(root), *who, *args], check=True, capture_output=True, text=True).stdout.strip()


def nightly(lab: Lab, **changes: str) -> str:
    lanes = {
        "workloads": "workloads:\n  one: {program: fake_load, args: [ok]}\n  two: {program: fake_load, args: [ok]}",
        "evidence": "",
        "gates": 'gates:\n  - {metric: one.ops_per_s, no_go_if: "ratio < 0.97"}\n  - {metric: two.ops_per_s, no_go_if: "ratio < 0.97"}',
        "nightly": "nightly: {confirm_blocks: 8}",
        "quick": "",
    }
    return lab.experiment("nightly", **{**lanes, **changes})


def gate(lab: Lab, file: str, *args: str) -> subprocess.CompletedProcess[str]:
    return lab.harness("gate", file, *NIGHT, "--results", str(lab.results), *args)


def test_nothing_worse_is_go_after_the_first_stage_alone(lab: Lab, tmp_path: Path) -> None:
    xml, page = tmp_path / "out" / "junit.xml", tmp_path / "out" / "page.md"
    done = gate(lab, nightly(lab), "--junit", str(xml), "--report", str(page))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "GO: nightly 2026-01-09, 2 gates: 2 passed\n"
    assert len(lab.runs("nightly-screen")) == 1 and lab.runs("nightly-confirm") == []
    assert ElementTree.parse(xml).getroot().find("testsuite").get("failures") == "0"
    assert page.read_text().startswith("# nightly, 2026-01-09\n\n> **GO**")


def test_a_regression_is_confirmed_on_blocks_of_a_second_plan(lab: Lab, tmp_path: Path) -> None:
    xml = tmp_path / "junit.xml"
    file = nightly(lab, arms="arms: {base: quick, treat: plain}")
    done = gate(lab, file, "--junit", str(xml))
    assert done.returncode == 1, done.stderr
    assert "one.ops_per_s: regressed, 0.500 [0.500, 0.500]" in done.stdout and done.stdout.endswith("2 gates: 2 regressed\n")
    (first,), (second,) = lab.runs("nightly-screen"), lab.runs("nightly-confirm")
    plans = [json.loads((run / "plan.json").read_text()) for run in (first, second)]
    assert plans[0]["seed"] != plans[1]["seed"]
    confirmed = json.loads((second / "manifest.json").read_text())["experiment"]
    assert confirmed["design"]["blocks"] == 8 and confirmed["design"]["confidence"] == pytest.approx(1 - 2 * 0.05 / 2)
    assert ElementTree.parse(xml).getroot().find("testsuite").get("failures") == "2"

    told = gate(lab, file, "--json")
    night = json.loads(told.stdout)
    assert (told.returncode, night["status"], night["exit_status"]) == (1, "NO-GO", 1)


def test_only_is_partial_and_another_variant_can_be_base(lab: Lab) -> None:
    file = nightly(lab, arms="arms: {base: plain, treat: plain}")
    refused = gate(lab, file)
    assert refused.returncode == 4 and "give --base-ref COMMIT" in refused.stderr and refused.stdout == ""
    done = gate(lab, nightly(lab, arms="arms: {base: quick, treat: quick}"), "--base", "plain", "--only", "two")
    assert done.returncode == 6, done.stderr
    assert "left out by --only: one.ops_per_s" in done.stdout and "PARTIAL: nightly" in done.stdout


def test_the_same_bytes_have_nothing_to_measure(lab: Lab) -> None:
    done = gate(lab, nightly(lab, arms="arms: {base: plain, treat: hollow}"))
    assert done.returncode == 0, done.stderr
    assert "nothing to measure" in done.stdout and done.stdout.splitlines()[-1].startswith("GO: nightly")
    assert lab.runs("nightly-screen") == []


def test_a_treatment_that_crashes_is_red_without_a_second_stage(lab: Lab, tmp_path: Path) -> None:
    count = tmp_path / "count"
    lanes = f"workloads:\n  one: {{program: fake_load, args: [crash, a01, '{count}']}}\n  two: {{program: fake_load, args: [ok]}}"
    xml = tmp_path / "junit.xml"
    done = gate(lab, nightly(lab, workloads=lanes), "--junit", str(xml))
    assert done.returncode == 1, done.stderr
    assert "reliability, lane one: treat failed" in done.stdout
    assert lab.runs("nightly-confirm") == []
    assert ElementTree.parse(xml).getroot().find("testsuite").get("failures") == "1"


def test_an_experiment_without_stages_is_told_how_to_get_them(lab: Lab) -> None:
    done = gate(lab, lab.experiment("plain"))
    assert done.returncode == 4 and "has no section `nightly`" in done.stderr
    done = lab.harness("gate", nightly(lab), "--night", "yesterday")
    assert done.returncode == 4 and "write YYYY-MM-DD" in done.stderr


@pytest.fixture
def history(fake_root: Path, tmp_path: Path) -> Lab:
    """A project in git of which the second commit made `quick` slower, the third changed no code."""
    root = tmp_path / "project"
    shutil.copytree(fake_root, root, ignore=shutil.ignore_patterns("build"))
    (root / ".gitignore").write_text("/build/\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "quick")
    variants = root / "hz3/variants.yaml"
    variants.write_text(variants.read_text().replace("HZ3_FAKE_SPEED: 200", "HZ3_FAKE_SPEED: 150"))
    git(root, "commit", "-qam", "slower")
    (root / "notes").write_text("no code\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "notes")
    return Lab(root, tmp_path / "results", {"XDG_CACHE_HOME": str(tmp_path / "cache")})


def test_base_of_an_earlier_commit_is_built_outside_the_tree(history: Lab, tmp_path: Path) -> None:
    file = nightly(history, arms="arms: {base: quick, treat: quick}")
    done = gate(history, file, "--base-ref", "HEAD~2")
    assert done.returncode == 1, done.stderr
    assert "one.ops_per_s: regressed, 0.75" in done.stdout
    (run,) = history.runs("nightly-confirm")
    manifest = json.loads((run / "manifest.json").read_text())
    commits = {arm: manifest["arms"][arm]["record"]["git_commit"] for arm in ("base", "aa", "treat")}
    first = git(history.root, "rev-parse", "HEAD~2")
    assert commits["base"] == commits["aa"] == first
    assert manifest["arms"]["treat"]["changes"] == {"HZ3_FAKE_SPEED": [200, 150]}
    assert git(history.root, "status", "--porcelain") == ""
    assert list((tmp_path / "cache/hz3-lab/bases").glob(f"{first[:16]}-*/hz3/variants.yaml"))

    # The same night again takes what it has; the runs it would make are the same ones.
    blocks = sorted(path.stat().st_mtime_ns for path in history.results.glob("nightly-*/*/blocks/*.json"))
    assert gate(history, file, "--base-ref", "HEAD~2").returncode == 1
    assert sorted(path.stat().st_mtime_ns for path in history.results.glob("nightly-*/*/blocks/*.json")) == blocks


def test_a_commit_that_changed_no_code_is_go_and_an_unknown_one_a_sentence(history: Lab) -> None:
    file = nightly(history, arms="arms: {base: quick, treat: quick}")
    done = gate(history, file, "--base-ref", "HEAD~1")
    assert done.returncode == 0, done.stderr
    assert "nothing to measure" in done.stdout
    done = gate(history, file, "--base-ref", "no-such-branch")
    assert done.returncode == 4 and "is no commit of" in done.stderr
    done = gate(history, file, "--base-ref=--help")
    assert done.returncode == 4 and "is no commit of" in done.stderr


def test_a_run_can_have_a_base_of_another_commit_too(history: Lab) -> None:
    changes = dict(arms="arms: {base: quick, treat: quick}", evidence="", gates='gates: [{metric: load.ops_per_s, no_go_if: "ratio < 0.9"}]')
    done = history.run(history.experiment("since", **changes), "--base-ref", "HEAD~2", "--quick")
    assert done.returncode == 1, done.stderr
    assert "HZ3_FAKE_SPEED 200 -> 150" in done.stderr
    done = history.run(history.experiment("since", **changes), "--base-ref", "HEAD~2", "--quick", "--aa")
    assert done.returncode == 4 and "leave the option out" in done.stderr


def test_the_sample_workflow_calls_the_gate_as_it_is() -> None:
    project = Path(__file__).resolve().parents[2]
    data = yaml.safe_load((project / "tools/nightly-example.yml").read_text())
    (command,) = [line for step in data["jobs"]["gate"]["steps"] for line in step.get("run", "").splitlines() if "harness gate" in line]
    words = command.split()
    assert words[:4] == ["python3", "-m", "harness", "gate"]
    done = subprocess.run(["/usr/bin/python3", *words[1:], "--help"], cwd=project, capture_output=True, text=True, timeout=60)
    options = [word for word in words if word.startswith("--")]
    assert done.returncode == 0 and all(option in done.stdout for option in options)
