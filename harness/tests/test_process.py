"""The one place that starts processes leaves none behind, however impatient the person is."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.process import run_process

PROJECT = Path(__file__).resolve().parents[2]

STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
open(sys.argv[1], "w").write(str(os.getpid()))
for pause in map(float, sys.argv[2:]):
    time.sleep(pause)
    os.kill(os.getppid(), signal.SIGINT)
time.sleep(60)
"""

PARENT = """
import sys
from harness.process import run_process
try:
    run_process(["/usr/bin/python3", "-c", *sys.argv[1:]])
except KeyboardInterrupt:
    print("interrupted")
"""


def alive(pid: int) -> bool:
    """Still there, and no process that is only waiting to be buried, after a moment for its burial."""
    for _ in range(50):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return False
        if state in "ZX":
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("presses", [["0"], ["0", "0.2"], ["0", "0.01", "0.01", "0.01"]], ids=["once", "twice", "hammering"])
def test_a_child_that_ignores_the_first_interrupt_is_ended_all_the_same(tmp_path: Path, presses: list[str]) -> None:
    pid = tmp_path / "pid"
    command = [sys.executable, "-c", PARENT, STUBBORN, str(pid), *presses]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=50)
    assert (done.stdout, done.returncode) in (("interrupted\n", 0), ("", -2), ("", 130)), done.stderr
    assert not alive(int(pid.read_text()))


def test_a_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(UserError, match="still running after 0.5 s; it was stopped"):
        run_process(["/bin/sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], timeout_s=0.5)
    assert not alive(int(pid.read_text()))
