"""What the runner counts when asked: system calls for memory, and the kernel's counters."""

from __future__ import annotations

import subprocess

import pytest

from harness.runner.tests.support import FIXTURE, PROBE, RUNNER, TRUE, Run, needs_runner

pytestmark = needs_runner

MADE = ("mmap", "munmap", "madvise", "membarrier")
THREE = 3  # the main thread, another, and a child


def test_calls_of_threads_and_children_are_counted_to_the_last(run: Run) -> None:
    few, many = (run(FIXTURE, "memory-calls", times, count_calls=True).line for times in (1, 201))
    assert few["ok"] and many["ok"]
    for name in MADE:
        assert many["calls"][name] - few["calls"][name] == THREE * 200, name
    assert few["calls"]["mmap"] > THREE  # the linker's are among them


def test_a_run_that_does_not_ask_counts_nothing(run: Run) -> None:
    line = run(FIXTURE, "memory-calls", 5).line
    assert line["ok"] and line["calls"] is None and line["counters"] == {}


def test_counting_leaves_the_proof_and_the_ending_as_they_are(run: Run) -> None:
    proved = run(FIXTURE, "memory-calls", 5, count_calls=True, preload=str(PROBE))
    assert proved.found() == {PROBE.name: True} and proved.line["calls"]["mmap"] > 0
    assert run(FIXTURE, "crash", count_calls=True).line["signal"] == 11
    hung = run(FIXTURE, "hold", count_calls=True, timeout_s=0.3)
    assert hung.line["timed_out"] and hung.line["leftover_processes"] == 0
    assert run("no-such-program", count_calls=True).status == 5


def test_counters_count_the_run_and_those_it_started(run: Run) -> None:
    small, large = (run(FIXTURE, "touch", mib, counters=["page_faults"], clear_thp=True).line for mib in (1, 9))
    assert large["counters"]["page_faults"] - small["counters"]["page_faults"] == pytest.approx(8 * 256, abs=16)
    forks = [run("sh", "-c", f"{FIXTURE} touch {mib}; :", counters=["page_faults"], clear_thp=True).line for mib in (1, 9)]
    assert forks[1]["counters"]["page_faults"] - forks[0]["counters"]["page_faults"] > 1900


def test_a_counter_that_does_not_exist_is_refused(run: Run) -> None:
    outcome = run(TRUE, counters=["luck"])
    assert outcome.status == 4 and "`counters` names no counter: luck" in outcome.stderr


def test_what_the_machine_gives_can_be_asked_beforehand(run: Run) -> None:
    told = subprocess.run([str(RUNNER), "--counters"], capture_output=True, text=True)
    known = dict(line.split(" ", 1) for line in told.stdout.splitlines())
    assert told.returncode == 0 and known["page_faults"] == "yes" and "instructions" in known
    for name, answer in known.items():
        assert (run(TRUE, counters=[name]).status == 0) == (answer == "yes"), name
