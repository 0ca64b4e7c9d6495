"""From a runner line to figures: what is measured, what is absent, and what does not count."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.measure.disturbance import LIMITS, disturbances
from harness.measure.metrics import command_metrics, memory_metrics, metrics_of
from harness.measure.record import Asked, Seen, run_record
from harness.measure.stats_lines import parse_stats
from harness.measure.validity import bad_arguments, failure, reasons, unmapped, unproven
from harness.model import FailureKind, MEASURED, Slot


def mark(t_ms: float, phase: str, cycle: int, rss: Optional[int], lazyfree: Optional[int] = 0) -> Dict[str, Any]:
    return {"t_ms": t_ms, "phase": phase, "cycle": cycle, "rss_kb": rss, "lazyfree_kb": lazyfree}


# Two cycles of a burst that is freed while threads are held, then joined; joined is the idle phase.
MARKS: List[Dict[str, Any]] = [
    mark(0, "burst", 0, 100),
    mark(50, "free", 0, 9000),
    mark(80, "held", 0, 8000),
    mark(180, "joined", 0, 7000),
    mark(1180, "burst", 1, 400, 300),
    mark(1230, "free", 1, 9100),
    mark(1260, "held", 1, 8100),
    mark(1360, "joined", 1, 7100),
    mark(2360, "end", 0, 500, 300),
]


def line(**changes: Any) -> Dict[str, Any]:
    return {
        "ok": True,
        "error": None,
        "exit_status": 0,
        "signal": None,
        "timed_out": False,
        "wall_ns": 2_400_000_000,
        "user_ns": 1_500_000_000,
        "sys_ns": 500_000_000,
        "minflt": 10,
        "majflt": 0,
        "nvcsw": 5,
        "nivcsw": 6,
        "max_rss_kb": 9200,
        "marks": MARKS,
        "result": {"ops": 7, "ops_per_s": 3.5, "idle_phase": "joined", "alloc_fail": 0, "nested": {"x": 1}, "ok": True},
        "samples": 20,
        "mapped": [{"path": "/r/arms/a00/lib.so", "found": True}, {"path": "/r/arms/a01/lib.so", "found": False}],
        "machine": {"steal_ms": 0, "psi_cpu_some_us": 0, "psi_mem_some_us": 0, "psi_io_some_us": None},
        **changes,
    }


def test_accounting() -> None:
    numbers, texts = metrics_of(line())
    assert numbers["wall_s"] == pytest.approx(2.4)
    assert numbers["cpu_s"] == pytest.approx(2.0)
    assert numbers["peak_rss_kb"] == 9200
    assert metrics_of(line(peak_rss_kb=15000))[0]["peak_rss_kb"] == 15000  # of the tree, where it is told
    assert (numbers["minflt"], numbers["ops"], numbers["ops_per_s"]) == (10, 7, 3.5)
    assert texts == {"idle_phase": "joined"}
    assert "nested" not in numbers and "ok" not in numbers  # only flat numbers are figures


def test_memory_of_a_phase_is_that_at_the_next_mark() -> None:
    found = memory_metrics(MARKS, "joined")
    assert found["rss_burst_kb@0"] == 9000
    assert found["rss_held_kb@0"] == 7000
    assert found["rss_joined_kb@0"] == 400
    assert found["firm_joined_kb@0"] == 100
    assert found["rss_joined_kb"] == found["rss_joined_kb@1"] == 500
    assert found["rss_idle_kb"] == 500 and found["firm_idle_kb"] == 200
    assert found["rss_idle_kb@0"] == 400
    assert "rss_end_kb" not in found


def test_the_workload_says_which_phase_is_the_idle_one() -> None:
    assert memory_metrics(MARKS, "held")["rss_idle_kb"] == 7100
    assert "rss_idle_kb" not in memory_metrics(MARKS, None)


def test_what_was_not_measured_is_absent_never_zero() -> None:
    numbers, _ = metrics_of(line(max_rss_kb=None, minflt=None, user_ns=None, marks=[], result=None))
    assert not {"peak_rss_kb", "minflt", "user_s", "cpu_s", "rss_idle_kb", "ops"} & set(numbers)
    found = memory_metrics([mark(0, "free", 0, None), mark(1, "held", 0, None), mark(2, "end", 0, 5, None)], None)
    assert found == {"rss_held_kb": 5, "rss_held_kb@0": 5}


def test_stats_lines_are_added_up() -> None:
    stats = parse_stats(
        "noise\n[HZ3_S62_PURGE] pages_purged=3 madvise_fail=0 why=exit\n  [HZ3_S62_PURGE] pages_purged=4, madvise_fail=0\n"
        "[HEX] mask=0x1f ratio=-2.5e1\n[ERROR] no pairs here\n[2026] year=1\nkey=1 [LATE] key=2\n"
    )
    assert stats.numbers == {
        "HZ3_S62_PURGE.pages_purged": 7,
        "HZ3_S62_PURGE.madvise_fail": 0,
        "HEX.mask": 31,
        "HEX.ratio": -25,
    }
    assert stats.texts == {"HZ3_S62_PURGE.why": "exit"}
    assert stats.counts == {"HZ3_S62_PURGE": 2, "HEX": 1}


@given(st.text())
def test_no_output_breaks_the_parser(text: str) -> None:
    assert set(parse_stats(text).numbers) <= {f"{l}.{k}" for l in parse_stats(text).counts for k in _keys(text)}


def _keys(text: str) -> set[str]:
    return {word.split("=")[0] for word in text.replace(",", " ").replace(";", " ").split() if "=" in word}


def test_figures_of_a_command() -> None:
    found, missing = command_metrics(
        {"rps": r"([\d.,]+) requests", "none": r"lost (\d+)", "word": r"mode (\w+)", "nan": r"is (\w+)"},
        "10.5 requests\n1,234.5 requests\nmode fast\nthis is nan\n",
    )
    assert found == {"rps": 1234.5}
    assert missing == ["none", "word", "nan"]


@pytest.mark.parametrize(
    "changes, kind, words",
    [
        ({}, None, ""),
        ({"exit_status": 3, "ok": False}, None, ""),
        ({"exit_status": 1, "ok": False}, FailureKind.STATUS, "ended with status 1"),
        ({"exit_status": 1, "result": {"damaged": 1}}, FailureKind.DAMAGE, "a live object was changed"),
        ({"exit_status": 1, "result": {"alloc_fail": 1}}, FailureKind.NO_MEMORY, "an allocation failed"),
        ({"signal": 11, "exit_status": None, "ok": False}, FailureKind.SIGNAL, "ended by signal 11"),
        ({"timed_out": True, "signal": 9, "ok": False}, FailureKind.TIMEOUT, "stopped at its time limit after 2 s"),
    ],
)
def test_failures(changes: Dict[str, Any], kind: Optional[FailureKind], words: str) -> None:
    found = failure(line(**changes), own_program=True, output="its last words")
    if kind is None:
        assert found is None
    else:
        assert found is not None and found.kind is kind and words in found.text
        assert found.kind.of_the_arm and found.output == "its last words"


def test_statuses_of_a_foreign_command_mean_nothing_but_failure() -> None:
    for status in (2, 3):
        found = failure(line(exit_status=status), own_program=False)
        assert found is not None and found.text == f"it ended with status {status}"
        assert not bad_arguments(line(exit_status=status), own_program=False)
    assert bad_arguments(line(exit_status=2), own_program=True)


def test_unmapped() -> None:
    assert unmapped(line(), ["/r/arms/a00/lib.so"]) == []
    assert unmapped(line(), ["/r/arms/a01/lib.so", "/r/arms/a02/lib.so"]) == ["/r/arms/a01/lib.so", "/r/arms/a02/lib.so"]


def unproven_entry(why: str, **changes: Any) -> Dict[str, Any]:
    return {"program": "/bin/x", "why": why, "processes": 1, "cpu_ns": 500_000_000, "peak_kb": 9, "counts": True, **changes}


def test_programs_without_the_library_are_named_with_their_reason() -> None:
    entries = [
        unproven_entry("static"),
        unproven_entry("unfollowed", program=None, cpu_ns=0),
        unproven_entry("environment", processes=3, counts=False),
    ]
    assert unproven(line(unproven=entries)) == [
        "/bin/x is a static program, 25.0% of the CPU time",
        "a program was started by a thread or by clone, and cannot be followed",
    ]
    (small,) = unproven(line(unproven=entries), counting=False)
    assert small.startswith("/bin/x in 3 processes ran without the library") and small.endswith("25.0% of the CPU time")
    assert unproven(line()) == []


def why(given_line: Dict[str, Any], program: Optional[str] = "bench_burst_idle_v2", args: str = "100 1 2 0 4", **more: Any) -> List[str]:
    asked: Dict[str, Any] = {"missing_figures": [], "series_wanted": True, **more}
    return reasons(given_line, program=program, args=args.split(), **asked)


def test_a_run_that_did_its_work_counts() -> None:
    assert why(line()) == []
    assert why(line(result=None, marks=[], samples=0), None, "", series_wanted=False) == []


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"result": {"alloc_fail": 2, "idle_phase": "joined"}}, "2 allocations failed"),
        ({"result": None}, "it reported no result"),
        ({"samples": 0}, "no memory sample was taken"),
        ({"leftover_processes": 2}, "processes outlived it and had to be ended: 2"),
        ({"wall_ns": 1_900_000_000}, "it took 1.90 s, less than 2 cycles of 1 s idleness"),
        ({"marks": MARKS[4:]}, "it marked 1 idle phases (joined) in 2 cycles"),
        ({"marks": [*MARKS[:-1], mark(1900, "end", 0, 1)]}, "phase joined lasted 0.54 s, less than 1 s"),
        ({"marks": []}, "it marked no idle phase"),
        ({"result": {"fallback_rate": 0.001, "idle_phase": "joined"}}, "remote fallback 0.100%, at or above 0.1%"),
        ({"exit_status": 3}, "the workload itself says that the run does not count"),
    ],
)
def test_reasons_not_to_count(changes: Dict[str, Any], words: str) -> None:
    assert any(words in reason for reason in why(line(**changes)))


def test_survivors_idles_at_other_places_of_its_arguments() -> None:
    assert why(line(), "survivors", "2000 5 1 2 16 64 2") == []
    assert "phase joined lasted 1.00 s, less than 2 s" in why(line(), "survivors", "2000 5 2 2 16 64 2")
    assert "it marked 2 idle phases (joined) in 1 cycles" in why(line(), "survivors", "2000 5 1 2")


def test_few_fallbacks_are_allowed() -> None:
    assert why(line(result={"fallback_rate": 0.00099}), "bench_mt_remote", "4 1000") == []


def test_a_quiet_machine_marks_nothing() -> None:
    assert disturbances(line(), busy_s=2.2, single_threaded=True) == []
    assert disturbances(line(machine={})) == []


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"machine": {"steal_ms": 48}}, "steal 2.0%"),
        ({"machine": {"psi_cpu_some_us": 1_200_000}}, "cpu pressure 50.0%"),
        ({"machine": {"psi_mem_some_us": 240_000}}, "memory pressure 10.0%"),
        ({"machine": {"psi_io_some_us": 240_000}}, "io pressure 10.0%"),
        ({"nivcsw": 500}, "250 involuntary switches per CPU second"),
    ],
)
def test_disturbances(changes: Dict[str, Any], words: str) -> None:
    assert disturbances(line(**changes), single_threaded=True) == [words]


def test_threads_that_press_on_each_other_accuse_nobody() -> None:
    crowded = line(machine={"psi_cpu_some_us": 2_000_000}, nivcsw=5000)
    assert disturbances(crowded, busy_s=2.1) == []
    assert disturbances(crowded, busy_s=2.1 + 1.2) == ["other processes used 54% of a CPU"]


def test_the_runner_is_not_a_foreigner() -> None:
    assert disturbances(line(runner_cpu_ns=500_000_000), busy_s=2.6) == []
    assert disturbances(line(runner_cpu_ns=None), busy_s=2.6) == ["other processes used 25% of a CPU"]
    assert disturbances(line(user_ns=None), busy_s=9.0) == []


def test_a_sampler_on_the_workloads_cpu_is_told_when_it_took_time() -> None:
    assert disturbances(line(sampler_shared=True, runner_cpu_ns=48_000_000)) == []
    assert disturbances(line(sampler_shared=False, runner_cpu_ns=240_000_000)) == []
    found = disturbances(line(sampler_shared=True, runner_cpu_ns=240_000_000))
    assert found == ["the sampler used 10.0% of a CPU it shares with the workload"]


def test_limits_are_exclusive_and_short_runs_are_not_marked() -> None:
    assert disturbances(line(machine={"steal_ms": 2400 * LIMITS.steal_share})) == []
    assert disturbances(line(wall_ns=10_000_000, machine={"steal_ms": 10}), busy_s=1.0) == []


def test_own_figures_go_before_the_runners() -> None:
    assert metrics_of(line(result={"minflt": 3}))[0]["minflt"] == 3


def test_the_record_of_a_run() -> None:
    asked = Asked("bench_burst_idle_v2", ["100", "1", "2", "0", "4"], {"rate": r"rate (\d+)"}, 10)
    record, stats = run_record(
        3, MEASURED, Slot("idle", "treat", 2), asked, Seen(line(), "rate 9\n", "[S] n=1 who=me\n", "T"), "memory/x.csv"
    )
    assert (record.block, record.workload, record.arm, record.position) == (3, "idle", "treat", 2)
    assert record.counts and record.reasons == []
    assert record.metrics["rate"] == 9 and record.metrics["S.n"] == 1 and record.metrics["ops"] == 7
    assert record.strings == {"idle_phase": "joined", "S.who": "me"}
    assert list(record.metrics) == sorted(record.metrics)
    assert stats.counts == {"S": 1}


def test_a_figure_that_was_not_found_keeps_the_run_from_counting() -> None:
    asked = Asked(None, [], {"rate": r"rate (\d+)"}, 0)
    record, _ = run_record(0, MEASURED, Slot("x", "base", 0), asked, Seen(line(result=None), "", "", "T"), None)
    assert not record.counts and record.reasons == ["figure rate was not found in its output"]
    assert "rate" not in record.metrics
