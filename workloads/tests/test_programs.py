"""Each program does what it says: its operations, its sizes, its failures, its arguments."""

from __future__ import annotations

import subprocess

import pytest
from workload_cases import CASES, ONE_THREAD, Case
from workload_runs import PROGRAMS, Run, counted, run

# libc's vector for a thread's thread-local blocks, and what little it needs besides.
THREAD_BYTES = 512
LIBC_BYTES = 4096
# The emergency pool of the shared C++ library; only larson_sized is linked with it.
CXX_BYTES = 80 * 1024

COMMON_KEYS = {
    "program", "ops", "elapsed_ns", "ops_per_s", "cpu_ns", "ops_per_cpu_s",
    "allocs", "frees", "requested_bytes", "alloc_fail", "bookkeeping_kb",
}  # fmt: skip


@pytest.fixture(scope="module", params=CASES, ids=str)
def case_run(request: pytest.FixtureRequest) -> tuple[Case, Run]:
    case: Case = request.param
    done = counted(case.program, case.argv)
    assert done.status == 0, done.stderr
    return case, done


def test_the_result_has_the_common_keys(case_run: tuple[Case, Run]) -> None:
    case, done = case_run
    assert done.result is not None
    assert done.result.keys() >= COMMON_KEYS
    assert done.result["program"] == case.program
    assert done.result["alloc_fail"] == 0
    assert done.result["ops_per_s"] > 0 and done.result["elapsed_ns"] > 0
    assert done.stdout.count("\n") >= 1 and done.stderr == ""


def test_it_makes_the_calls_it_reports(case_run: tuple[Case, Run]) -> None:
    case, done = case_run
    assert done.result is not None and done.counts is not None
    made = done.counts["malloc"] + done.counts["operator_new"] + done.counts["calloc"]
    assert done.counts["aligned"] == 0
    assert done.counts["realloc"] == case.reallocs
    assert done.counts["calloc"] == (made if case.callocs else 0)
    assert done.result["allocs"] == made
    assert done.result["frees"] == done.counts["free"]
    assert done.counts["free"] == made, "everything allocated is freed"


def test_it_does_the_work_its_arguments_ask_for(case_run: tuple[Case, Run]) -> None:
    case, done = case_run
    assert done.result is not None
    if case.allocs is not None:
        assert done.result["allocs"] == case.allocs
    if case.ops is not None:
        assert done.result["ops"] == case.ops
    assert 0 < done.result["ops"] <= done.result["allocs"] + done.result["frees"] + case.reallocs


def test_its_own_memory_stays_out_of_the_heap(case_run: tuple[Case, Run]) -> None:
    case, done = case_run
    assert done.result is not None and done.counts is not None
    assert done.counts["bytes"] == done.result["requested_bytes"]
    threads = case.threads
    if threads is None:
        threads = done.result["threads_started"]
    allowance = LIBC_BYTES + threads * THREAD_BYTES
    if case.program == "larson_sized":
        allowance += CXX_BYTES
    assert done.counts["other_bytes"] <= allowance
    assert done.counts["other_calloc"] >= threads


def test_it_marks_its_phases_in_order(case_run: tuple[Case, Run]) -> None:
    case, done = case_run
    assert [mark.split(" ", 1)[1] for mark in done.marks] == list(case.phases)
    times = [int(mark.split(" ", 1)[0]) for mark in done.marks]
    assert times == sorted(times) and times[0] > 0


@pytest.mark.parametrize("at", [1, 20])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_failed_allocation_ends_it_with_status_1(case: Case, at: int) -> None:
    done = counted(case.program, case.argv, HZ_COUNT_FAIL_AT=str(at))
    assert done.status == 1
    assert f"{case.program}: allocation of " in done.stderr
    assert done.result == {"program": case.program, "alloc_fail": 1}


def required_arguments(program: str) -> int:
    """How many arguments stand before the optional ones in the usage line."""
    usage = run(program, ["--help"]).stdout.splitlines()[0]
    return len(usage.removeprefix(f"usage: {program} ").split("[")[0].split())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bad_arguments_give_the_usage_and_status_2(case: Case) -> None:
    bad = {
        "none": [],
        "too few": case.argv[: required_arguments(case.program) - 1],
        "too many": case.argv + ["1"] * 20,
        "no number": ["x", *case.argv[1:]],
        "negative": ["-1", *case.argv[1:]],
        "trailing text": [case.argv[0] + "k", *case.argv[1:]],
        "out of range": ["99999999999999999999", *case.argv[1:]],
        "empty": ["", *case.argv[1:]],
    }
    for what, argv in bad.items():
        done = run(case.program, argv)
        assert done.status == 2, what
        assert f"usage: {case.program} " in done.stderr, what
        assert done.result is None and done.marks == [], what


@pytest.mark.parametrize("case", CASES, ids=str)
def test_help_is_not_an_error(case: Case) -> None:
    done = run(case.program, ["--help"])
    assert done.status == 0
    assert done.stdout.startswith(f"usage: {case.program} ")


@pytest.mark.parametrize("case", ONE_THREAD, ids=lambda case: f"{case.program} {case.args}")
def test_one_thread_asks_for_the_same_every_time(case: Case) -> None:
    first = counted(case.program, case.argv)
    second = counted(case.program, case.argv)
    assert first.status == second.status == 0
    assert first.counts is not None and second.counts is not None
    assert first.counts["hash"] == second.counts["hash"]


# Pinned, because a figure can be compared with an earlier commit's only while they hold.
STREAMS = {
    "bench_ssot 5000 100 16 2048": "9bdf43082a29a79e",
    "bench_dist 5000 100 16 2048 7 app": "1436b7c0829dd661",
    "bench_burst_idle 400 0.01 2 10 1": "04676a4a748d244a",
    "ring_replace 1000 64 100": "f4ca88cf38b622a5",
}


@pytest.mark.parametrize("command", STREAMS)
def test_the_stream_of_requests_is_the_known_one(command: str) -> None:
    program, *argv = command.split()
    done = counted(program, argv)
    assert done.counts is not None and done.counts["hash"] == STREAMS[command]


@pytest.mark.parametrize("command", ["bench_ssot 5000 100 16 2048 {}",
                                     "bench_dist 5000 100 16 2048 {} uniform"])
def test_another_seed_is_another_stream(command: str) -> None:
    hashes = set()
    for seed in ("1", "2", "0x2"):
        program, *argv = command.format(seed).split()
        done = counted(program, argv)
        assert done.counts is not None
        hashes.add(done.counts["hash"])
    assert len(hashes) == 2, "0x2 is 2 in hexadecimal"


QUANTILES = [f"{call}_{which}_ns" for call in ("malloc", "free") for which in ("p50", "p99", "p999", "max")]


@pytest.mark.parametrize("command", [*list(STREAMS)[:2], "larson 0.05 8 1000 50 10 4141 2", "larson_sized 0.05 8 1000 50 10 4141 2"])
def test_single_calls_are_timed_when_asked_and_nothing_else_changes(command: str) -> None:
    program, *argv = command.split()
    plain, timed = counted(program, argv), counted(program, argv, HZ_LATENCY="5")
    assert plain.result is not None and timed.result is not None and timed.counts is not None
    assert set(timed.result) - set(plain.result) == {*QUANTILES, "timer_p50_ns", "latency_samples"}
    for call in ("malloc", "free"):
        p50, p99, p999, most = (timed.result[f"{call}_{which}_ns"] for which in ("p50", "p99", "p999", "max"))
        assert 0 < p50 <= p99 <= p999 <= most + 1
    calls = timed.counts["malloc"] + timed.counts["operator_new"] + timed.counts["free"]
    assert calls / 12 < timed.result["latency_samples"] < calls / 4
    if command in STREAMS:
        assert timed.counts["hash"] == STREAMS[command]


@pytest.mark.parametrize("value", ["0", "", "x", "-3", "5x", "99999999999"])
def test_a_latency_that_is_no_number_is_refused(value: str) -> None:
    done = run("bench_ssot", "10 10 16 32".split(), env={"HZ_LATENCY": value})
    assert done.status == 2 and "HZ_LATENCY is" in done.stderr and done.result is None


def test_larson_sized_deletes_with_the_right_sizes() -> None:
    done = counted("larson_sized", "0.05 8 1000 50 10 4141 2".split())
    assert done.result is not None and done.counts is not None
    assert done.counts["sized_delete"] == done.result["frees"]
    assert done.counts["sized_bytes"] == done.result["requested_bytes"]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_program_brings_an_allocator_of_its_own(case: Case) -> None:
    """A definition in the program would win over the preloaded library's."""
    path = str(PROGRAMS / case.program)
    symbols = subprocess.run(["nm", path], capture_output=True, text=True, check=True).stdout
    defined = {line.split()[2] for line in symbols.splitlines() if line.split()[1] in "TWt"
               and len(line.split()) == 3}
    assert "main" in defined
    own = {name for name in defined if name in {"malloc", "free", "calloc", "realloc"}
           or name.startswith(("_Zn", "_Zd"))}
    assert own == set()


@pytest.mark.parametrize(("program", "args"), [
    ("bench_burst_idle", "400 0.01 1 0 1"),
    ("thread_churn", "3 1 20 16 256"),
    ("rptest", "1 0 1 2 20 100 10 32 1000"),
    ("producer_consumer", "500 64 1 1024"),
])
@pytest.mark.parametrize("where", ["start", "end"])
def test_damage_to_a_live_block_is_found(program: str, args: str, where: str) -> None:
    place = {"HZ_COUNT_DAMAGE_END": "1"} if where == "end" else {}
    done = counted(program, args.split(), HZ_COUNT_DAMAGE_AT="8", **place)
    assert done.status == 1
    assert "was changed by someone else" in done.stderr
    assert done.result == {"program": program, "damaged": 1}


def test_a_descriptor_that_is_not_open_is_refused() -> None:
    for name in ("HZ_RESULT_FD", "HZ_PHASE_FD"):
        for value in ("999", "x", "-1"):
            done = run("bench_ssot", "10 10 16 32".split(), env={name: value})
            assert done.status == 2, (name, value)
            assert f"{name}={value} names no open descriptor" in done.stderr
