"""Remote frees of bench_mt_remote: the share asked for is the share made, or the run says so."""

from __future__ import annotations

import resource

import pytest
from workload_runs import run


@pytest.mark.parametrize(("pct", "low", "high"), [(0, 0, 0), (50, 0.47, 0.53), (100, 1, 1)])
def test_the_share_of_remote_frees_is_as_asked(pct: int, low: float, high: float) -> None:
    done = run("bench_mt_remote", f"2 20000 100 16 64 {pct}".split())
    assert done.status == 0 and done.result is not None
    assert low <= done.result["remote_share"] <= high
    assert done.result["fallback_rate"] == done.result["fallbacks"] == 0
    assert f"wanted {pct} %" in done.stdout


def test_a_run_with_many_fallbacks_does_not_count() -> None:
    done = run("bench_mt_remote", "2 20000 100 16 64 90 1".split())
    assert done.status == 3
    assert done.result is not None and done.result["fallback_rate"] >= 0.001
    assert "this run does not count; use more than 1 ring slots" in done.stderr
    assert done.result["allocs"] == done.result["frees"]


def test_a_sender_that_waits_has_no_fallbacks() -> None:
    done = run("bench_mt_remote", "4 20000 100 16 64 90 2 0 1".split())
    assert done.status == 0 and done.result is not None
    assert done.result["fallbacks"] == 0 and done.result["allocs"] == done.result["frees"]


def test_written_memory_is_written_and_checked() -> None:
    """A block of 16 pages faults them all, and not one or two."""
    faults = []
    for written in ("0", "1"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
        done = run("bench_mt_remote", f"2 3000 1000 65536 65536 50 65536 {written}".split())
        assert done.status == 0
        faults.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt - before)
    assert faults[1] > faults[0] + 5000
    refused = run("bench_mt_remote", "2 100 10 8 64 50 64 1".split())
    assert refused.status == 2 and "below 16 cannot be written" in refused.stderr


def test_pipelines_of_many_sizes() -> None:
    done = run("producer_consumer", "2000 16 2 64 1024".split())
    assert done.status == 0 and done.result is not None
    assert 2000 * 2 * 400 < done.result["requested_bytes"] < 2000 * 2 * 640
    refused = run("producer_consumer", "10 64 1 64 32".split())
    assert refused.status == 2 and "below size" in refused.stderr


def test_one_thread_cannot_free_remotely() -> None:
    done = run("bench_mt_remote", "1 100 10 16 64 50".split())
    assert done.status == 2 and "needs at least 2 threads" in done.stderr


@pytest.mark.parametrize(("args", "why"), [
    ("100 10 16 64 1 trimix 16 32 50 16 32 20 16 32 20", "add up to 100"),
    ("100 10 16 64 1 trimix 128 256 100 16 32 0 16 32 0", "no size is left"),
    ("100 10 1 8 1 app", "no size is left"),
    ("100 10 16 64 1 gauss", "not one of the words"),
    ("100 10 16 64 1 trimix 16 32 100", "argument missing"),
])
def test_distributions_that_make_no_sense_are_refused(args: str, why: str) -> None:
    done = run("bench_dist", args.split())
    assert done.status == 2 and why in done.stderr
