"""tools/measure_mem_timeseries.sh as a person uses it."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from harness.runner.tests.support import (
    BUILD,
    FIXTURE,
    GENEROUS_S,
    PROBE,
    ROOT,
    STATIC,
    needs_runner,
    read_pid,
)

TOOL = ROOT / "tools/measure_mem_timeseries.sh"
LINE = re.compile(
    r"\[MEM_TS\] out=(?P<out>\S+) rc=(?P<rc>\d+) n=(?P<n>\d+) "
    r"mean_kb=(?P<mean>\d+) max_kb=(?P<max>\d+) p95_kb=(?P<p95>\d+)\n$"
)

pytestmark = needs_runner


def environment(folder: Path, **more: str) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HZ3_BUILD_DIR": str(BUILD), "OUT": str(folder / "m.csv"),
            **more}


def measure(
    folder: Path, *argv: object, typed: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(TOOL), *map(str, argv)], input=typed, capture_output=True,
                          text=True, cwd=folder, env=environment(folder, **more),
                          timeout=GENEROUS_S)


def test_the_line_agrees_with_the_csv_and_the_status_is_the_commands(tmp_path: Path) -> None:
    done = measure(tmp_path, "sh", "-c", "sleep 0.3; exit 3", INTERVAL_MS="5", PSS_EVERY="4")
    match = LINE.match(done.stdout)
    assert match and done.returncode == 3 and match["rc"] == "3", done
    with open(tmp_path / "m.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    rss = sorted(int(row["rss_kb"]) for row in rows)
    assert match["out"] == str(tmp_path / "m.csv") and int(match["n"]) == len(rss) > 0
    assert int(match["max"]) == rss[-1] >= int(match["p95"]) >= rss[0]
    assert rss[0] <= int(match["mean"]) <= rss[-1]
    with_pss = [index for index, row in enumerate(rows) if row["pss_kb"]]
    assert with_pss[0] == 0 and all(index % 4 == 0 for index in with_pss)


def test_the_streams_are_the_commands_own(tmp_path: Path) -> None:
    done = measure(tmp_path, "sh", "-c", "cat; echo wrong >&2", typed="typed\n")
    assert done.stdout.startswith("typed\n[MEM_TS] ") and done.stderr == "wrong\n"


def test_arguments_and_environment_arrive_unchanged(tmp_path: Path) -> None:
    done = measure(tmp_path, "sh", "-c", 'printf "%s|" "$@" "$X"', "name", "a b", 'q"\\', X="é ü")
    assert done.stdout.startswith('a b|q"\\|é ü|')


def test_a_signal_and_a_time_out_have_the_shells_statuses(tmp_path: Path) -> None:
    assert measure(tmp_path, FIXTURE, "crash").returncode == 128 + signal.SIGSEGV
    assert measure(tmp_path, "sleep", "1000", TIMEOUT_S="0.3").returncode == 124


def test_an_interrupt_still_prints_the_line(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"echo $$ > {pid_file}; exec sleep 1000"
    with subprocess.Popen([str(TOOL), "sh", "-c", script], stdout=subprocess.PIPE, text=True,
                          env=environment(tmp_path), start_new_session=True) as tool:
        read_pid(pid_file)
        os.killpg(tool.pid, signal.SIGINT)  # as a terminal does
        out, _ = tool.communicate(timeout=GENEROUS_S)
    assert tool.returncode == 130 and LINE.match(out)


def test_a_preload_without_effect_is_said(tmp_path: Path) -> None:
    silent = measure(tmp_path, "true", LD_PRELOAD=str(PROBE))
    assert silent.returncode == 0 and silent.stderr == ""
    warned = measure(tmp_path, STATIC, LD_PRELOAD=str(PROBE))
    assert warned.returncode == 0 and f"{PROBE} is in LD_PRELOAD but was not" in warned.stderr


def test_help_names_every_setting(tmp_path: Path) -> None:
    done = measure(tmp_path, "--help")
    assert done.returncode == 0
    for name in ("OUT", "INTERVAL_MS", "PSS_EVERY", "TIMEOUT_S", "[MEM_TS]"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("argv", "more", "status", "word"),
    [
        ([], {}, 4, "--help"),
        (["true"], {"INTERVAL_MS": "fast"}, 4, "INTERVAL_MS=fast is not a number"),
        (["true"], {"PSS_EVERY": "1.5"}, 4, "PSS_EVERY=1.5 is not a whole number"),
        (["true"], {"INTERVAL_MS": "-1"}, 4, "`sample_ms` is -1"),
        (["no-such-program"], {}, 5, "cannot start no-such-program"),
        (["true"], {"OUT": "/nowhere/m.csv"}, 5, "cannot write /nowhere/m.csv"),
    ],
)
def test_mistakes_are_named(
    tmp_path: Path, argv: list[str], more: dict[str, str], status: int, word: str
) -> None:
    done = measure(tmp_path, *argv, **more)
    assert done.returncode == status and word in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_missing_build_says_how_to_build(tmp_path: Path) -> None:
    done = measure(tmp_path, "true", HZ3_BUILD_DIR=str(tmp_path / "none"))
    assert done.returncode == 5
    assert f"meson compile -C {tmp_path / 'none'} hz3-runner" in done.stderr
