"""Marks, the result and the time series."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness.runner.tests.support import (
    FIXTURE,
    GENEROUS_S,
    RUNNER,
    TRUE,
    Run,
    job_of,
    needs_runner,
)

pytestmark = needs_runner


# Marks


def test_marks_are_ordered_and_show_the_state_at_the_mark(run: Run) -> None:
    outcome = run(FIXTURE, "phases", csv_path=None)
    marks = outcome.line["marks"]
    assert [(mark["phase"], mark["cycle"]) for mark in marks] == [
        ("burst", 0), ("free", 0), ("burst", 1), ("free", 1), ("end", 0),
    ]
    times = [mark["t_ms"] for mark in marks]
    assert times == sorted(times) and times[0] >= 0
    # The fixture unmaps 64 MiB the moment it is released: only a parked one shows them.
    for mark in marks:
        full = mark["phase"] == "free"
        assert (mark["rss_kb"] >= 64 << 10) == full, mark
        assert (mark["uss_kb"] >= 64 << 10) == full, mark
        assert 0 < mark["pss_kb"] <= mark["rss_kb"]
    assert outcome.line["ok"] and outcome.line["held_ns"] > 0


def test_lazily_freed_memory_is_told_from_resident_memory(run: Run) -> None:
    before, after = run(FIXTURE, "lazyfree").line["marks"]
    assert before["lazyfree_kb"] == 0
    # The kernel may still hold up to 31 pages in a batch of each CPU that it has not marked yet.
    batched_kb = 31 * 4 * (os.cpu_count() or 1)
    assert (32 << 10) - batched_kb <= after["lazyfree_kb"] <= 32 << 10
    assert after["rss_kb"] >= 32 << 10


def test_a_malformed_mark_is_an_error_but_hangs_nobody(run: Run) -> None:
    outcome = run(FIXTURE, "bad-mark")
    assert outcome.status == 0 and outcome.line["exit_status"] == 0
    assert not outcome.line["ok"] and "phase mark" in outcome.line["error"]


def test_a_workload_that_does_not_park_is_found_out(run: Run) -> None:
    outcome = run(FIXTURE, "no-park")
    assert len(outcome.line["marks"]) == 3
    assert not outcome.line["ok"] and "does not wait" in outcome.line["error"]


# The result


def test_the_result_is_handed_on(run: Run) -> None:
    line = run(FIXTURE, "result", '{"ops": 3, "idle_phase": "held", "x": 0.1}\n').line
    assert line["result"] == {"ops": 3, "idle_phase": "held", "x": 0.1}
    assert run(TRUE).line["result"] is None


def test_a_result_larger_than_a_pipe_blocks_nobody(run: Run) -> None:
    result = run(FIXTURE, "long-result").line["result"]
    assert result["ops"] == 5 and len(result["text"]) == 300000


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}\n{"b": 2}', '{"ops": nan}'])
def test_a_bad_result_is_an_error(run: Run, text: str) -> None:
    outcome = run(FIXTURE, "result", text)
    assert outcome.status == 0 and outcome.line["result"] is None
    assert "result" in outcome.line["error"] and not outcome.line["ok"]


# The series


def test_csv_has_the_agreed_columns_and_monotone_times(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "memory.csv")
    outcome = run("sh", "-c", f"sleep 0.2; exec {FIXTURE} phases",
                  sample_ms=2, pss_every=3, csv_path=path)
    rows = outcome.rows()
    assert list(rows[0]) == [
        "t_ms", "rss_kb", "vms_kb", "pss_kb", "uss_kb", "lazyfree_kb", "anon_huge_kb", "phase",
        "cycle",
    ]
    times = [float(row["t_ms"]) for row in rows]
    assert times == sorted(times)
    before_marks = [row for row in rows if not row["phase"]][:-1]  # the last is the mark's own row
    assert 0 < len(before_marks) <= outcome.line["samples"]
    with_pss = [index for index, row in enumerate(before_marks) if row["pss_kb"]]
    assert with_pss == list(range(0, len(before_marks), 3))
    assert all(row["rss_kb"] and row["vms_kb"] for row in rows)


def test_csv_rows_of_marks_close_the_phase_before(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "memory.csv")
    outcome = run(FIXTURE, "phases", sample_ms=0, csv_path=path)
    rows = outcome.rows()
    assert outcome.line["samples"] == 0 and outcome.line["missed_deadlines"] == 0
    assert [(row["phase"], row["cycle"]) for row in rows] == [
        ("", ""), ("burst", "0"), ("free", "0"), ("burst", "1"), ("free", "1"),
    ]
    marks = outcome.line["marks"]
    assert [int(row["rss_kb"]) for row in rows] == [mark["rss_kb"] for mark in marks]


def test_no_series_unless_asked(run: Run, tmp_path: Path) -> None:
    outcome = run("sleep", "0.1", sample_ms=0, csv_path=str(tmp_path / "memory.csv"))
    assert outcome.rows() == [] and outcome.line["samples"] == 0


def test_a_csv_that_cannot_be_kept_is_an_error(run: Run) -> None:
    outcome = run("sleep", "0.05", sample_ms=5, csv_path="/dev/full")
    assert outcome.status == 5 and not outcome.line["ok"]
    assert "/dev/full: No space left on device" in outcome.line["error"]
    assert "No space left" in outcome.stderr
    assert outcome.line["exit_status"] == 0, "what was measured is still reported"
    assert run(TRUE, csv_path="/nowhere/x.csv").status == 5


def test_a_line_that_cannot_be_printed_is_an_error(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(RUNNER), "-"], input=json.dumps(job_of(tmp_path, TRUE)),
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=GENEROUS_S)
    assert done.returncode == 5 and "No space left" in done.stderr
