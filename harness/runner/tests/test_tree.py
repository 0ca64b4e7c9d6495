"""The whole tree of processes: what each runs, what all of them use, and that none gets away."""

from __future__ import annotations

import ctypes
import errno
import json
import platform
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.runner.tests.support import (
    FIXTURE,
    GENEROUS_S,
    PROBE,
    RUNNER,
    STATIC,
    TREE,
    TRUE,
    Outcome,
    Run,
    job_of,
    needs_runner,
)

pytestmark = needs_runner

LIBRARY = str(PROBE)
MIB = 1 << 10  # in kB


def proved(outcome: Outcome) -> bool:
    return outcome.found()[PROBE.name]


def named(outcome: Outcome) -> dict[str, str]:
    """Of the programs that leave the run unproved: name and reason."""
    counting = [entry for entry in outcome.line["unproven"] if entry["counts"]]
    return {Path(entry["program"] or "?").name: entry["why"] for entry in counting}


def cpu_s(outcome: Outcome) -> float:
    return float(outcome.line["user_ns"] + outcome.line["sys_ns"]) * 1e-9


# The proof


@pytest.mark.parametrize(
    "script",
    [
        f"{STATIC} 64; exit 0",
        f"echo x | {STATIC} 64 | cat",
        f"setsid {STATIC} 64; exit 0",
        f"{TREE} vfork {STATIC} 64; exit 0",
        f"{TREE} beside {STATIC} 64; exit 0",
        f"({STATIC} 64 &) ; wait; {FIXTURE} touch 64; sleep 0.2",
        f"i=0; while [ $i -lt 100 ]; do {STATIC}; i=$((i+1)); done",
    ],
)
def test_a_static_program_cannot_hide_behind_its_shell(run: Run, script: str) -> None:
    outcome = run("sh", "-c", script, preload=LIBRARY)
    assert outcome.line["exit_status"] == 0 and not proved(outcome)
    assert named(outcome) == {STATIC.name: "static"}


def test_a_program_with_an_emptied_environment_cannot_hide_either(run: Run) -> None:
    outcome = run("sh", "-c", f"env -i {FIXTURE} touch 64; exit 0", preload=LIBRARY)
    assert not proved(outcome) and named(outcome) == {FIXTURE.name: "environment"}


def test_an_unproved_program_that_becomes_a_proved_one_is_not_excused(run: Run) -> None:
    work = "i=0; while [ $i -lt 99999 ]; do i=$((i+1)); done"
    outcome = run("env", "-i", "sh", "-c", f"{work}; LD_PRELOAD={PROBE} exec {TRUE}", preload=LIBRARY)
    assert not proved(outcome) and list(named(outcome).values()) == ["environment"]


def small_32_bit_program() -> bytes:
    """It calls exit(0), and has no other instruction."""
    code = bytes.fromhex("31c040 31db cd80".replace(" ", ""))
    base, header = 0x08048000, 52 + 32
    size = header + len(code)
    elf = b"\x7fELF\x01\x01\x01" + bytes(9) + struct.pack(
        "<HHIIIIIHHHHHH", 2, 3, 1, base + header, 52, 0, 0, 52, 32, 1, 0, 0, 0)
    return elf + struct.pack("<8I", 1, 0, base, base, size, size, 5, 0x1000) + code


def test_a_32_bit_program_is_foreign(run: Run, tmp_path: Path) -> None:
    program = tmp_path / "small"
    program.write_bytes(small_32_bit_program())
    program.chmod(0o755)
    outcome = run("sh", "-c", f"{program}; exit $?", preload=LIBRARY)
    if outcome.line["exit_status"] == 126:
        pytest.skip("this kernel runs no 32-bit programs")
    assert not proved(outcome) and named(outcome) == {"small": "foreign"}


@pytest.mark.parametrize("how", ["clone", "untraced", "thread"])
def test_a_program_that_cannot_be_followed_is_noticed(run: Run, how: str) -> None:
    outcome = run(TREE, how, STATIC, 64, preload=LIBRARY)
    assert outcome.line["exit_status"] == 0
    assert outcome.line["tree"]["unfollowed"] and outcome.line["tree"]["unfollowed_cpu_ns"] > 0
    assert not proved(outcome) and named(outcome) == {"?": "unfollowed"}


def test_a_program_executed_by_a_thread_is_lost_and_said_to_be(run: Run) -> None:
    outcome = run(TREE, "exec-in-thread", STATIC, 64, preload=LIBRARY)
    assert outcome.line["exit_status"] == 0
    assert not proved(outcome) and named(outcome) == {TREE.name: "lost"}
    outcome = run("sh", "-c", f"{TREE} exec-in-thread {STATIC} 64; exit 0", preload=LIBRARY)
    assert not proved(outcome) and named(outcome)[TREE.name] == "lost"


@pytest.mark.parametrize(
    "argv",
    [
        ["sh", "-c", f"{FIXTURE} touch 64; exit 0"],
        ["sh", "-c", f"{FIXTURE} touch 64 | cat; exit 0"],
        ["sh", "-c", f"setsid {FIXTURE} touch 8; exit 0"],
        [TREE, "vfork", FIXTURE, "touch", "8"],
        [TREE, "again", 20],
        [TREE, "together", 8],
        [TREE, "orphan", 20],
        [TREE, "ignoring", 20],
    ],
)
def test_a_tree_in_which_everybody_has_the_library_is_proved(run: Run, argv: list[object]) -> None:
    outcome = run(*argv, preload=LIBRARY)
    assert outcome.line["ok"] and proved(outcome), outcome.line
    assert outcome.line["unproven"] == [] and not outcome.line["tree"]["unfollowed"]


def test_a_small_static_program_is_told_but_does_not_count(run: Run) -> None:
    outcome = run("sh", "-c", f"{STATIC}; {FIXTURE} touch 512; {FIXTURE} touch 512", preload=LIBRARY)
    [entry] = outcome.line["unproven"]
    assert Path(entry["program"]).name == STATIC.name and entry["processes"] == 1
    assert entry["libraries"] == [LIBRARY] and not entry["counts"] and proved(outcome)


def test_three_hundred_short_children_are_all_seen(run: Run) -> None:
    outcome = run("sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done", preload=LIBRARY)
    assert outcome.line["ok"] and proved(outcome)
    assert outcome.line["tree"]["processes"] == 301


@pytest.mark.parametrize(("how", "said"), [("stop", "went on"), ("stop-child", "went on"), ("signals", "caught 100")])
def test_signals_and_job_control_work_in_every_process(run: Run, how: str, said: str) -> None:
    assert run("sh", "-c", f"{FIXTURE} {how}; exit 0", preload=LIBRARY).stdout == said + "\n"


def test_marks_of_a_process_that_is_not_followed_are_read_and_noticed(run: Run) -> None:
    outcome = run(TREE, "mark-unseen", preload=LIBRARY)
    [mark] = outcome.line["marks"]
    assert outcome.line["ok"] and mark["rss_kb"] >= 8 * MIB
    assert not proved(outcome) and named(outcome) == {"?": "unfollowed"}


# Helpers


def test_a_declared_helper_is_left_out_of_everything_and_told(run: Run) -> None:
    script = f"env -u LD_PRELOAD HZ_HELPER=1 {FIXTURE} touch 200; {FIXTURE} touch 20; exit 0"
    outcome = run("sh", "-c", script, preload=LIBRARY)
    tree = outcome.line["tree"]
    assert proved(outcome) and outcome.line["unproven"] == []
    assert (tree["processes"], tree["helpers"]) == (2, 1) and tree["helper_cpu_ns"] > 0
    assert outcome.line["peak_rss_kb"] < 60 * MIB and outcome.line["max_rss_kb"] < 60 * MIB
    with_helper = cpu_s(outcome) + tree["helper_cpu_ns"] * 1e-9
    assert cpu_s(outcome) < 0.6 * with_helper


def test_a_helper_that_stays_is_ended_but_is_no_leftover(run: Run) -> None:
    outcome = run("sh", "-c", f"HZ_HELPER=1 sleep 1000 & {FIXTURE} touch 64; exit 0", preload=LIBRARY)
    assert outcome.line["ok"] and outcome.line["leftover_processes"] == 0 and proved(outcome)


def test_the_first_process_is_no_helper(run: Run) -> None:
    outcome = run(STATIC, 8, preload=LIBRARY, env={"HZ_HELPER": "1"})
    assert not proved(outcome) and outcome.line["tree"]["helpers"] == 0


# Sums


def test_memory_is_the_sum_over_the_tree(run: Run, tmp_path: Path) -> None:
    outcome = run(TREE, "together", 60, sample_ms=5, csv_path=str(tmp_path / "memory.csv"))
    assert 60 * MIB <= outcome.line["max_rss_kb"] < 80 * MIB
    assert 120 * MIB <= outcome.line["peak_rss_kb"] < 140 * MIB
    assert 120 * MIB <= max(int(row["rss_kb"]) for row in outcome.rows()) <= outcome.line["peak_rss_kb"]


@pytest.mark.parametrize(("hard", "ok"), [(4096, True), (80, False)])
def test_a_tree_too_wide_to_watch_is_an_error(tmp_path: Path, hard: int, ok: bool) -> None:
    script = "for i in $(seq 100); do sleep 1000 & all=\"$all $!\"; done; sleep 0.1; kill $all; wait"
    narrow = f"ulimit -Sn 80 && ulimit -Hn {hard} && exec {RUNNER} -"
    done = subprocess.run(["sh", "-c", narrow], input=json.dumps(job_of(tmp_path, "sh", "-c", script)),
                          text=True, capture_output=True, timeout=GENEROUS_S)
    line = json.loads(done.stdout)
    assert line["ok"] == ok and line["exit_status"] == 0
    assert ok or "descriptors" in line["error"]


def test_borrowed_memory_is_counted_once(run: Run, tmp_path: Path) -> None:
    outcome = run(TREE, "borrow", 60, sample_ms=5, csv_path=str(tmp_path / "memory.csv"))
    assert outcome.line["ok"] and outcome.line["samples"] > 5
    assert outcome.line["peak_rss_kb"] < 80 * MIB


def test_the_peak_of_one_process_is_what_it_was(run: Run) -> None:
    line = run(FIXTURE, "touch", 100, sample_ms=1).line
    assert line["peak_rss_kb"] == line["max_rss_kb"] and line["tree"]["processes"] == 1


@pytest.mark.parametrize("how", ["orphan", "ignoring"])
@pytest.mark.parametrize("traced", [False, True])
def test_a_process_nobody_waits_for_is_accounted(run: Run, how: str, traced: bool) -> None:
    outcome = run(TREE, how, 200, preload=LIBRARY if traced else None)
    assert outcome.line["ok"] and cpu_s(outcome) >= 0.2
    assert outcome.line["leftover_processes"] == 0


# Where tracing is forbidden


def forbid_ptrace() -> None:
    """By a system call filter, as containers do; nothing follows but the account and the subreaper."""
    numbers = {"x86_64": 101, "aarch64": 117}
    code = [
        (0x20, 0, 0, 0),  # load the number of the call
        (0x15, 0, 1, numbers[platform.machine()]),
        (0x06, 0, 0, 0x00050000 | errno.EPERM),
        (0x06, 0, 0, 0x7FFF0000),  # allow
    ]
    program = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *line) for line in code))
    header = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(program)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, header) == 0  # PR_SET_SECCOMP, a filter


def run_untraced(folder: Path, *argv: object, **more: Any) -> Outcome:
    done = subprocess.run([str(RUNNER), "-"], input=json.dumps(job_of(folder, *argv, **more)), text=True,
                          capture_output=True, preexec_fn=forbid_ptrace, timeout=GENEROUS_S)
    return Outcome(done.returncode, json.loads(done.stdout), done.stderr, folder)


def test_without_tracing_nothing_is_proved_but_all_is_accounted(tmp_path: Path) -> None:
    refused = run_untraced(tmp_path, TRUE, preload=LIBRARY)
    assert refused.status == 5 and "ptrace" in refused.line["error"]
    outcome = run_untraced(tmp_path, TREE, "orphan", 200)
    assert outcome.line["ok"] and not outcome.line["tree"]["followed"] and cpu_s(outcome) >= 0.2
    outcome = run_untraced(tmp_path, TREE, "daemon", 64)
    assert outcome.line["leftover_processes"] == 1 and outcome.line["max_rss_kb"] >= 64 * MIB


# Nobody gets away


def test_a_daemon_is_found_ended_and_accounted(run: Run) -> None:
    outcome = run(TREE, "daemon", 64, preload=LIBRARY)
    assert outcome.line["leftover_processes"] == 1 and proved(outcome)
    assert outcome.line["max_rss_kb"] >= 64 * MIB and outcome.line["tree"]["processes"] == 3


def still_there(pattern: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "exe").resolve() == pattern:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("how", ["hop", "hop-unseen", "bomb"])
@pytest.mark.parametrize("traced", [False, True])
def test_processes_that_multiply_are_all_ended(run: Run, tmp_path: Path, how: str, traced: bool) -> None:
    program = tmp_path / "multiply"  # a file of its own, to find its processes by
    program.write_bytes(TREE.read_bytes())
    program.chmod(0o755)
    if traced:
        outcome = run(program, how, timeout_s=0.3, preload=LIBRARY)
    else:
        outcome = run_untraced(tmp_path, program, how, timeout_s=0.3)
    assert outcome.status == 0 and outcome.line["leftover_processes"] >= 1
    assert outcome.line["timed_out"] == (how == "bomb")
    assert still_there(program) == []
