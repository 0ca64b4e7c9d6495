"""Which library a process has really mapped, and that looking does not disturb it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from harness.runner.tests.support import FIXTURE, PROBE, STATIC, TRUE, Run, needs_runner

pytestmark = needs_runner


def test_a_preload_is_proved_even_in_the_shortest_program(run: Run) -> None:
    outcome = run(TRUE, preload=str(PROBE))
    [entry] = outcome.line["mapped"]
    assert entry["found"] and entry["inode"] == PROBE.stat().st_ino
    assert entry["path"] == str(PROBE) and entry["seen_at"] == "entry"
    assert outcome.line["ok"]


def test_a_library_that_crashes_before_the_program_begins_was_there(run: Run) -> None:
    outcome = run(TRUE, preload=str(PROBE), env={"PROBE_CRASHES": "1"})
    assert outcome.line["signal"] == signal.SIGSEGV and outcome.found() == {PROBE.name: True}


def test_a_static_program_has_no_preload(run: Run) -> None:
    outcome = run(STATIC, preload=str(PROBE))
    assert outcome.found() == {PROBE.name: False}
    assert outcome.line["exit_status"] == 0


def test_a_wrapper_that_drops_the_preload_does_not_pass(run: Run) -> None:
    assert run("env", "-i", TRUE, preload=str(PROBE)).found() == {PROBE.name: False}
    assert run("sh", "-c", f"exec {STATIC}", preload=str(PROBE)).found() == {PROBE.name: False}


def test_a_wrapper_that_adds_the_library_passes(run: Run) -> None:
    outcome = run("env", f"LD_PRELOAD={PROBE}", TRUE, expect_mapped=[str(PROBE)])
    assert outcome.found() == {PROBE.name: True}


def test_the_proof_is_of_the_process_that_marks(run: Run) -> None:
    outcome = run("sh", "-c", f"LD_PRELOAD= {FIXTURE} phases; exit 0", preload=str(PROBE))
    assert outcome.found() == {PROBE.name: False}
    outcome = run("sh", "-c", f"{FIXTURE} phases; exit 0", preload=str(PROBE))
    assert outcome.found() == {PROBE.name: True}
    assert outcome.line["mapped"][0]["seen_at"] == "entry"


@pytest.mark.parametrize(("how", "status"), [("dlopen", 0), ("thread-exit", 7)])
def test_a_library_opened_later_is_seen_at_exit(run: Run, how: str, status: int) -> None:
    outcome = run(FIXTURE, how, PROBE, expect_mapped=[str(PROBE)])
    assert outcome.line["exit_status"] == status
    assert outcome.found() == {PROBE.name: True}
    assert outcome.line["mapped"][0]["seen_at"] == "exit"


def test_a_file_replaced_by_a_copy_is_another_library(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.so"
    copy.write_bytes(PROBE.read_bytes())
    outcome = run(TRUE, preload=str(PROBE), expect_mapped=[str(copy)])
    assert outcome.found() == {PROBE.name: True, "copy.so": False}


def test_a_symbolic_link_to_the_library_is_the_library(run: Run, tmp_path: Path) -> None:
    link = tmp_path / "link.so"
    link.symlink_to(PROBE)
    assert run(TRUE, preload=str(link)).found() == {"link.so": True}


def test_signals_pass_unharmed_through_the_tracer(run: Run) -> None:
    assert run(FIXTURE, "signals", preload=str(PROBE)).stdout == "caught 100\n"


def test_job_control_works_while_traced(run: Run) -> None:
    assert run(FIXTURE, "stop", preload=str(PROBE)).stdout == "went on\n"


def test_many_forks_work_while_traced(run: Run) -> None:
    script = "i=0; while [ $i -lt 100 ]; do /bin/true; i=$((i+1)); done; echo $i"
    outcome = run("sh", "-c", script, preload=str(PROBE))
    assert outcome.stdout == "100\n" and outcome.line["ok"]
