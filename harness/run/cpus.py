"""Which CPUs a workload and the sampler that watches it may use.

A sampler on the workload's own CPU takes time from it; so a program of one thread is pinned to the
first CPU and the sampler to the last. A program of several threads gets every CPU: to take one away
would change what it does, and the sampler, reading one small file per interval, costs it little.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import List, Optional, Sequence

# Programs of workloads/ that never have more than one thread.
SINGLE_THREADED = frozenset(
    {"bench_ssot", "bench_dist", "malloc_large", "random_ring", "survivors", "bench_micro"}
)


@dataclass(frozen=True)
class CpuSets:
    workload: List[int]
    sampler: List[int]


def usable_cpus() -> List[int]:
    return sorted(os.sched_getaffinity(0))


def cpu_sets(program: Optional[str], usable: Sequence[int]) -> CpuSets:
    """`program` is None for a command, of whose threads nothing is known."""
    if len(usable) < 2:
        return CpuSets(list(usable), list(usable))
    name = (program or "").rsplit("/", 1)[-1]
    workload = [usable[0]] if name in SINGLE_THREADED else list(usable)
    return CpuSets(workload, [usable[-1]])
