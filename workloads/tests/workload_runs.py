"""Runs a workload program as the runner would, and collects all it says."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("HZ3_BUILD_DIR", ROOT / "build")) / "workloads"
COUNTER = PROGRAMS / "tests" / "libcount_malloc.so"
LIMIT = PROGRAMS / "limit" / "liblimit.so"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Run:
    """What came out of one run; the JSON lines are None where nothing was written."""

    status: int
    stdout: str
    stderr: str
    result: dict[str, Any] | None
    marks: list[str]
    counts: dict[str, Any] | None


def run(
    program: str,
    argv: list[str],
    *,
    preload: Path | None = None,
    env: dict[str, str] | None = None,
) -> Run:
    """One run with result, phase and count descriptors open; ``preload`` goes to LD_PRELOAD."""
    pipes = {name: os.pipe() for name in ("HZ_RESULT_FD", "HZ_PHASE_FD", "HZ_COUNT_FD")}
    environment = {name: str(writer) for name, (_, writer) in pipes.items()}
    environment |= {"LC_ALL": "C"} | (env or {})
    if preload is not None:
        assert preload.exists(), f"{preload} is not built"
        environment["LD_PRELOAD"] = str(preload)
    path = PROGRAMS / program
    assert path.exists(), f"{path} is not built (HZ3_BUILD_DIR names the build directory)"
    done = subprocess.run(
        [str(path), *argv],
        env=environment,
        pass_fds=[writer for _, writer in pipes.values()],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    said = {}
    for name, (reader, writer) in pipes.items():
        os.close(writer)
        with os.fdopen(reader) as lines:
            said[name] = lines.read()
    return Run(
        status=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        result=one_line(said["HZ_RESULT_FD"]),
        marks=said["HZ_PHASE_FD"].splitlines(),
        counts=one_line(said["HZ_COUNT_FD"]),
    )


def one_line(text: str) -> dict[str, Any] | None:
    """The one JSON object a descriptor carries; anything beside it is an error."""
    if not text:
        return None
    assert text.endswith("\n") and text.count("\n") == 1, text
    return json.loads(text)


def counted(program: str, argv: list[str], **env: str) -> Run:
    """A run under the counting library."""
    return run(program, argv, preload=COUNTER, env=env)
