"""What the idle programs promise beside what all do: kept objects, ticks, dumps, touched memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from workload_runs import Run, counted, run


def v2(args: str, **env: str) -> Run:
    done = counted("bench_burst_idle_v2", args.split(), **env)
    assert done.status == 0, done.stderr
    assert done.result is not None and done.counts is not None
    return done


@pytest.mark.parametrize(("keep_pct", "kept"), [(0, 0), (10, 40), (33, 132), (100, 400)])
def test_exactly_the_share_is_kept(keep_pct: int, kept: int) -> None:
    done = v2(f"400 0 1 {keep_pct} 4 64 512 1")
    assert done.result["survivors"] == kept
    if keep_pct == 0:
        assert done.result["survivor_bytes"] == 0
    elif keep_pct == 100:
        assert done.result["survivor_bytes"] == done.result["requested_bytes"]
    else:
        assert 64 * kept <= done.result["survivor_bytes"] <= 512 * kept


def test_objects_are_the_total_over_threads() -> None:
    assert v2("403 0 1 0 4 64 512").result["allocs"] == 403


def test_sizes_default_to_256_to_4096() -> None:
    done = v2("4000 0 1 0 2")
    mean = done.result["requested_bytes"] / 4000
    assert 2176 * 0.97 < mean < 2176 * 1.03
    one_size = v2("100 0 1 0 2 64 64")
    assert one_size.result["requested_bytes"] == 6400


@pytest.mark.parametrize(("keep_hold", "idle_phase"), [(0, "joined"), (1, "held")])
def test_keep_hold_chooses_the_window_that_lasts_idle_s(keep_hold: int, idle_phase: str) -> None:
    done = v2(f"100 0.3 1 0 2 64 512 {keep_hold}")
    assert done.result["idle_phase"] == idle_phase
    starts = {mark.split()[1]: int(mark.split()[0]) for mark in done.marks}
    held = starts["joined"] - starts["held"]
    joined = starts["end"] - starts["joined"]
    assert (held if keep_hold else joined) >= 300e6
    assert (joined if keep_hold else held) >= 100e6
    assert done.result["elapsed_ns"] >= 400e6


def test_the_written_memory_is_resident_in_the_burst() -> None:
    # Large objects: writing only their ends would leave most of their pages out.
    done = run("bench_burst_idle_v2", "200 0 1 0 2 100000 100000".split())
    assert done.result is not None
    rss = {phase: int(kb) for phase, kb in re.findall(r"cycle 1 (\w+) rss_kb=(\d+)", done.stdout)}
    assert list(rss) == ["burst", "free", "held", "joined"]
    assert rss["burst"] * 1024 > done.result["requested_bytes"]


def test_its_tables_are_gone_when_idle() -> None:
    done = run("bench_burst_idle", "100000 0 1 0 2 ".split())
    assert done.result is not None
    assert done.result["bookkeeping_peak_kb"] >= 100000 * 8 / 1024
    assert done.result["bookkeeping_kb"] < 40


@pytest.mark.parametrize("keep_hold", [0, 1])
def test_every_thread_ticks_itself(keep_hold: int) -> None:
    done = v2(f"100 0.3 1 0 2 64 512 {keep_hold} 5")
    assert done.result["ticks"] == done.counts["epoch_calls"] > 0
    assert done.counts["epoch_threads"] == 3, "two workers and the main thread"


def test_it_does_not_tick_unasked_or_without_the_symbol() -> None:
    assert v2("100 0.05 1 0 2 64 512 1 0").counts["epoch_calls"] == 0
    without = run("bench_burst_idle_v2", "100 0.05 1 0 2 64 512 1 5".split())
    assert without.status == 0
    assert without.result is not None and without.result["ticks"] == 0


@pytest.mark.parametrize(("mode", "sign"), [(1, "[rollup]"), (2, "VmFlags:")])
def test_dumps_go_to_the_named_file(mode: int, sign: str, tmp_path: Path) -> None:
    dump = tmp_path / "smaps.txt"
    v2(f"100 0 2 0 1 64 512 0 0 {mode}", S59_2_DUMP_PATH=str(dump))
    text = dump.read_text()
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# cycle 1 joined", "# cycle 2 joined"]
    assert sign in text and "Rss:" in text


def test_dumps_go_to_stderr_without_a_file() -> None:
    done = run("bench_burst_idle_v2", "100 0 1 0 1 64 512 1 0 1".split())
    assert done.stderr.startswith("# cycle 1 held\n") and "Rss:" in done.stderr
    quiet = run("bench_burst_idle_v2", "100 0 1 0 1 64 512 1 0 0".split())
    assert quiet.stderr == ""


def test_a_dump_file_that_cannot_be_written_is_refused() -> None:
    done = run("bench_burst_idle_v2", "100 0 1 0 1 64 512 1 0 1".split(),
               env={"S59_2_DUMP_PATH": "/nonexistent/file"})
    assert done.status == 2 and "cannot be written" in done.stderr


@pytest.mark.parametrize("idle", ["-1", "1e3", "inf", ".", "86401", "0x1"])
def test_idle_seconds_are_plain_decimals(idle: str) -> None:
    done = run("bench_burst_idle", ["100", idle, "1", "0", "1"])
    assert done.status == 2 and "idle_s: not a number of seconds" in done.stderr


@pytest.mark.parametrize("args", ["100 0 1 101 1", "100 0 0 0 1", "100 0 1 0 1 512 64",
                                  "100 0 1 0 1 8 64", "100 0 1 0 1 64 512 2"])
def test_impossible_plans_are_refused(args: str) -> None:
    assert run("bench_burst_idle_v2", args.split()).status == 2
