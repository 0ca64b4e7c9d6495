"""Every workload program with tiny arguments, and what that run must amount to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One run: how much it must do, worked out here from the arguments alone.

    ``reallocs`` are calls besides ``allocs``; ``allocs`` and ``ops`` are None where they depend on time or on the seed; ``threads`` is how
    many the run starts, None where that depends on time.
    """

    program: str
    args: str
    allocs: int | None = None
    ops: int | None = None
    threads: int | None = 0
    phases: tuple[str, ...] = ("run 1", "end 0")
    callocs: bool = False  # it asks for all its objects with calloc
    reallocs: int = 0

    @property
    def argv(self) -> list[str]:
        return self.args.split()

    def __str__(self) -> str:
        return self.program


def cycle_phases(cycles: int) -> tuple[str, ...]:
    """The marks of a burst-idle run."""
    names = ("burst", "free", "held", "joined")
    return (*(f"{name} {cycle}" for cycle in range(1, cycles + 1) for name in names), "end 0")


CASES = [
    Case("alloc_test", "2 2000 500 10", ops=4000, threads=2),
    Case("bench_burst_idle", "400 0.01 2 10 2", allocs=800, ops=1600, threads=4,
         phases=cycle_phases(2)),
    Case("bench_burst_idle_v2", "401 0.01 2 10 2 64 512 1 5 0", allocs=802, ops=1604, threads=4,
         phases=cycle_phases(2)),
    Case("bench_dist", "5000 100 16 2048 7 app", ops=5000),
    Case("bench_mt_remote", "2 3000 100 16 2048 50", ops=6000, threads=2),
    Case("bench_ssot", "5000 100 16 2048", ops=5000),
    Case("cache_scratch", "2 50 8 10", allocs=102, ops=100, threads=2),
    Case("cache_thrash", "2 50 8 10", allocs=100, ops=100, threads=2),
    Case("glibc_thread", "0.05 2", threads=2),
    Case("handed_over", "400 0.01 2", allocs=400, ops=800, threads=2, phases=cycle_phases(1)),
    Case("larson", "0.05 8 1000 50 10 4141 2", threads=None),
    Case("larson_sized", "0.05 8 1000 50 10 4141 2", threads=None),
    Case("malloc_large", "20 5 64 256", allocs=25, ops=20),
    Case("mstress", "2 5 2", threads=4),
    Case("producer_consumer", "500 64 2", allocs=1000, ops=1000, threads=4),
    Case("realloc_growth", "3 vector 64", allocs=6, ops=36, reallocs=36),
    Case("ring_replace", "1000 64 100", allocs=1064, ops=1000),
    Case("rptest", "2 0 1 2 20 100 10 32 1000", allocs=2 * (20 * 10 + 10 * 10), threads=2),
    Case("sh6", "2 8000", allocs=16000, threads=2),
    Case("sh8", "2 3000", allocs=6000, threads=2),
    Case("sleepers", "3 4 0.01", threads=3, phases=("burst 1", "held 1", "joined 1", "end 0")),
    Case("sparse_calloc", "20 16 0.01", allocs=20, ops=20, phases=("burst 1", "held 1", "end 0"),
         callocs=True),
    Case("survivors", "400 5 0.01 2", allocs=400, ops=800, threads=2, phases=cycle_phases(1)),
    Case("thread_churn", "10 2 20 16 256", allocs=400, threads=20),
    Case("thread_requests", "20 1000 1", ops=40, threads=21),
    Case("xmalloc_test", "2 0.05", threads=4),
]

# Runs with one thread at work, which must ask for the same sizes in the same order every time.
ONE_THREAD = [
    Case("alloc_test", "1 2000 500 10"),
    Case("bench_burst_idle", "400 0.01 2 10 1"),
    Case("bench_dist", "5000 100 16 2048 7 app"),
    Case("bench_dist", "5000 100 16 2048 7 uniform"),
    Case("bench_dist", "5000 100 16 2048 7 trimix 16 256 50 257 512 25 600 700 25"),
    Case("bench_mt_remote", "1 3000 100 16 2048 0"),
    Case("bench_ssot", "5000 100 16 2048"),
    Case("malloc_large", "20 5 64 256"),
    Case("mstress", "1 5 2"),
    Case("realloc_growth", "3 string 64"),
    Case("ring_replace", "1000 64 100"),
    Case("rptest", "1 0 1 2 20 100 10 32 1000"),
    Case("sh6", "1 8000"),
    Case("sh8", "1 3000"),
    Case("survivors", "400 5 0.01 1"),
    Case("sparse_calloc", "20 16 0.01"),
    Case("thread_churn", "10 1 20 16 256"),
    Case("thread_requests", "20 1000 1"),
]
