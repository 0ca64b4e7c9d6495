"""The micro-benchmarks run, and their figures reach the result descriptor."""

from __future__ import annotations

import pytest
from workload_runs import run

# program -> a filter, and the keys it must give
CHOICES = {
    "micro_aligned": ("/64/64$", {"aligned_alloc/64/64", "posix_memalign/64/64",
                                  "operator_new_aligned/64/64"}),
    "micro_pairs": ("/64$", {"pair/64", "queue64/64", "stack64/64", "queue1024/64",
                             "stack1024/64"}),
    "micro_resize": ("/1024$", {"calloc/1024", "grow_steps/1024", "grow_doubling/1024"}),
    "micro_threads": ("/64|life|bare", {"handover/64", "first_malloc/64", "thread_life",
                                        "bare_thread"}),
}  # fmt: skip


@pytest.mark.parametrize("program", CHOICES)
def test_results_are_flat_nanoseconds(program: str) -> None:
    only, keys = CHOICES[program]
    done = run(f"micro/{program}", [f"--benchmark_filter={only}", "--benchmark_min_time=0.001"])
    assert done.status == 0, done.stderr
    assert done.result is not None
    assert done.result.keys() == keys | {"program"}
    assert all(0 < done.result[key] < 1e9 for key in keys)
    assert [mark.split(" ", 1)[1] for mark in done.marks] == ["run 1", "end 0"]


def test_repetitions_give_one_median() -> None:
    done = run("micro/micro_pairs", [
        "--benchmark_filter=pair/64$", "--benchmark_min_time=0.001",
        "--benchmark_repetitions=3", "--benchmark_enable_random_interleaving=true",
    ])  # fmt: skip
    assert done.status == 0 and done.result is not None
    assert done.result.keys() == {"program", "pair/64"}
    assert "pair/64_median" in done.stdout


@pytest.mark.parametrize("argument", ["--bogus", "--benchmark_filter=nothing_of_this_name"])
def test_running_nothing_is_an_error(argument: str) -> None:
    done = run("micro/micro_pairs", [argument])
    assert done.status == 2 and done.result is None
