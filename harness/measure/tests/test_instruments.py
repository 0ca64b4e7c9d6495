"""Under an instrument only what still means something is a figure."""

from __future__ import annotations

from typing import Any, Dict

import pytest

from harness.experiment import Workload
from harness.experiment.figures import INSTRUMENTS, known_names
from harness.measure.instruments import tools_of, under_instrument
from harness.measure.record import Asked, Seen, run_record
from harness.measure.tests.test_measure import line
from harness.model import MEASURED, Slot

SUMMARY = "events: Ir\nfn=main\n12 900\nsummary: 51728235\n"
CALLS = {"mmap": 22, "munmap": 4, "mremap": 0, "mprotect": 10, "brk": 1, "madvise": 17, "process_madvise": 2, "membarrier": 3}


def figures(under: str, counted: str = "", **more: Any) -> Dict[str, float]:
    asked = Asked("bench_ssot", ("1",), {}, 0, under=under)
    record, _ = run_record(3, MEASURED, Slot("small", "base", 0), asked, Seen(line(**more), "", "", "now", counted=counted), None)
    assert record.counts, record.reasons
    return record.metrics


def test_cachegrind_gives_instructions_and_takes_times_and_memory_away() -> None:
    found = figures("cachegrind", SUMMARY)
    assert found == {"alloc_fail": 0, "ops": 7, "instructions": 51728235, "instructions_per_op": 51728235 / 7}


def test_where_calls_are_counted_faults_and_memory_stay_and_times_go() -> None:
    found = figures("calls", calls=CALLS)
    assert found["mmaps"] == 22 and found["membarriers"] == 3 and found["process_madvises"] == 2 and found["mremaps"] == 0
    assert found["minflt"] == 10 and found["rss_idle_kb"] == 500 and found["ops"] == 7
    assert not {"wall_s", "user_s", "cpu_s", "ops_per_s", "nvcsw"} & set(found)


def test_counters_stand_beside_everything_else() -> None:
    told = dict.fromkeys((name.removeprefix("hw_") for name in INSTRUMENTS["counters"]), 5)
    found = figures("counters", counters=told)
    assert found["hw_branch_misses"] == 5 and found["ops_per_s"] == 3.5 and found["wall_s"] > 2


@pytest.mark.parametrize("under", sorted(INSTRUMENTS))
def test_a_count_that_is_missing_takes_the_run_away(under: str) -> None:
    """A tool that wrote nothing, a runner of another day: never a zero."""
    asked = Asked("bench_ssot", ("1",), {}, 0, under=under)
    for seen in (line(), line(calls={}, counters={"instructions": None})):
        record, _ = run_record(3, MEASURED, Slot("small", "base", 0), asked, Seen(seen, "", "", "now", counted="no sum"), None)
        assert not record.counts and not set(INSTRUMENTS[under]) & set(record.metrics)
        assert f"figure {INSTRUMENTS[under][0]} was not found" in record.reasons[0]


@pytest.mark.parametrize("under", sorted(INSTRUMENTS))
def test_what_a_lane_gives_is_known_beforehand(under: str) -> None:
    counted = dict.fromkeys((name.removeprefix("hw_") for name in INSTRUMENTS["counters"]), 5)
    names = known_names(Workload(program="bench_ssot", under=under))
    assert names is not None and set(INSTRUMENTS[under]) <= set(names)
    found = under_instrument(under, {"ops": 9.0, "wall_s": 1.0, "minflt": 3.0}, line(calls=CALLS, counters=counted), SUMMARY)[0]
    assert set(found) <= set(names)


def test_cachegrind_needs_valgrind() -> None:
    assert tools_of("cachegrind") == ["valgrind"] and tools_of("calls") == tools_of(None) == []
