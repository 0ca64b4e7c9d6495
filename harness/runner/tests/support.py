"""What the tests of the runner share: where the binaries are, and how to run one job.

The binaries are looked for below HZ3_BUILD_DIR (default: build).
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
BUILD = Path(os.environ.get("HZ3_BUILD_DIR") or ROOT / "build").resolve()
RUNNER = BUILD / "harness/runner/hz3-runner"
FIXTURE = BUILD / "harness/runner/tests/runner-fixture"
STATIC = BUILD / "harness/runner/tests/runner-fixture-static"
TREE = BUILD / "harness/runner/tests/runner-fixture-tree"
PROBE = BUILD / "harness/runner/tests/librunner-probe.so"
TRUE = "/bin/true"
GENEROUS_S = 60

# Somebody who names a build wants it tested: then what is missing fails instead of being skipped.
needs_runner = pytest.mark.skipif(
    "HZ3_BUILD_DIR" not in os.environ
    and not all(path.exists() for path in (RUNNER, FIXTURE, STATIC, TREE, PROBE)),
    reason=f"no runner and fixtures in {BUILD}: meson compile -C {BUILD}",
)


@dataclass(frozen=True)
class Outcome:
    status: int
    line: dict[str, Any]
    stderr: str
    folder: Path

    @property
    def stdout(self) -> str:
        return (self.folder / "out").read_text()

    def rows(self) -> list[dict[str, str]]:
        with open(self.folder / "memory.csv", newline="") as file:
            return list(csv.DictReader(file))

    def found(self) -> dict[str, bool]:
        return {Path(entry["path"]).name: entry["found"] for entry in self.line["mapped"]}


Run = Callable[..., Outcome]


def job_of(folder: Path, *argv: object, **more: Any) -> dict[str, Any]:
    job: dict[str, Any] = {
        "argv": [str(word) for word in argv],
        "env": {"PATH": "/usr/bin:/bin"},
        "cwd": str(folder),
        "timeout_s": GENEROUS_S,
        "stdout_path": str(folder / "out"),
        "stderr_path": str(folder / "err"),
    }
    job.update(more)
    return job


def has_ended(pid: int) -> bool:
    """Gone, or a zombie that only waits for somebody to collect it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + GENEROUS_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def read_pid(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"))
    return int(path.read_text())
