"""liblimit.so is good enough to be measured, and refuses what it cannot do."""

from __future__ import annotations

import pytest
from workload_runs import LIMIT, run

ONE_THREAD = [
    "bench_ssot 20000 100 1 32768",
    "ring_replace 2000",
    "malloc_large 50 5 64 8192 1",
]


@pytest.mark.parametrize("command", ONE_THREAD)
def test_programs_with_one_thread_run_under_it(command: str) -> None:
    program, *argv = command.split()
    done = run(program, argv, preload=LIMIT)
    assert done.status == 0, done.stderr
    plain = run(program, argv)
    assert done.result is not None and plain.result is not None
    assert done.result["requested_bytes"] == plain.result["requested_bytes"]


@pytest.mark.parametrize("program", ["micro/micro_resize", "micro/micro_aligned"])
def test_contents_and_alignment_survive(program: str) -> None:
    only = "--benchmark_filter=^[^/]*/(16|64|256|1024|4096|16384)(/.*)?$"
    done = run(program, ["--benchmark_min_time=0.0001", only], preload=LIMIT)
    assert done.status == 0, done.stderr
    assert done.result is not None and len(done.result) > 5


def test_a_second_thread_is_refused() -> None:
    done = run("bench_burst_idle", "100 0 1 0 1".split(), preload=LIMIT)
    assert done.status == 1
    assert "programs with one thread only" in done.stderr
