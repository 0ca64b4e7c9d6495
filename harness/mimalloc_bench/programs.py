"""What each program of mimalloc-bench is given, and which figure it reports.

One row a lane. The arguments are those of the suite's own script, so that figures mean what its
readers expect; `{n}` stands for the number of CPUs, `{2n}` for twice that. Programs that print a rate
or a time are judged by it, found by the expression beside it; the others print nothing of use (or,
as SmartHeap's two, have no published source to learn it from), and the suite itself goes by their
time, so CPU time serves where one thread works and wall time where several do. An expression that no
longer matches makes the run not count; it never becomes a zero.

A program may write files where it stands (rptest does) and may read its input from stdin (barnes).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Tuple


@dataclass(frozen=True)
class SuiteProgram:
    """`threads` is 1, "n", or "2" for a main thread that waits for one worker. `quick` are the
    arguments of --quick, None where they cannot be made smaller. `file` is a file of the checkout
    handed over as last argument, `stdin` one handed over on standard input."""

    lane: str
    program: str
    args: str
    threads: str
    figure: str
    quick: Optional[str] = None
    metrics: Mapping[str, str] = field(default_factory=dict)
    file: Optional[str] = None
    stdin: Optional[str] = None
    writes_files: bool = False


_LARSON = {"ops_per_s": r"Throughput =\s*(\d+) operations per second"}
_ALLOC_TEST = {"alloc_ms": r"operations in (\d+) ms"}
_CPU, _WALL = "cpu_s", "wall_s"

_ROWS: Tuple[SuiteProgram, ...] = (
    SuiteProgram("cfrac", "cfrac", "17545186520507317056371138836327483792789528", "1", _CPU),
    SuiteProgram("espresso", "espresso", "", "1", _CPU, file="bench/espresso/largest.espresso"),
    SuiteProgram("barnes", "barnes", "", "1", _CPU, stdin="bench/barnes/input"),
    SuiteProgram("alloc_test_1", "alloc-test", "1", "2", "alloc_ms", metrics=_ALLOC_TEST),
    SuiteProgram("alloc_test_n", "alloc-test", "{n16}", "n", "alloc_ms", metrics=_ALLOC_TEST),
    SuiteProgram(
        "larson", "larson", "5 8 1000 5000 100 4141 {n}", "n", "ops_per_s",
        quick="1 8 1000 5000 100 4141 {n}", metrics=_LARSON,
    ),
    SuiteProgram(
        "larson_sized", "larson-sized", "5 8 1000 5000 100 4141 {n}", "n", "ops_per_s",
        quick="1 8 1000 5000 100 4141 {n}", metrics=_LARSON,
    ),
    SuiteProgram("sh6bench", "sh6bench", "{2n}", "n", _WALL),
    SuiteProgram("sh8bench", "sh8bench", "{2n}", "n", _WALL),
    SuiteProgram(
        "xmalloc_test", "xmalloc-test", "-w {n} -t 5 -s 64", "n", "mfrees_per_s",
        quick="-w {n} -t 1 -s 64", metrics={"mfrees_per_s": r"free/sec:\s*([\d.]+) M"},
    ),
    SuiteProgram(
        "cache_thrash_1", "cache-thrash", "1 1000 1 2000000 {n}", "2", _WALL, quick="1 1000 1 200000 {n}",
    ),
    SuiteProgram(
        "cache_thrash_n", "cache-thrash", "{n} 1000 1 2000000 {n}", "n", _WALL, quick="{n} 1000 1 200000 {n}",
    ),
    SuiteProgram(
        "cache_scratch_1", "cache-scratch", "1 1000 1 2000000 {n}", "2", _WALL, quick="1 1000 1 200000 {n}",
    ),
    SuiteProgram(
        "cache_scratch_n", "cache-scratch", "{n} 1000 1 2000000 {n}", "n", _WALL, quick="{n} 1000 1 200000 {n}",
    ),
    SuiteProgram("malloc_large", "malloc-large", "", "2", _WALL),
    SuiteProgram("mstress", "mstress", "{n} 50 25", "n", _WALL, quick="{n} 50 5"),
    SuiteProgram("mleak_10", "mleak", "5", "n", _WALL, quick="1"),
    SuiteProgram(
        "rptest", "rptest", "{n} 0 1 2 500 1000 100 8 16000", "n", "ops_per_cpu_s",
        quick="{n} 0 1 2 50 1000 100 8 16000",
        metrics={"ops_per_cpu_s": r"(\d+) memory ops/CPU second"}, writes_files=True,
    ),
    SuiteProgram("glibc_simple", "glibc-simple", "", "2", _CPU),
    SuiteProgram(
        "glibc_thread", "glibc-thread", "{n}", "n", "iterations_per_2s",
        metrics={"iterations_per_2s": r"^(\d+) iterations"},
    ),
)  # fmt: skip

PROGRAMS: Dict[str, SuiteProgram] = {row.lane: row for row in _ROWS}

# alloc-test has room for so many threads.
_ALLOC_TEST_MOST = 16


def arguments(text: str, cpus: int) -> Tuple[str, ...]:
    """The words of a row's arguments for a machine with so many CPUs."""
    numbers = {"{n}": cpus, "{2n}": 2 * cpus, "{n16}": min(cpus, _ALLOC_TEST_MOST)}
    return tuple(str(numbers.get(word, word)) for word in text.split())


def threads(row: SuiteProgram, cpus: int) -> int:
    return max(2, cpus) if row.threads == "n" else int(row.threads)
