"""Two labs on one machine, or in one build tree: one works, the other says who does, or waits."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List

import pytest

from harness.errors import UserError
from harness.run.locks import build_lock, held, machine_lock
from harness.tests.conftest import PROJECT, Lab

HOLD = """
import sys
from pathlib import Path
from harness.run.locks import held
with held(Path(sys.argv[1]), "it", sys.argv[2], wait=False):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(path: Path, who: str = "experiment other, since noon") -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock until it is told to end, or killed."""
    child = subprocess.Popen(
        ["/usr/bin/python3", "-c", HOLD, str(path), who], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


@pytest.fixture
def locks(lab: Lab, tmp_path: Path) -> Path:
    lab.env["HZ3_LAB_LOCKS"] = str(tmp_path / "locks")
    return tmp_path / "locks" / machine_lock().name


def test_a_machine_that_is_measuring_is_left_alone(lab: Lab, locks: Path) -> None:
    experiment = lab.experiment("second")
    with holder(locks) as other:
        done = lab.run(experiment, "--quick")
        assert done.returncode == 4
        assert f"this machine is in use by another harness (pid {other.pid}, experiment other, since noon)" in done.stderr
        assert "give --wait" in done.stderr
        assert not lab.results.exists()
        os.kill(other.pid, signal.SIGKILL)  # the lock ends with the process, however it ends
        other.wait()
        assert lab.run(experiment, "--quick").returncode == 0


def test_bad_input_is_told_before_anybody_waits(lab: Lab, locks: Path) -> None:
    with holder(locks):
        done = lab.run(lab.experiment("odd", gates='gates: [{metric: lod.ops, go_if: "ratio >= 1.5"}]'), "--wait")
    assert done.returncode == 4 and "unknown lane" in done.stderr


def test_plan_judge_and_list_need_no_lock(lab: Lab, locks: Path) -> None:
    assert lab.run(lab.experiment("free"), "--quick").returncode == 0
    with holder(locks):
        assert lab.harness("plan", lab.experiment("free")).returncode == 0
        assert lab.harness("judge", str(lab.runs("free")[0])).returncode == 0
        assert lab.harness("list").returncode == 0


def started(lab: Lab, *args: str) -> "subprocess.Popen[str]":
    command = ["/usr/bin/python3", "-m", "harness", "run", "--root", str(lab.root), *args, "--results", str(lab.results)]
    env = {"PATH": os.environ["PATH"], "HOME": "/tmp", **lab.env}
    return subprocess.Popen(command, cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def first_line(child: "subprocess.Popen[str]") -> str:
    assert child.stderr is not None
    return child.stderr.readline()


def test_wait_is_served_when_the_other_has_ended(lab: Lab, locks: Path) -> None:
    with holder(locks) as other:
        child = started(lab, lab.experiment("patient"), "--quick", "--wait")
        told = first_line(child)
        assert told.startswith("waiting for this machine") and f"pid {other.pid}" in told
        assert child.poll() is None
        other.kill()
        other.wait()
        out, err = child.communicate(timeout=120)
    assert child.returncode == 0, err
    assert "GO: patient" in out


def test_a_wait_can_be_given_up(lab: Lab, locks: Path) -> None:
    with holder(locks):
        child = started(lab, lab.experiment("impatient"), "--quick", "--wait")
        first_line(child)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=60)
    assert child.returncode == 130 and "interrupted before the first block; nothing was measured" in err


def test_a_build_tree_has_one_lab(lab: Lab) -> None:
    assert lab.run(lab.experiment("builder"), "--quick").returncode == 0
    with holder(build_lock(lab.root / "build")) as other:
        done = lab.run(lab.experiment("builder"), "--quick")
    assert done.returncode == 4
    assert f"the build tree {lab.root / 'build'} is in use by another harness (pid {other.pid}" in done.stderr


def test_inline_variants_of_two_experiments_lie_side_by_side(lab: Lab) -> None:
    def arms(speed: int) -> str:
        return f"arms: {{base: plain, treat: {{parent: plain, flags: {{HZ3_FAKE_SPEED: {speed}}}}}}}"

    built: List[str] = []
    for speed in (300, 400, 300):  # the same experiment, edited and edited back
        done = lab.run(lab.experiment("same", arms=arms(speed)), "--quick")
        assert done.returncode == 0, done.stderr
        built.append(next(word for word in done.stderr.split() if word.startswith("same.treat.")))
    assert built[0] == built[2] != built[1]
    libraries = [lab.root / "build/hz3" / f"libhz3-{name}.so" for name in built[:2]]
    assert all(path.exists() for path in libraries)


def test_the_lock_file_says_who(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lock"
    with held(path, "it", "experiment x", wait=False):
        assert path.read_text() == f"pid {os.getpid()}, experiment x\n"
        with pytest.raises(UserError, match=rf"it is in use by another harness \(pid {os.getpid()}, experiment x\)"):
            with held(path, "it", "experiment y", wait=False):
                raise AssertionError("held twice")
    with held(path, "it", "experiment y", wait=False):
        assert "experiment y" in path.read_text()


def test_a_lock_that_cannot_be_made_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file" / "lock", tmp_path):
        with pytest.raises(UserError, match="the lock"):
            with held(place, "it", "x", wait=False):
                pass
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "file")
    with pytest.raises(UserError, match="the lock"):
        with held(link, "it", "x", wait=False):
            pass


def test_a_killed_harness_leaves_no_lock_and_no_process(lab: Lab, locks: Path, tmp_path: Path) -> None:
    marker = f"NEVER_ELSEWHERE_{os.getpid()}"
    lane = f"workloads: {{load: {{command: [sleep, '300'], env: {{{marker}: '1'}}}}}}"
    gates = 'gates: [{metric: load.wall_s, go_if: "ratio <= 1.5"}]'
    experiment = lab.experiment("killed", workloads=lane, gates=gates, evidence="")

    def workloads() -> List[int]:
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and marker.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    child = started(lab, experiment)
    try:
        deadline = time.monotonic() + 60
        while not workloads() and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.05)
        assert workloads(), child.communicate(timeout=10) if child.poll() is not None else "no workload within a minute"
        child.kill()
        child.wait()
        with held(locks, "it", "next", wait=False):
            pass
    finally:
        child.kill()
        child.communicate()
        for pid in workloads():  # the fake runner does not end with its harness; the real one does
            os.kill(pid, signal.SIGKILL)
