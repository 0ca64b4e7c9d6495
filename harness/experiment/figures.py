"""Names of figures: which of them a lane gives, as far as that is known before it runs, and which way
is better.

A name that no run gives is else found out after the first block. What is listed here is what the
programs of workloads/ promise (workloads/README.md); of other commands only their own patterns are
known, and any program may print counters (`LINE.key`), so those are never judged here.
"""

from __future__ import annotations

import difflib
import re
from typing import Optional

from harness.experiment.schema import Workload

# What the runner finds out about every run.
RUNNER = ("wall_s", "user_s", "sys_s", "cpu_s", "minflt", "majflt", "nvcsw", "nivcsw", "peak_rss_kb",
          "handover_ns", "handover_after_ns")  # fmt: skip

# What an instrument adds (the lane's key `under`).
CALLS = ("mmaps", "munmaps", "mremaps", "mprotects", "brks", "madvises", "process_madvises", "membarriers")
COUNTERS = ("hw_instructions", "hw_cycles", "hw_branches", "hw_branch_misses", "hw_cache_references", "hw_cache_misses")
INSTRUMENTS: dict[str, tuple[str, ...]] = {
    "cachegrind": ("instructions", "instructions_per_op"),
    "calls": CALLS,
    "counters": COUNTERS,
}

_SPEED = ("ops", "elapsed_ns", "ops_per_s", "cpu_ns", "ops_per_cpu_s")
_CALLS = ("allocs", "frees", "requested_bytes", "alloc_fail", "damaged", "bookkeeping_kb")
_BUSY = (*_SPEED, "ns_per_op", *_CALLS)
_IDLE = (
    *_SPEED, *_CALLS, "busy_ns", "burst_ns_per_object", "free_ns_per_object", "idle_cpu_ns", "ticks",
    "survivors", "survivor_bytes", "cycles", "bookkeeping_peak_kb",
)  # fmt: skip

# What the programs that can time single calls add where HZ_LATENCY is set in the lane's environment.
LATENCY = "HZ_LATENCY"
LATENCIES = (
    *(f"{call}_{which}_ns" for call in ("malloc", "free") for which in ("p50", "p99", "p999", "max")),
    "timer_p50_ns", "latency_samples",
)  # fmt: skip
TIMES_CALLS = ("bench_ssot", "bench_dist", "larson", "larson_sized")

# Program -> the numbers of its result. Programs that are not here are not known.
RESULTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ("alloc_test", "bench_dist", "bench_ssot", "cache_scratch", "cache_thrash", "glibc_thread", "malloc_large",
         "producer_consumer", "realloc_growth", "ring_replace", "rptest", "sh6", "sh8", "sleepers",
         "sparse_calloc", "xmalloc_test"), _BUSY),
    **dict.fromkeys(("larson", "larson_sized", "mstress"), (*_BUSY, "threads_started")),
    **dict.fromkeys(("bench_burst_idle", "bench_burst_idle_v2", "handed_over", "survivors"), _IDLE),
    "bench_mt_remote": (*_BUSY, "remote_share", "fallback_rate", "remote_frees", "fallbacks"),
    **dict.fromkeys(("thread_churn", "thread_requests"), (*_BUSY, "threads_started", "threads_per_s")),
}  # fmt: skip

_PHASES = ("run",)
_IDLE_PHASES = ("burst", "free", "held", "joined", "idle")
_PHASES_OF = {"sleepers": ("burst", "held", "joined", "idle"), "sparse_calloc": ("burst", "held", "idle")}
_MEMORY = ("rss", "firm")  # kinds of memory read at the end of a phase

# Names that say count or size; what a stats line counts (LINE.key) is exact too. Everything else is
# taken for a measured time or rate, since what a command prints under a name of its own mostly is.
_EXACT = re.compile(
    r"(^|_)(k|m|ki?b|mi?b|bytes|pages|segs|count|calls|objs|objects|ops|allocs|frees|fallbacks|"
    r"minflt|majflt|nvcsw|nivcsw|faults|mmaps|munmaps|mremaps|mprotects|brks|madvises|membarriers|"
    r"instructions|instructions_per_op|refs|ticks|cycles|survivors|started|share|rate|samples|alloc_fail|damaged)$"
)
_PER = re.compile(r"_per_(?!op$)")


def is_exact(metric: str) -> bool:
    """Whether it is a count or a size, which may repeat; `metric` has no lane in front."""
    stem = metric.partition("@")[0]
    return "." in stem or (_PER.search(stem) is None and _EXACT.search(stem) is not None)


def survives(instrument: Optional[str], metric: str) -> bool:
    """Whether a figure of the runner or the program still means something under the instrument: under
    cachegrind only what the program counts itself does, where calls are counted everything but times."""
    if instrument == "cachegrind":
        return is_exact(metric) and metric not in RUNNER and not _MEMORY_NAME.search(metric)
    return instrument != "calls" or is_exact(metric) and metric not in ("nvcsw", "nivcsw")


_MEMORY_NAME = re.compile(r"(^|_)(rss|firm|pss|bookkeeping)_|_kb(@\d+)?$")
_RATE = re.compile(r"_per_(cpu_)?\d*s$")
_COST = re.compile(r"(^|_)(rss|firm|minflt|majflt|ns_per\w*|instructions|mmaps|munmaps|madvises)(_|$)|_(s|ms|us|ns|kb|bytes)$")


def larger_is_better(metric: str) -> bool:
    """`ops_per_s`, `ops_per_cpu_s`, `iterations_per_2s` are rates; `wall_s`, `alloc_ms`, `rss_kb` are costs."""
    return _RATE.search(metric) is not None


def smaller_is_better(metric: str) -> bool:
    """Of a name such as `ops` or `cycles` neither is known."""
    return not larger_is_better(metric) and _COST.search(metric.partition("@")[0]) is not None


def known_names(workload: Workload) -> Optional[list[str]]:
    """Every figure this lane can give, without cycles (`@3`); None when that is not known."""
    result = RESULTS.get(workload.program or "")
    if result is None:
        return None
    phases = _IDLE_PHASES if result is _IDLE else _PHASES_OF.get(workload.program or "", _PHASES)
    memory = [f"{kind}_{phase}_kb" for phase in phases for kind in _MEMORY]
    single = LATENCIES if workload.program in TIMES_CALLS and LATENCY in workload.env else ()
    known = [name for name in (*RUNNER, *result, *single, *memory) if survives(workload.under, name)]
    return [*known, *INSTRUMENTS.get(workload.under or "", ()), *workload.metrics]


def unknown_figure(workload: Workload, key: str) -> str:
    """Why the lane cannot give the figure `key`, with advice; empty when it can, or when nobody knows."""
    name = re.sub(r"@\d+$", "", key)
    if "." in name:
        return ""
    known = known_names(workload)
    who = workload.program
    if known is None:  # only what looks like a slip of the pen is one
        known, who = [*RUNNER, *INSTRUMENTS.get(workload.under or "", ()), *workload.metrics], "the lane"
        if workload.command is None or not difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            return ""
    if name in known:
        return ""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if workload.under is not None and not survives(workload.under, name):
        return f"under {workload.under} no figure {key!r} is kept, for it would be the instrument's; gate it in a lane without"
    if name in LATENCIES and workload.program in TIMES_CALLS:
        return f"{who} gives the figure {key!r} only with `env: {{{LATENCY}: 100}}`; add that to the lane (one call in 100 is timed)"
    owner = next((tool for tool, names in INSTRUMENTS.items() if name in names), None)
    if owner is not None:
        return f"{who} gives the figure {key!r} only with `under: {owner}`; add that to the lane"
    advice = f"did you mean {close[0]!r}?" if close else f"use one of {', '.join(sorted(known))}"
    return f"{who} gives no figure {key!r}; {advice}"
