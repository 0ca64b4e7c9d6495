"""Finds the programs a checkout has built and makes a lane of each."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Dict, List

from harness.errors import UserError
from harness.experiment import MoreLanes, Workload
from harness.mimalloc_bench.programs import PROGRAMS, SuiteProgram, arguments, threads

GROUP = "mimalloc-bench"
BUILT = Path("out") / "bench"
# Yardsticks that refuse a second thread; where an experiment has none, leaving them out says nothing.
_ONE_THREAD_ARMS = ("limit",)

# The run's scratch folder is no place the suite knows, so programs that write files may stand there.
_ELSEWHERE = 'cd "$TMPDIR" && exec "$@"'
_WITH_INPUT = 'input=$1; shift; exec "$@" < "$input"'


def lanes_of_checkout(checkout: Path, cpus: int) -> MoreLanes:
    """A lane for every program that is built; those that are not are named on stderr, once."""
    root = checkout.expanduser().resolve()
    built = root / BUILT
    if not built.is_dir():
        raise UserError(
            f"--mimalloc-bench {checkout}: there is no {BUILT} in it; name the top folder of a checkout whose "
            "programs are built (its build-bench-env.sh with the argument bench)"
        )
    lanes: Dict[str, Workload] = {}
    quick: Dict[str, List[str]] = {}
    absent: List[str] = []
    for row in PROGRAMS.values():
        if not _is_there(root, row):
            absent.append(row.program)
            continue
        name = f"mb_{row.lane}"
        lanes[name] = _lane(root, row, cpus)
        if row.quick is not None:
            quick[name] = list(arguments(row.quick, cpus))
    if not lanes:
        raise UserError(f"--mimalloc-bench {checkout}: none of its programs is built in {BUILT}; build them first")
    if absent:
        print(f"mimalloc-bench: not built, so without a lane: {', '.join(dict.fromkeys(absent))}", file=sys.stderr)
    return MoreLanes(f"--mimalloc-bench {checkout}", lanes, quick)


def _is_there(root: Path, row: SuiteProgram) -> bool:
    program = root / BUILT / row.program
    inputs = [root / name for name in (row.file, row.stdin) if name is not None]
    return os.access(program, os.X_OK) and program.is_file() and all(path.is_file() for path in inputs)


def _lane(root: Path, row: SuiteProgram, cpus: int) -> Workload:
    command = [str(root / BUILT / row.program)]
    if row.writes_files:
        command = ["sh", "-c", _ELSEWHERE, "sh", *command]
    if row.stdin is not None:
        command = ["sh", "-c", _WITH_INPUT, "sh", str(root / row.stdin), *command]
    args = list(arguments(row.args, cpus)) + ([str(root / row.file)] if row.file is not None else [])
    count = threads(row, cpus)
    return Workload(
        command=command,
        args=args,
        metrics=dict(row.metrics),
        threads=count,
        without=[] if count == 1 else list(_ONE_THREAD_ARMS),
        figure=row.figure,
        group=GROUP,
    )
