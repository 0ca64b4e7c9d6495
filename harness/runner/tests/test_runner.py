"""The runner as a program: what it accounts, what it hands to the workload, what it refuses."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.runner.tests.support import (
    FIXTURE,
    GENEROUS_S,
    PROBE,
    RUNNER,
    TRUE,
    Run,
    job_of,
    needs_runner,
)

pytestmark = needs_runner


# Accounting


def test_peak_is_the_workloads_own_and_not_its_ancestors(run: Run) -> None:
    ballast = bytearray(b"x" * (300 << 20))
    outcome = run(TRUE)
    assert len(ballast) == 300 << 20
    assert outcome.status == 0
    assert 0 < outcome.line["max_rss_kb"] < 4096


def test_peak_sees_what_the_workload_touched(run: Run) -> None:
    peak = run(FIXTURE, "touch", 100).line["max_rss_kb"]
    assert 100 << 10 <= peak < 110 << 10


def test_descendants_that_were_waited_for_are_accounted(run: Run) -> None:
    outcome = run("sh", "-c", f"{FIXTURE} touch 64; {FIXTURE} touch 64; exit 0")
    assert outcome.line["ok"]
    assert outcome.line["max_rss_kb"] >= 64 << 10
    assert outcome.line["minflt"] >= 2 * (64 << 20) // 4096 // 512  # at most all huge pages
    assert outcome.line["user_ns"] + outcome.line["sys_ns"] > 0
    assert outcome.line["wall_ns"] > 0


def test_machine_state_is_growth_or_null_never_negative(run: Run) -> None:
    machine = run(TRUE).line["machine"]
    assert set(machine) == {
        "steal_ms", "psi_cpu_some_us", "psi_mem_some_us", "psi_io_some_us", "load1",
        "handover_ns", "handover_after_ns",
    }
    assert all(value is None or value >= 0 for value in machine.values())
    assert machine["load1"] is not None


# What the workload is given


def test_the_environment_is_exactly_the_jobs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAK", "1")
    out = run("env", env={"PATH": "/usr/bin:/bin", "A": "b c"}).stdout.splitlines()
    assert sorted(out) == ["A=b c", "HZ_PHASE_FD=21", "HZ_RESULT_FD=20", "PATH=/usr/bin:/bin"]


def test_only_the_five_meant_descriptors_are_inherited(run: Run) -> None:
    assert run(FIXTURE, "descriptors").stdout.split() == ["0", "1", "2", "20", "21"]


def test_streams_lead_to_files_and_one_file_can_serve_both(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("typed\n")
    both = str(tmp_path / "out")
    outcome = run("sh", "-c", "cat; echo said; echo wrong >&2; echo done",
                  stdin=str(tmp_path / "in"), stdout_path=both, stderr_path=both)
    assert outcome.stdout == "typed\nsaid\nwrong\ndone\n"


def test_a_stream_may_be_an_inherited_descriptor(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    job = job_of(tmp_path, "echo", "through", stdout_path=write_end)
    done = subprocess.run([str(RUNNER), "-"], input=json.dumps(job), text=True,
                          capture_output=True, pass_fds=[write_end], timeout=GENEROUS_S)
    os.close(write_end)
    assert json.loads(done.stdout)["ok"]
    with os.fdopen(read_end) as file:
        assert file.read() == "through\n"


def test_cpu_sets_of_workload_and_sampler_differ(run: Run) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    outcome = run("grep", "Cpus_allowed_list", "/proc/self/status",
                  cpus=[cpus[0]], sampler_cpus=[cpus[-1]])
    assert outcome.stdout.split() == ["Cpus_allowed_list:", str(cpus[0])]
    assert outcome.line["sampler_shared"] == (len(cpus) == 1)
    assert outcome.line["sampler"]["workload_cpus"] == [cpus[0]]
    everything = run("grep", "-c", "^processor", "/proc/cpuinfo", sampler_cpus=[cpus[-1]])
    assert everything.line["ok"]
    allowed = run("sh", "-c", "nproc", sampler_cpus=[cpus[-1]]).stdout
    assert int(allowed) == len(cpus), "the sampler's CPU set must not reach the workload"


def test_a_sampler_on_a_cpu_of_the_workload_is_told(run: Run) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    line = run("sleep", "0.05", cpus=cpus, sampler_cpus=[cpus[-1]], sample_ms=5).line
    assert line["sampler_shared"]
    assert line["sampler"] == {"workload_cpus": cpus, "cpus": [cpus[-1]], "ran_on": [cpus[-1]]}


def test_the_distance_of_two_processors_is_measured_before_and_after(run: Run) -> None:
    cpus = sorted(os.sched_getaffinity(0))
    figures = ("handover_ns", "handover_after_ns")
    alone = run("true", cpus=[cpus[0]]).line["machine"]
    assert [alone[name] for name in figures] == [None, None]
    if len(cpus) > 1:
        machine = run("true", cpus=cpus[:2]).line["machine"]
        given = [machine[name] for name in figures if machine[name] is not None]
        assert all(1 <= ns < 1_000_000 for ns in given)
        failed = run("false", cpus=cpus[:2]).line["machine"]
        assert failed["handover_after_ns"] is None, "a run that failed is not looked at further"
    status = run("grep", "Cpus_allowed_list", "/proc/self/status", cpus=cpus[:2]).stdout
    assert status.split()[1].replace("-", ",").split(",")[0] == str(cpus[0]), "nor is its placement changed"


def test_limits_and_thp_switch_reach_the_workload(run: Run) -> None:
    assert run("sh", "-c", "ulimit -v", rlimit_as_bytes=1 << 30).stdout == f"{1 << 20}\n"
    assert run(FIXTURE, "thp", clear_thp=True).stdout == "thp_disable 1\n"
    assert run(FIXTURE, "thp").stdout == "thp_disable 0\n"


# What is refused


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"timeout": 5}, "unknown key `timeout`"),
        ({"timeout_s": 0}, "`timeout_s`"),
        ({"cpus": [1023]}, "CPU 1023"),
        ({"preload": "/nowhere/lib.so"}, "/nowhere/lib.so: No such file"),
        ({"expect_mapped": ["/nowhere/lib.so"]}, "/nowhere/lib.so: No such file"),
    ],
)
def test_a_bad_job_is_refused_by_name(run: Run, more: dict[str, Any], word: str) -> None:
    outcome = run(TRUE, **more)
    assert outcome.status == 4
    assert word in outcome.line["error"] and word in outcome.stderr
    assert outcome.line["wall_ns"] is None and outcome.line["max_rss_kb"] is None


def test_a_missing_job_and_a_missing_argument_are_refused(tmp_path: Path) -> None:
    mistakes: list[list[str]] = [[], [str(tmp_path / "none.json")], ["a", "b"]]
    for arguments in mistakes:
        done = subprocess.run([str(RUNNER), *arguments], capture_output=True, text=True)
        assert done.returncode == 4 and done.stderr
    assert subprocess.run([str(RUNNER), "--help"], capture_output=True).returncode == 0


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("program", ["no-such-program", "/no/such/program", "/etc/passwd"])
def test_a_program_that_cannot_start_is_named(run: Run, program: str, traced: bool) -> None:
    outcome = run(program, expect_mapped=[str(PROBE)] if traced else [])
    assert outcome.status == 5
    assert f"cannot start {program}" in outcome.line["error"]
    assert outcome.line["exit_status"] is None


def test_other_steps_of_the_start_are_named(run: Run) -> None:
    assert "working directory" in run(TRUE, cwd="/nowhere").line["error"]
    assert "cannot open /nowhere/in" in run(TRUE, stdin="/nowhere/in").line["error"]
    assert run(TRUE, stdout_path=999).status == 5
