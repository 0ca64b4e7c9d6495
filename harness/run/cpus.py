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
    {
        "bench_ssot",
        "bench_dist",
        "ring_replace",
        "malloc_large",
        "micro_pairs",
        "micro_resize",
        "micro_aligned",
    }
)


@dataclass(frozen=True)
class CpuSets:
    workload: List[int]
    sampler: List[int]


def usable_cpus() -> List[int]:
    return sorted(os.sched_getaffinity(0))


def single_threaded(program: Optional[str], threads: Optional[int] = None) -> bool:
    """`threads` is what the lane says itself. Of a command (None) nothing else is known."""
    if threads is not None:
        return threads == 1
    return program is not None and program.rsplit("/", 1)[-1] in SINGLE_THREADED


def cpu_sets(program: Optional[str], usable: Sequence[int], threads: Optional[int] = None) -> CpuSets:
    """For a program of workloads/, or None for a command; `threads` as the lane says, if it does."""
    if len(usable) < 2:
        return CpuSets(list(usable), list(usable))
    workload = [usable[0]] if single_threaded(program, threads) else list(usable)
    return CpuSets(workload, [usable[-1]])
