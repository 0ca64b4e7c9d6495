"""However a run ends, it is reported, and nothing of it stays behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.runner.tests.support import (
    FIXTURE,
    GENEROUS_S,
    PROBE,
    RUNNER,
    TREE,
    Run,
    has_ended,
    job_of,
    needs_runner,
    read_pid,
    wait_until,
)

pytestmark = needs_runner


def test_time_out_ends_the_whole_group(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {pid_file}; wait"
    outcome = run("sh", "-c", script, timeout_s=0.5)
    assert outcome.status == 0
    assert outcome.line["timed_out"] and not outcome.line["ok"]
    assert outcome.line["signal"] == signal.SIGKILL and outcome.line["exit_status"] is None
    assert has_ended(read_pid(pid_file))


def test_time_out_ends_a_traced_workload_as_well(run: Run) -> None:
    outcome = run("sleep", "1000", timeout_s=0.5, expect_mapped=[str(PROBE)])
    assert outcome.line["timed_out"] and outcome.found() == {PROBE.name: False}


@pytest.mark.parametrize("traced", [False, True])
def test_a_crash_is_reported_by_its_signal(run: Run, traced: bool) -> None:
    outcome = run(FIXTURE, "crash", preload=str(PROBE) if traced else None)
    assert outcome.status == 0
    assert outcome.line["signal"] == signal.SIGSEGV and outcome.line["exit_status"] is None
    assert not outcome.line["ok"] and not outcome.line["timed_out"]


def test_the_exit_status_is_the_workloads_and_the_runner_succeeds(run: Run) -> None:
    outcome = run("sh", "-c", "exit 3")
    assert outcome.status == 0 and outcome.line["exit_status"] == 3 and not outcome.line["ok"]


def test_a_daemon_holding_every_descriptor_hangs_nobody(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    daemon = f"setsid sh -c 'echo $$ > {pid_file}; exec sleep 1000' &"
    script = f"{daemon} while [ ! -s {pid_file} ]; do sleep 0.01; done; exit 0"
    outcome = run("sh", "-c", script)
    assert outcome.status == 0 and outcome.line["ok"] and not outcome.line["timed_out"]
    assert outcome.line["leftover_processes"] == 1
    assert has_ended(read_pid(pid_file)), "it would run beside the next measurement"


def start_with_pid_file(tmp_path: Path, **more: Any) -> tuple[dict[str, Any], Path]:
    pid_file = tmp_path / "pid"
    script = f"echo $$ > {pid_file}; exec sleep 1000"
    return job_of(tmp_path, "sh", "-c", script, **more), pid_file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_workload_and_still_reports(
    tmp_path: Path, number: signal.Signals
) -> None:
    job, pid_file = start_with_pid_file(tmp_path)
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))
    with subprocess.Popen([str(RUNNER), str(path)], stdout=subprocess.PIPE, text=True) as runner:
        workload = read_pid(pid_file)
        runner.send_signal(number)
        out, _ = runner.communicate(timeout=GENEROUS_S)
    line = json.loads(out)
    assert runner.returncode == 130
    assert line["interrupted"] and not line["ok"] and line["signal"] == signal.SIGKILL
    assert has_ended(workload)


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.argv[1], sys.argv[2]], stdout=subprocess.PIPE)
open(sys.argv[3], "w").write(f"{child.pid}\\n")
child.wait()
"""


@pytest.mark.parametrize("traced", [False, True])
def test_when_the_harness_is_killed_runner_and_workload_die(tmp_path: Path, traced: bool) -> None:
    job, pid_file = start_with_pid_file(tmp_path, preload=str(PROBE) if traced else None)
    path, runner_file = tmp_path / "job.json", tmp_path / "runner-pid"
    path.write_text(json.dumps(job))
    command = [sys.executable, "-c", PARENT, str(RUNNER), str(path), str(runner_file)]
    with subprocess.Popen(command) as parent:
        workload, runner = read_pid(pid_file), read_pid(runner_file)
        parent.kill()
    wait_until(lambda: has_ended(runner) and has_ended(workload))


def test_when_the_runner_is_killed_the_workload_dies(tmp_path: Path) -> None:
    job, pid_file = start_with_pid_file(tmp_path)
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))
    with subprocess.Popen([str(RUNNER), str(path)], stdout=subprocess.DEVNULL) as runner:
        workload = read_pid(pid_file)
        runner.kill()
    wait_until(lambda: has_ended(workload))


def start_tree(tmp_path: Path) -> tuple[subprocess.Popen[bytes], int, list[int]]:
    """The runner, the process of it that measures, and four processes of a workload: the first, one in
    its group, one in a session of its own without environment, and one that cannot be traced."""
    files = [tmp_path / f"pid{i}" for i in range(4)]
    sleeper = 'sh -c "echo \\$\\$ > {}; exec sleep 1000"'
    script = (
        f"{sleeper.format(files[1])} & env -i PATH=/usr/bin:/bin setsid {sleeper.format(files[2])} & "
        f"{TREE} clone /bin/sh -c 'echo $$ > {files[3]}; exec sleep 1000' & echo $$ > {files[0]}; wait"
    )
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job_of(tmp_path, "sh", "-c", script)))
    runner = subprocess.Popen([str(RUNNER), str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    pids = [read_pid(file) for file in files]
    [measuring] = Path(f"/proc/{runner.pid}/task/{runner.pid}/children").read_text().split()
    return runner, int(measuring), pids


@pytest.mark.parametrize("who", ["runner", "measuring"])
def test_when_the_runner_is_killed_the_whole_tree_dies(tmp_path: Path, who: str) -> None:
    runner, measuring, pids = start_tree(tmp_path)
    with runner:
        os.kill(runner.pid if who == "runner" else measuring, signal.SIGKILL)
        out, _ = runner.communicate(timeout=GENEROUS_S)
    wait_until(lambda: all(has_ended(pid) for pid in [measuring, *pids]))
    line = json.loads(out)
    assert not line["ok"]
    if who == "measuring":
        assert runner.returncode == 5 and "ended by signal 9" in line["error"]
    else:
        assert line["interrupted"]


def test_when_both_are_killed_at_once_what_is_traced_dies(tmp_path: Path) -> None:
    runner, measuring, pids = start_tree(tmp_path)
    with runner:
        for pid in (runner.pid, measuring):
            os.kill(pid, signal.SIGSTOP)
        for pid in (runner.pid, measuring):
            os.kill(pid, signal.SIGKILL)
        runner.communicate(timeout=GENEROUS_S)
    try:
        wait_until(lambda: all(has_ended(pid) for pid in pids[:3]))
    finally:
        if not has_ended(pids[3]):
            os.kill(pids[3], signal.SIGKILL)


def test_a_signal_to_the_runners_group_leaves_nothing(tmp_path: Path) -> None:
    runner, measuring, pids = start_tree(tmp_path)
    with runner:
        assert os.getpgid(measuring) != os.getpgid(runner.pid)
        runner.terminate()
        out, _ = runner.communicate(timeout=GENEROUS_S)
    assert runner.returncode == 130 and json.loads(out)["interrupted"]
    assert all(has_ended(pid) for pid in [measuring, *pids])
