"""What is known of figures before a run: which a program gives, and which way is better."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.experiment import Workload
from harness.experiment.figures import (
    LATENCIES,
    LATENCY,
    RESULTS,
    RUNNER,
    TIMES_CALLS,
    known_names,
    larger_is_better,
    smaller_is_better,
    unknown_figure,
)
from harness.measure.metrics import metrics_of

BUILD = os.environ.get("HZ3_BUILD_DIR")

# Program -> arguments that take no time.
SMALL = {
    "alloc_test": "2 1000 100 6",
    "bench_burst_idle": "200 0.01 1 5 2",
    "bench_burst_idle_v2": "200 0.01 1 5 2",
    "bench_dist": "1000 50 16 2048 1 app",
    "bench_mt_remote": "2 1000 50 16 2048 50",
    "bench_ssot": "1000 50 16 2048",
    "cache_scratch": "2 10 8 100",
    "cache_thrash": "2 10 8 100",
    "glibc_thread": "0.02 2",
    "handed_over": "200 0.01 2",
    "larson": "0.02 8 500 100 10 1 2",
    "larson_sized": "0.02 8 500 100 10 1 2",
    "malloc_large": "20",
    "mstress": "2 10 2",
    "producer_consumer": "1000 64",
    "realloc_growth": "5 vector",
    "ring_replace": "1000",
    "rptest": "2 0 1 2 5 100 100 32 1600",
    "sh6": "1 1000",
    "sh8": "1 1000",
    "sleepers": "3 4 0.01",
    "sparse_calloc": "20 16 0.01",
    "survivors": "200 5 0.01 2",
    "thread_churn": "3 2 100 16 256",
    "thread_requests": "20 1000 1",
    "xmalloc_test": "1 0.02",
}


def test_what_the_runner_tells_has_these_names() -> None:
    """A figure that is added to the measuring must be added here, or gates on it are refused."""
    marks = [{"t_ms": t, "phase": p, "cycle": 1, "rss_kb": 9, "lazyfree_kb": 1} for t, p in ((0, "run"), (5, "end"))]
    line = {**dict.fromkeys(("wall_ns", "user_ns", "sys_ns", "minflt", "majflt", "nvcsw", "nivcsw", "max_rss_kb"), 1), "marks": marks}
    line["machine"] = {"handover_ns": 90, "handover_after_ns": 91}
    found, _ = metrics_of(line)
    known = known_names(Workload(program="bench_ssot"))
    assert known is not None and {re.sub("@.*", "", name) for name in found} <= set(known)
    assert set(RUNNER) <= set(found)


@pytest.mark.skipif(BUILD is None, reason="HZ3_BUILD_DIR is not set; tools/test sets it")
@pytest.mark.parametrize("program", sorted(RESULTS))
def test_every_program_gives_the_figures_it_is_known_for(program: str) -> None:
    env = {"HZ_RESULT_FD": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [f"{BUILD}/workloads/{program}", *SMALL[program].split()], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode in (0, 3), done.stderr
    result = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    numbers = {name for name, value in result.items() if not isinstance(value, str)}
    assert set(RESULTS[program]) - {"damaged"} == numbers


@pytest.mark.skipif(BUILD is None, reason="HZ3_BUILD_DIR is not set; tools/test sets it")
@pytest.mark.parametrize("program", sorted(RESULTS))
def test_the_programs_that_time_single_calls_are_the_ones_known(program: str) -> None:
    env = {"HZ_RESULT_FD": "1", "PATH": "/usr/bin:/bin", LATENCY: "3"}
    command = [f"{BUILD}/workloads/{program}", *SMALL[program].split()]
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    result = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert set(result) & set(LATENCIES) == (set(LATENCIES) if program in TIMES_CALLS else set())
    known = known_names(Workload(program=program, env={LATENCY: "3"}))
    assert known is not None and {name for name, value in result.items() if not isinstance(value, str)} <= set(known)


def test_every_program_that_is_known_is_tried() -> None:
    assert set(SMALL) == set(RESULTS)
    built = (Path(__file__).resolve().parents[3] / "workloads/meson.build").read_text(encoding="utf-8")
    assert set(re.findall(r"^  '(\w+)': \[", built, re.MULTILINE)) == set(RESULTS)


@pytest.mark.parametrize(
    "workload, key, words",
    [
        ({"program": "bench_ssot"}, "ops_per_cpu_s", ""),
        ({"program": "bench_ssot"}, "ops_per_cpus", "bench_ssot gives no figure 'ops_per_cpus'; did you mean 'ops_per_cpu_s'?"),
        ({"program": "bench_ssot"}, "rss_idle_kb", "did you mean"),
        ({"program": "bench_ssot"}, "rss_run_kb@1", ""),
        ({"program": "bench_burst_idle"}, "rss_idle_kb@3", ""),
        ({"program": "bench_burst_idle"}, "rss_idel_kb@3", "did you mean 'rss_idle_kb'?"),
        ({"program": "bench_burst_idle"}, "ns_per_op", "gives no figure"),
        ({"program": "bench_ssot"}, "ANY_LINE.counter", ""),
        ({"program": "bench_ssot", "metrics": {"mine": "(.)"}}, "mine", ""),
        ({"program": "micro/micro_pairs"}, "pair/64", ""),
        ({"program": "one_of_tomorrow"}, "anything", ""),
        ({"command": ["x"], "metrics": {"rows_per_s": "(.)"}}, "rows_per_s", ""),
        ({"command": ["x"], "metrics": {"rows_per_s": "(.)"}}, "row_per_s", "the lane gives no figure 'row_per_s'; did you mean 'rows_per_s'?"),
        ({"command": ["x"]}, "own_result_of_the_command", ""),
        ({"program": "larson"}, "malloc_p99_ns", "gives the figure 'malloc_p99_ns' only with `env: {HZ_LATENCY: 100}`"),
        ({"program": "larson", "env": {"HZ_LATENCY": "100"}}, "malloc_p99_ns", ""),
        ({"program": "larson"}, "instructions", "only with `under: cachegrind`"),
        ({"program": "larson", "under": "calls"}, "ops_per_s", "it would be the instrument's"),
        ({"program": "larson", "under": "cachegrind"}, "rss_run_kb", "it would be the instrument's"),
        ({"program": "larson", "under": "calls"}, "madvises", ""),
    ],
)
def test_figures_a_lane_cannot_give(workload: dict[str, object], key: str, words: str) -> None:
    told = unknown_figure(Workload(**workload), key)
    assert (words in told) if words else told == ""


def test_which_way_is_better() -> None:
    assert all(larger_is_better(name) for name in ("ops_per_s", "ops_per_cpu_s", "iterations_per_2s"))
    costs = ("wall_s", "alloc_ms", "rss_idle_kb@3", "firm_run_kb", "peak_rss_kb", "minflt", "ns_per_op", "idle_cpu_ns", "free_ns_per_object")
    assert all(smaller_is_better(name) and not larger_is_better(name) for name in costs)
    neither = ("ops", "cycles", "survivors", "ops_per_s")
    assert not any(smaller_is_better(name) for name in neither)
