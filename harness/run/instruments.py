"""Whether the instruments that lanes ask for work on this machine, found out before anything runs.

A virtual machine mostly has no hardware counters, a container may forbid seccomp, and valgrind may be
installed and yet not start; each would else show after the first run, as a figure that is missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Callable, Dict

from harness import warnings
from harness.errors import UserError
from harness.experiment import Experiment
from harness.measure.instruments import VALGRIND, instrument_job
from harness.process import run_process, tail
from harness.run.environment import SEARCH_PATH

_TRUE = "/bin/true"


def require_instruments(experiment: Experiment, runner: Path) -> None:
    """Raises UserError for the first lane whose instrument does not work; each is asked once."""
    asked: Dict[str, str] = {}
    for lane, workload in experiment.workloads.items():
        under = workload.under
        if under is None:
            continue
        if under not in asked:
            asked[under] = _PROBES[under](runner)
        if asked[under]:
            raise UserError(warnings.text("instrument", lane=lane, under=under, reason=asked[under], advice=_ADVICE[under]))


def _no_cachegrind(runner: Path) -> str:
    command = [VALGRIND, "-q", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", _TRUE]
    done = run_process(command, env={"PATH": SEARCH_PATH, "LC_ALL": "C"}, timeout_s=60)
    return "" if done.status == 0 else f"valgrind ends with status {done.status}: {tail(done.stderr)}"


def _no_calls(runner: Path) -> str:
    job = {"argv": [_TRUE], "env": {}, "timeout_s": 60, **instrument_job("calls", [_TRUE], Path("/dev/null"))}
    done = run_process([str(runner), "-"], env={"LC_ALL": "C"}, stdin=json.dumps(job), timeout_s=90)
    return "" if done.status == 0 else tail(done.stderr)


def _no_counters(runner: Path) -> str:
    """The first counter that is missing, as the runner says it: `instructions No such file or directory`."""
    done = run_process([str(runner), "--counters"], env={"LC_ALL": "C"}, timeout_s=60)
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    wanted = instrument_job("counters", [], Path("/dev/null"))["counters"]
    return next((f"{name}: {told.get(name, 'unknown')}" for name in wanted if told.get(name) != "yes"), "")


_PROBES: Dict[str, Callable[[Path], str]] = {"cachegrind": _no_cachegrind, "calls": _no_calls, "counters": _no_counters}

_ADVICE = {
    "cachegrind": "sudo apt-get install valgrind libc6-dbg, or leave the lane out with --only",
    "calls": "counting calls needs Linux 5.5 and a container that allows seccomp; leave the lane out with --only",
    "counters": "most virtual machines have none, and kernel.perf_event_paranoid above 2 forbids them; "
    "count instructions with `under: cachegrind`, or leave the lane out with --only",
}
