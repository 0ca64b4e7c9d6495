"""The runner as a program: jobs in, one line and one CSV out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.runner.tests.support import (
    FIXTURE,
    GENEROUS_S,
    PROBE,
    RUNNER,
    STATIC,
    TRUE,
    Outcome,
    Run,
    has_ended,
    job_of,
    needs_runner,
    read_pid,
    wait_until,
)

pytestmark = needs_runner


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*argv: object, **more: Any) -> Outcome:
        path = tmp_path / "job.json"
        path.write_text(json.dumps(job_of(tmp_path, *argv, **more)))
        done = subprocess.run(
            [str(RUNNER), str(path)], capture_output=True, text=True, timeout=GENEROUS_S
        )
        assert done.stdout.count("\n") == 1, done
        return Outcome(done.returncode, json.loads(done.stdout), done.stderr, tmp_path)

    return call


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
    everything = run("grep", "-c", "^processor", "/proc/cpuinfo", sampler_cpus=[cpus[-1]])
    assert everything.line["ok"]
    allowed = run("sh", "-c", "nproc", sampler_cpus=[cpus[-1]]).stdout
    assert int(allowed) == len(cpus), "the sampler's CPU set must not reach the workload"


def test_limits_and_thp_switch_reach_the_workload(run: Run) -> None:
    assert run("sh", "-c", "ulimit -v", rlimit_as_bytes=1 << 30).stdout == f"{1 << 20}\n"
    assert run(FIXTURE, "thp", clear_thp=True).stdout == "thp_disable 1\n"
    assert run(FIXTURE, "thp").stdout == "thp_disable 0\n"


# Proof of mapping


def test_a_preload_is_proved_even_in_the_shortest_program(run: Run) -> None:
    outcome = run(TRUE, preload=str(PROBE))
    [entry] = outcome.line["mapped"]
    assert entry["found"] and entry["inode"] == PROBE.stat().st_ino
    assert entry["path"] == str(PROBE) and entry["seen_at"] == "entry"
    assert outcome.line["ok"]


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
    assert outcome.line["mapped"][0]["seen_at"] == "mark"


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


# How a run ends


def test_time_out_ends_the_whole_group(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {pid_file}; wait"
    outcome = run("sh", "-c", script, timeout_s=0.5)
    assert outcome.status == 0
    assert outcome.line["timed_out"] and not outcome.line["ok"]
    assert outcome.line["signal"] == signal.SIGKILL and outcome.line["exit_status"] is None
    assert has_ended(read_pid(pid_file))


def test_time_out_ends_a_traced_workload_as_well(run: Run) -> None:
    outcome = run("sleep", "1000", timeout_s=0.5, expect_mapped=[str(PROBE)])
    assert outcome.line["timed_out"] and outcome.found() == {PROBE.name: False}


@pytest.mark.parametrize("traced", [False, True])
def test_a_crash_is_reported_by_its_signal(run: Run, traced: bool) -> None:
    outcome = run(FIXTURE, "crash", preload=str(PROBE) if traced else None)
    assert outcome.status == 0
    assert outcome.line["signal"] == signal.SIGSEGV and outcome.line["exit_status"] is None
    assert not outcome.line["ok"] and not outcome.line["timed_out"]


def test_the_exit_status_is_the_workloads_and_the_runner_succeeds(run: Run) -> None:
    outcome = run("sh", "-c", "exit 3")
    assert outcome.status == 0 and outcome.line["exit_status"] == 3 and not outcome.line["ok"]


def test_a_daemon_holding_every_descriptor_hangs_nobody(run: Run, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    daemon = f"setsid sh -c 'echo $$ > {pid_file}; exec sleep 1000' &"
    script = f"{daemon} while [ ! -s {pid_file} ]; do sleep 0.01; done; exit 0"
    outcome = run("sh", "-c", script)
    assert outcome.status == 0 and outcome.line["ok"] and not outcome.line["timed_out"]
    assert outcome.line["leftover_processes"] == 1
    assert has_ended(read_pid(pid_file)), "it would run beside the next measurement"


def start_with_pid_file(tmp_path: Path, **more: Any) -> tuple[dict[str, Any], Path]:
    pid_file = tmp_path / "pid"
    script = f"echo $$ > {pid_file}; exec sleep 1000"
    return job_of(tmp_path, "sh", "-c", script, **more), pid_file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_workload_and_still_reports(
    tmp_path: Path, number: signal.Signals
) -> None:
    job, pid_file = start_with_pid_file(tmp_path)
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))
    with subprocess.Popen([str(RUNNER), str(path)], stdout=subprocess.PIPE, text=True) as runner:
        workload = read_pid(pid_file)
        runner.send_signal(number)
        out, _ = runner.communicate(timeout=GENEROUS_S)
    line = json.loads(out)
    assert runner.returncode == 130
    assert line["interrupted"] and not line["ok"] and line["signal"] == signal.SIGKILL
    assert has_ended(workload)


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.argv[1], sys.argv[2]], stdout=subprocess.PIPE)
open(sys.argv[3], "w").write(f"{child.pid}\\n")
child.wait()
"""


@pytest.mark.parametrize("traced", [False, True])
def test_when_the_harness_is_killed_runner_and_workload_die(tmp_path: Path, traced: bool) -> None:
    job, pid_file = start_with_pid_file(tmp_path, preload=str(PROBE) if traced else None)
    path, runner_file = tmp_path / "job.json", tmp_path / "runner-pid"
    path.write_text(json.dumps(job))
    command = [sys.executable, "-c", PARENT, str(RUNNER), str(path), str(runner_file)]
    with subprocess.Popen(command) as parent:
        workload, runner = read_pid(pid_file), read_pid(runner_file)
        parent.kill()
    wait_until(lambda: has_ended(runner) and has_ended(workload))


def test_when_the_runner_is_killed_the_workload_dies(tmp_path: Path) -> None:
    job, pid_file = start_with_pid_file(tmp_path)
    path = tmp_path / "job.json"
    path.write_text(json.dumps(job))
    with subprocess.Popen([str(RUNNER), str(path)], stdout=subprocess.DEVNULL) as runner:
        workload = read_pid(pid_file)
        runner.kill()
    wait_until(lambda: has_ended(workload))


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
