"""With a socket for phase marks, a program stands still at each mark until it is told to go on."""

from __future__ import annotations

import os
import select
import socket
import subprocess
from pathlib import Path

import pytest
from workload_cases import cycle_phases
from workload_runs import PROGRAMS, TIMEOUT_S

COMMANDS = {
    "bench_ssot 5000 100 16 2048": ("run 1", "end 0"),
    "bench_burst_idle_v2 400 0.01 2 0 2": cycle_phases(2),
    "larson 0.05 8 1000 50 10 4141 2": ("run 1", "end 0"),
}
READ_CALLS = {"0", "63"}  # read(2) on x86-64 and on aarch64


def blocked_reading(pid: int, fd: int) -> bool:
    """Whether the main thread of ``pid`` is in read(2) on ``fd`` now."""
    fields = Path(f"/proc/{pid}/syscall").read_text().split()
    return fields[0] in READ_CALLS and int(fields[1], 16) == fd


@pytest.mark.parametrize("command", COMMANDS)
def test_it_parks_at_every_mark(command: str) -> None:
    program, *argv = command.split()
    ours, theirs = socket.socketpair()
    ours.settimeout(TIMEOUT_S)
    child = subprocess.Popen(
        [str(PROGRAMS / program), *argv],
        env={"HZ_PHASE_FD": str(theirs.fileno())},
        pass_fds=[theirs.fileno()],
        stdout=subprocess.DEVNULL,
    )
    fd = theirs.fileno()
    theirs.close()
    try:
        for phase in COMMANDS[command]:
            mark = ours.recv(100).decode()
            assert mark.endswith(f" {phase}\n") and mark.count("\n") == 1
            while not blocked_reading(child.pid, fd):
                assert child.poll() is None, "it went on without an answer"
                os.sched_yield()
            assert not select.select([ours], [], [], 0)[0], "nothing more may come while parked"
            ours.send(b"g")
        assert ours.recv(100) == b""
        assert child.wait(TIMEOUT_S) == 0
    finally:
        child.kill()
        child.wait()
        ours.close()


def test_it_goes_on_when_the_runner_is_gone() -> None:
    ours, theirs = socket.socketpair()
    child = subprocess.Popen(
        [str(PROGRAMS / "bench_ssot"), "5000", "100", "16", "2048"],
        env={"HZ_PHASE_FD": str(theirs.fileno())},
        pass_fds=[theirs.fileno()],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    theirs.close()
    assert ours.recv(100).endswith(b" run 1\n")
    ours.close()
    _, stderr = child.communicate(timeout=TIMEOUT_S)
    # The next mark finds no reader: the signal for that, or the complaint, but never a hang.
    assert child.returncode == -13 or "phase mark not written" in stderr
