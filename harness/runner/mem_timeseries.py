"""Runs one command under hz3-runner, keeps its memory as a CSV and prints one summary line.

The program behind tools/measure_mem_timeseries.sh. It hands its own environment and streams to the
command and measures nothing itself: a Python parent could not (see README.md).
"""

from __future__ import annotations

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

HELP = """\
usage: [OUT=FILE] [INTERVAL_MS=50] [PSS_EVERY=20] tools/measure_mem_timeseries.sh COMMAND [ARG...]

Runs COMMAND, samples its memory, writes a CSV and prints one line:
  [MEM_TS] out=FILE rc=STATUS n=ROWS mean_kb=… max_kb=… p95_kb=…   (of resident memory)

Environment:
  OUT          the CSV to write                            (mem_timeseries.csv)
  INTERVAL_MS  milliseconds between samples                (50)
  PSS_EVERY    every n-th sample also reads PSS, USS, LazyFree and AnonHugePages; costs up to
               15 ms a GiB under the lock allocators need; 0 = only at phase marks  (20)
  TIMEOUT_S    seconds after which COMMAND is killed       (86400)
  HZ3_BUILD_DIR  where the project is built                (build)

Exit status: that of COMMAND, 128 + n when signal n ended it, 124 after the time-out, 130 when
interrupted, 4 for a setting that cannot be used, 5 when nothing could be measured.
"""

EXIT_BAD_INPUT = 4
EXIT_CANNOT_MEASURE = 5
EXIT_TIMED_OUT = 124
EXIT_INTERRUPTED = 130

ROOT = Path(__file__).resolve().parents[2]


class Refused(Exception):
    """A setting that cannot be used, or a run that could not be made."""

    def __init__(self, exit_status: int, message: str) -> None:
        super().__init__(message)
        self.exit_status = exit_status


def number(name: str, default: float, *, whole: bool = False) -> float:
    text = os.environ.get(name, "")
    if not text:
        return default
    try:
        return int(text) if whole else float(text)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise Refused(EXIT_BAD_INPUT, f"{name}={text} is not {kind}") from None


def find_runner() -> Path:
    build = Path(os.environ.get("HZ3_BUILD_DIR") or ROOT / "build")
    runner = build / "harness/runner/hz3-runner"
    if not runner.exists():
        setup = "" if build.exists() else f"meson setup {build} {ROOT} && "
        raise Refused(
            EXIT_CANNOT_MEASURE,
            f"{runner} is not built; build it: {setup}meson compile -C {build} hz3-runner",
        )
    return runner


def preloaded_libraries() -> list[str]:
    """Those of LD_PRELOAD that are given as paths, the only ones whose mapping can be proved."""
    entries = re.split("[ :]+", os.environ.get("LD_PRELOAD", ""))
    return [entry for entry in entries if "/" in entry and os.path.exists(entry)]


def job_of(argv: list[str], out: str, streams: list[int]) -> dict[str, Any]:
    handed_on = {name: text for name, text in os.environ.items()
                 if name not in ("HZ_RESULT_FD", "HZ_PHASE_FD")}
    return {
        "argv": argv,
        "env": handed_on,
        "cwd": os.getcwd(),
        "expect_mapped": preloaded_libraries(),
        "timeout_s": number("TIMEOUT_S", 86400),
        "sample_ms": number("INTERVAL_MS", 50),
        "pss_every": number("PSS_EVERY", 20, whole=True),
        "stdin": streams[0],
        "stdout_path": streams[1],
        "stderr_path": streams[2],
        "csv_path": out,
    }


def run(runner: Path, job: dict[str, Any], streams: list[int]) -> dict[str, Any]:
    """The runner's line. The runner writes its own complaints to our stderr."""
    # Ctrl-C reaches the runner as well; it ends the command and still reports.
    signal.signal(signal.SIGINT, lambda *_: None)
    environment = {name: text for name, text in os.environ.items() if name != "LD_PRELOAD"}
    done = subprocess.run([str(runner), "-"], input=json.dumps(job).encode(), env=environment,
                          stdout=subprocess.PIPE, pass_fds=streams, check=False)
    if done.returncode in (EXIT_BAD_INPUT, EXIT_CANNOT_MEASURE):
        raise SystemExit(done.returncode)
    try:
        line: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise Refused(EXIT_CANNOT_MEASURE, f"the runner ended with {done.returncode}") from None
    return line


def exit_status_of(line: dict[str, Any]) -> int:
    if line["interrupted"]:
        return EXIT_INTERRUPTED
    if line["timed_out"]:
        return EXIT_TIMED_OUT
    if line["signal"] is not None:
        return 128 + int(line["signal"])
    return int(line["exit_status"])


def summary(rss_kb: list[int]) -> str:
    """Mean, maximum and 95th percentile (nearest rank); `na` when there is no sample."""
    if not rss_kb:
        return "n=0 mean_kb=na max_kb=na p95_kb=na"
    ordered = sorted(rss_kb)
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    mean = round(sum(ordered) / len(ordered))
    return f"n={len(ordered)} mean_kb={mean} max_kb={ordered[-1]} p95_kb={p95}"


def measure(argv: list[str]) -> int:
    out = os.environ.get("OUT") or "mem_timeseries.csv"
    # Copies, because the runner's own standard streams carry the job and the line.
    streams = [os.dup(fd) for fd in (0, 1, 2)]
    line = run(find_runner(), job_of(argv, out, streams), streams)
    for entry in line["mapped"]:
        if not entry["found"]:
            print(f"[MEM_TS] warning: {entry['path']} is in LD_PRELOAD but was not mapped by the "
                  "command", file=sys.stderr)
    if line["error"]:
        print(f"[MEM_TS] warning: {line['error']}", file=sys.stderr)
    with open(out, newline="") as file:
        rss_kb = [int(row["rss_kb"]) for row in csv.DictReader(file) if row["rss_kb"]]
    rc = exit_status_of(line)
    print(f"[MEM_TS] out={out} rc={rc} {summary(rss_kb)}", flush=True)
    return rc


def main(argv: list[str]) -> int:
    if argv in (["--help"], ["-h"]):
        print(HELP, end="")
        return 0
    try:
        if not argv:
            raise Refused(EXIT_BAD_INPUT, "no command given; see --help")
        return measure(argv)
    except Refused as refused:
        print(f"measure_mem_timeseries.sh: {refused}", file=sys.stderr)
        return refused.exit_status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
