"""Publishing keeps everything that was ever published, and nothing of the machine's private paths."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.model import Failure, FailureKind
from harness.report import build_report, publish
from harness.report.load import load_run
from harness.report.publication import scrub
from harness.report.tests.conftest import MakeRun
from harness.report.tests.synthetic import Options
from harness.report.tests.test_report import tree
from harness.run.attempts import ATTEMPTS, AttemptLog

FIRST, SECOND = "20260109T000000Z-quick", "20260110T000000Z-quick"


# The runs of these tests have invented verdicts; harness/tests/test_answer.py publishes judged ones.
pytestmark = pytest.mark.usefixtures("believed")


def test_a_publication_has_report_verdict_manifest_table_and_plots(run_dir: MakeRun, dest: Path) -> None:
    home = publish(run_dir(), dest)
    assert home == dest / "s62"
    names = set(tree(home))
    assert {"report.md", "report.html", "verdict.json", "manifest.json", "runs.csv", "run_id"} <= names
    assert {"plots/memory-idle.svg", "plots/memory-idle.png", "plots/gates.svg"} <= names
    assert not any(name.startswith(("blocks", "memory/")) for name in names)
    assert (home / "run_id").read_text() == FIRST + "\n"


def test_every_image_of_the_published_report_is_there(run_dir: MakeRun, dest: Path) -> None:
    home = publish(run_dir(), dest)
    text = (home / "report.md").read_text(encoding="utf-8")
    paths = [line.rsplit("](", 1)[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(paths) == 5 and all((home / path).is_file() for path in paths)


def test_an_unfinished_run_is_refused_and_leaves_nothing(run_dir: MakeRun, dest: Path) -> None:
    with pytest.raises(UserError, match="no verdict"):
        publish(run_dir(Options(verdict=None)), dest)
    assert list(dest.iterdir()) == []


def test_a_run_that_lacks_blocks_of_its_verdict_is_refused(run_dir: MakeRun, dest: Path) -> None:
    root = run_dir()
    (root / "blocks" / "0004.json").unlink()
    with pytest.raises(UserError, match="6 blocks but 5"):
        publish(root, dest)


def test_a_later_run_moves_the_earlier_one_aside_whole(run_dir: MakeRun, dest: Path) -> None:
    home = publish(run_dir(run_id=FIRST), dest)
    before = tree(home)
    publish(run_dir(run_id=SECOND), dest)
    assert (home / "run_id").read_text() == SECOND + "\n"
    assert tree(home / "older" / FIRST) == before


def test_the_same_run_again_changes_nothing(run_dir: MakeRun, dest: Path) -> None:
    root = run_dir()
    home = publish(root, dest)
    before = tree(home)
    publish(root, dest)
    assert tree(home) == before


def test_a_published_run_that_was_changed_is_not_overwritten(run_dir: MakeRun, dest: Path) -> None:
    root = run_dir()
    home = publish(root, dest)
    before = tree(home)
    verdict = json.loads((root / "verdict.json").read_text())
    verdict["gates"][0]["estimate"] = 0.01
    (root / "verdict.json").write_text(json.dumps(verdict))
    with pytest.raises(UserError, match="published already"):
        publish(root, dest)
    assert tree(home) == before


def test_a_run_that_was_moved_aside_is_not_published_twice(run_dir: MakeRun, dest: Path) -> None:
    first = run_dir(run_id=FIRST)
    publish(first, dest)
    publish(run_dir(run_id=SECOND), dest)
    with pytest.raises(UserError, match="published already"):
        publish(first, dest)


def test_no_private_path_of_the_machine_is_published(run_dir: MakeRun, dest: Path, tmp_path: Path) -> None:
    library = "/usr/lib/x86_64-linux-gnu/libmimalloc.so.2"
    options = Options(
        extra_manifest={
            "command": ["python3", "-m", "harness", "run", f"{tmp_path}/experiments/s62.yaml"],
            "warnings": ["no space in /home/someone/tmp/scratch; free some"],
            "note": f"{library} and /root/private/build/lib.so",
            "experiment_file": "/home/someone/experiments/s62.yaml",
            "where": "file:/home/someone/x.yaml",
        }
    )
    home = publish(run_dir(options), dest)
    everything = b"\n".join(tree(home).values()).decode("utf-8", errors="replace")
    for private in (str(tmp_path), "/home/", "someone", "/root/"):
        assert private not in everything
    manifest = json.loads((home / "manifest.json").read_text())
    assert manifest["command"][-1] == "experiments/s62.yaml"
    assert library in manifest["note"] and "…/lib.so" in manifest["note"]


@pytest.mark.parametrize(
    "text",
    [
        "s61/s62 and 3.1/s, n/a",
        "ops/s and MiB/s",
        "plots/gates.svg",
        "</p><path d='M 1 2'/>",
        "2026/01/09",
        "/usr/bin/python3",
        "/sys/kernel/mm/transparent_hugepage/enabled",
    ],
)
def test_scrubbing_leaves_what_is_no_private_path(text: str) -> None:
    assert scrub(text, Path("/srv/project")) == text


def test_the_report_of_a_publication_is_that_of_its_run(run_dir: MakeRun, dest: Path) -> None:
    """Also the page: a later harness can make published reports anew without the run."""
    root = run_dir()
    failed = load_run(root).runs[0]
    failed.failure = Failure(FailureKind.SIGNAL, "it was ended by signal 11", "last words")
    AttemptLog(root / ATTEMPTS).append(failed)
    home = publish(root, dest)
    before = tree(home)
    assert "it was ended by signal 11" in before["report.md"].decode() and "failed.jsonl" in before
    for name in [*(home / "plots").iterdir(), home / "report.md", home / "report.html"]:
        name.unlink()
    build_report(home)
    assert tree(home) == before


def test_a_publication_without_curves_keeps_the_drawing_it_has(run_dir: MakeRun, dest: Path) -> None:
    home = publish(run_dir(), dest)
    drawing = (home / "plots" / "memory-idle.svg").read_bytes()
    (home / "curves.csv").unlink()
    build_report(home)
    assert (home / "plots" / "memory-idle.svg").read_bytes() == drawing
    text = (home / "report.md").read_text(encoding="utf-8")
    assert "![Memory over time in lane idle, phases aligned](plots/memory-idle.svg)" in text
    assert 'id="memory-idle-' in (home / "report.html").read_text(encoding="utf-8")
