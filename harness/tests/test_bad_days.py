"""Days on which everything goes wrong at once: nothing complete is lost, nothing half is counted, no
process and no file is left behind. Full disks and killed harnesses have files of their own
(test_full_disk.py, test_resume.py), what the runner does when it or its harness dies has runner/tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from harness import cli
from harness.report import build_report, publication, publish
from harness.report.publication import judge_records
from harness.tests.conftest import PROJECT, Lab
from harness.tests.test_full_disk import FullDisk
from harness.tests.test_resume import blocks, lane, stop_at_run

# ---- publishing -------------------------------------------------------------------------------


def tree(root: Path) -> Dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def in_a_fork(what: Callable[[], int]) -> int:
    child = os.fork()
    if child == 0:
        status = 99
        try:
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            status = what()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def report_is_made() -> None:
    """The run's own report is there; what writing it may meet is in test_full_disk.py."""
    publication.build_report = lambda run_dir: run_dir / "report.md"


class Published:
    """Two runs of one experiment, the first of them published; the second is to take its place."""

    def __init__(self, lab: Lab, dest: Path) -> None:
        experiment = lab.experiment("shown")
        assert lab.run(experiment, "--quick").returncode == 0
        assert lab.run(experiment, "--quick", "--fresh").returncode == 0
        self.first, self.second = lab.runs("shown")
        self.dest = dest
        publish(self.first, dest)
        self.before = tree(dest / "shown")
        build_report(self.second)
        self.kept = shutil.copytree(dest, dest.with_name("kept"))

    def reset(self) -> None:
        shutil.rmtree(self.dest)
        shutil.copytree(self.kept, self.dest)

    def publish(self, prepare: Callable[[], Any]) -> int:
        """In a process of its own, in which `prepare` has been called."""

        def run() -> int:
            report_is_made()
            prepare()
            return cli.main(["publish", str(self.second), "--to", str(self.dest)])

        return in_a_fork(run)

    def check(self, complete: bool) -> None:
        """What is there is the old or the new one, and whole."""
        now = tree(self.dest / "shown")
        if complete:
            assert tree(self.dest / "shown" / "older" / self.first.name) == self.before
            assert now["run_id"].decode().strip() == self.second.name
            for name in ("runs.csv", "verdict.json", "report.html", "curves.csv"):
                assert name in now
        else:
            assert now == self.before

    def left(self) -> List[str]:
        return sorted(path.name for path in self.dest.iterdir() if path.name not in ("shown", "index.md", "index.html"))


@pytest.fixture(scope="module")
def made_once(fake_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Published:
    place = tmp_path_factory.mktemp("shown")
    return Published(Lab(fake_root, place / "results"), place / "published")


@pytest.fixture
def shown(made_once: Published) -> Published:
    made_once.reset()
    return made_once


def writes_of(shown: Published, tmp_path: Path) -> List[str]:
    """What publishing writes, in order, found on a copy."""
    told = tmp_path / "writes"
    copy = tmp_path / "copy"

    def run() -> int:
        report_is_made()
        subprocess.run(["cp", "-r", str(shown.dest), str(copy)], check=True)
        disk = FullDisk(10**6)
        handle = os.open(told, os.O_WRONLY | os.O_CREAT)
        disk.fill()
        status = cli.main(["publish", str(shown.second), "--to", str(copy)])
        os.write(handle, json.dumps(disk.seen).encode())
        return status

    assert in_a_fork(run) == 0
    found: List[str] = json.loads(told.read_text())
    return found


def test_a_disk_that_is_full_at_any_write_of_publishing(shown: Published, tmp_path: Path) -> None:
    writes = writes_of(shown, tmp_path)
    swapped = next(i for i, what in enumerate(writes, 1) if what.startswith("replace") and what.endswith("/new"))
    for k in sorted({*range(1, swapped, 9), *range(swapped - 2, len(writes) + 1)}):
        shown.reset()
        status = shown.publish(FullDisk(k).fill)
        where = f"write {k} of {len(writes)}: {writes[k - 1]}"
        assert status == 5, where
        if k == swapped:  # not even what was set aside can be put back: it waits for the next
            (aside,) = shown.dest.glob(".publish-*/present/shown")
            assert tree(aside) == shown.before, where
        else:
            assert shown.left() == [], where
            shown.check(complete=k > swapped)
        if k in (1, swapped, len(writes)):
            assert shown.publish(lambda: None) == 0, where
            shown.check(complete=True)
            assert shown.left() == [], where
    assert shown.publish(lambda: None) == 0  # again: nothing changes
    shown.check(complete=True)
    assert "shown" in (shown.dest / "index.md").read_text()


def kill_at(source_end: str) -> Callable[[], None]:
    """From now on the process dies at the first rename whose source ends so."""

    def prepare() -> None:
        real = os.replace

        def dying(source: Any, target: Any, **more: Any) -> None:
            if str(source).endswith(source_end):
                os.kill(os.getpid(), signal.SIGKILL)
            real(source, target, **more)

        os.replace = dying

    return prepare


@pytest.mark.parametrize("at", ["/shown", "/new", "index.md.part"])
def test_publishing_that_is_killed_is_mended_by_the_next(shown: Published, at: str) -> None:
    """Before the old one is set aside, between the two renames, and before the index is made."""
    assert shown.publish(kill_at(at)) == -signal.SIGKILL
    assert shown.publish(lambda: None) == 0
    shown.check(complete=True)
    assert shown.left() == []
    assert not list(shown.dest.glob("*.part"))


def test_two_who_publish_at_once_take_turns(shown: Published) -> None:
    children = [subprocess.Popen(["/usr/bin/python3", "-m", "harness", "publish", str(shown.second), "--to", str(shown.dest)],
                                 cwd=PROJECT, stdout=subprocess.DEVNULL) for _ in range(2)]  # fmt: skip
    assert [child.wait(60) for child in children] == [0, 0]
    shown.check(complete=True)
    assert shown.left() == []


# ---- processes that are killed ----------------------------------------------------------------


def test_a_workload_that_is_killed_fails_its_arm_and_is_not_rolled_again(lab: Lab, tmp_path: Path) -> None:
    """Whoever sent the signal (the kernel short of memory, most often), the run has no figure."""
    lanes = f"workloads: {{load: {{program: fake_load, args: [kill, a01, {tmp_path}/count]}}}}"
    done = lab.run(lab.experiment("killed", workloads=lanes))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "treat failed in 3 of 9 runs: it was ended by signal 9" in done.stdout
    (where,) = lab.runs("killed")
    record = [run for block in blocks(where).values() for run in block["runs"] if run["failure"]]
    assert len(record) == 3 and not any(run["counts"] for run in record)


def test_a_runner_that_is_killed_once_costs_nothing_and_counts_nothing(lab: Lab, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    fault.write_text("SIGKILL")
    lanes = f"workloads: {{load: {{program: fake_load, args: [ok], env: {{FAKE_FAULT: {fault}}}}}}}"
    done = lab.run(lab.experiment("shot", workloads=lanes))
    assert done.returncode == 0, done.stdout + done.stderr
    (where,) = lab.runs("shot")
    made = [json.loads(line) for line in (where / "attempts.jsonl").read_text().splitlines()]
    assert [attempt["failure"]["kind"] for attempt in made if attempt["failure"]] == ["harness"]
    assert all(len(block["runs"]) == 3 for block in blocks(where).values())


def test_a_runner_that_is_always_killed_ends_the_run_and_keeps_its_blocks(lab: Lab) -> None:
    lanes = "workloads: {load: {program: fake_load, env: {FAKE_RUNNER: killed}}}"
    done = lab.run(lab.experiment("shots", workloads=lanes))
    assert done.returncode == 5 and "Traceback" not in done.stderr
    assert "signal 9" in done.stderr or "137" in done.stderr, done.stderr
    (where,) = lab.runs("shots")
    assert blocks(where) == {} and not (where / "verdict.json").exists()


def test_a_harness_that_is_interrupted_twice_ends_once(lab: Lab, tmp_path: Path) -> None:
    """The second Ctrl-C comes while the first is being obeyed."""
    trigger = tmp_path / "trigger"
    stop_at_run(trigger, 4, "SIGINT")
    experiment = lab.experiment("twice", workloads=lane(trigger))
    code = (
        "import os, signal, sys, harness.process as p\n"
        "end = p._end\n"
        "def twice(child):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    end(child)\n"
        "p._end = twice\n"
        "from harness.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    stopped = with_code(lab, code, "run", experiment, "--results", str(lab.results))
    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    (where,) = lab.runs("twice")
    assert len(blocks(where)) == 1 and not list(where.rglob("*.tmp"))
    assert lab.run(experiment).returncode == 0
    assert lab.runs("twice") == [where]


def with_code(lab: Lab, code: str, *args: str) -> subprocess.CompletedProcess[str]:
    """The harness in a process that does `code` first."""
    env = {"PATH": os.environ["PATH"], "HOME": "/tmp", "LC_ALL": "C.UTF-8", "HZ3_LAB_LOCKS": os.environ["HZ3_LAB_LOCKS"]}
    command = ["/usr/bin/python3", "-c", code, args[0], "--root", str(lab.root), *args[1:]]
    return subprocess.run(command, cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


# ---- clocks -----------------------------------------------------------------------------------

# Every look at the clock of the wall finds it an hour earlier; a span by it would be negative.
BACKWARDS = """
import itertools, sys, time
from datetime import datetime, timedelta, timezone
import harness.run.command as c, harness.run.block as b
hours = itertools.count()
def now(): return (datetime(2026, 1, 9, tzinfo=timezone.utc) - timedelta(hours=next(hours))).strftime("%Y-%m-%dT%H:%M:%SZ")
c.utc_now = now
if hasattr(b, "utc_now"): b.utc_now = now
start = time.time()
time.time = lambda: start - 3600 * next(hours)
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_clock_that_goes_back_changes_no_verdict(lab: Lab, tmp_path: Path) -> None:
    experiment = lab.experiment("clock")
    assert lab.run(experiment).returncode == 0
    (straight,) = lab.runs("clock")
    other = tmp_path / "other"
    done = with_code(lab, BACKWARDS, "run", experiment, "--results", str(other))
    assert done.returncode == 0, done.stderr
    (odd,) = [path.parent for path in other.glob("clock/*/verdict.json")]
    assert (odd / "verdict.json").read_bytes() == (straight / "verdict.json").read_bytes()
    assert judge_records(odd).to_json() == json.loads((straight / "verdict.json").read_text())
    assert "left -" not in done.stderr


def test_a_run_begun_on_an_earlier_day_than_the_one_before_is_the_next_all_the_same(lab: Lab) -> None:
    experiment = lab.experiment("yesterday")
    assert lab.run(experiment).returncode == 0
    (first,) = lab.runs("yesterday")
    before = tree(first)
    done = with_code(lab, BACKWARDS, "run", experiment, "--results", str(lab.results))
    assert done.returncode == 0, done.stderr
    assert "! run 2 of this plan; earlier ones: GO" in done.stdout
    assert len(lab.runs("yesterday")) == 2 and tree(first) == before


# ---- workloads that do not end, with the real runner ------------------------------------------

BUILD = os.environ.get("HZ3_BUILD_DIR")
needs_build = pytest.mark.skipif(BUILD is None, reason="HZ3_BUILD_DIR is not set; tools/test sets it")

FORKS = """\
id: forks
question: What becomes of a workload that leaves a process behind?
kind: table
arms: {base: s61}
workloads:
  away: {command: [bash, -c, "setsid sleep %(mark)s >/dev/null 2>&1 & sleep 0.1"], timeout_s: 20}
  hang: {command: [bash, -c, "sleep %(mark)s & wait"], timeout_s: 1}
design: {blocks: 3, warmup: 0}
"""


def alive(mark: str) -> List[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", mark.encode()]:
                found.append(entry.name)
    return found


@needs_build
def test_a_workload_that_forks_away_or_hangs_leaves_nothing_and_counts_for_nothing(tmp_path: Path) -> None:
    mark = f"{300 + os.getpid() / 1e7:.7f}"
    experiment = tmp_path / "forks.yaml"
    experiment.write_text(FORKS % {"mark": mark}, encoding="utf-8")
    assert BUILD is not None
    command = ["/usr/bin/python3", "-m", "harness", "run", str(experiment), "--build", BUILD]
    command += ["--results", str(tmp_path / "results")]
    begun = time.monotonic()
    done = subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)
    assert time.monotonic() - begun < 120
    assert done.returncode == 3, done.stdout + done.stderr
    assert alive(mark) == []
    (where,) = (tmp_path / "results" / "forks").iterdir()
    made = [json.loads(line) for line in (where / "attempts.jsonl").read_text().splitlines()]
    assert made and not any(attempt["counts"] for attempt in made)
    assert not (where / "work").exists()
