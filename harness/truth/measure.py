"""A table of cells, each some thousand experiments; the same for any number of processes.

The experiments of a world are numbered. Number i draws the same figures in every cell of that world,
scaled by the cell's effect: cells differ by what they ask, not by luck, but their rates are not
independent of each other.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TextIO

from harness.model import Status
from harness.run.progress import duration
from harness.truth.experiment import PLANS, Plan, bench, conduct, figures
from harness.truth.looking import LOOKING
from harness.truth.worlds import SLOW_TREAT, WORLDS, World

CHUNK = 20  # experiments handed to a process at a time


class Cell(NamedTuple):
    """One question in one world under one design."""

    question: str
    ratio: float
    world: str
    plan: Plan
    looking: str = "Pocock"


@dataclass
class Tally:
    """What became of a cell's experiments: at the planned looks, and after the extension."""

    runs: int = 0
    statuses: Counter[Status] = field(default_factory=Counter)
    blocks: int = 0
    extended: Counter[Status] = field(default_factory=Counter)
    extended_blocks: int = 0

    def add(self, other: Tally) -> None:
        self.runs += other.runs
        self.statuses += other.statuses
        self.blocks += other.blocks
        self.extended += other.extended
        self.extended_blocks += other.extended_blocks

    def share(self, status: Status, extended: bool = False) -> float:
        return (self.extended if extended else self.statuses)[status] / self.runs

    def mean_blocks(self, extended: bool = False) -> float:
        return (self.extended_blocks if extended else self.blocks) / self.runs


Table = dict[Cell, Tally]


def world_of(name: str) -> World:
    return SLOW_TREAT if name == SLOW_TREAT.name else WORLDS[name]


class Workers:
    """Processes and what the person waiting is told. `seed` decides every figure."""

    def __init__(self, seed: int, jobs: int | None = None, stream: TextIO = sys.stderr) -> None:
        self.seed = seed
        self.jobs = jobs or len(os.sched_getaffinity(0))
        self._stream = stream
        self._told = 0.0

    def table(self, name: str, cells: Sequence[Cell], runs: int) -> Table:
        """`runs` experiments in every cell."""
        by_world: dict[str, list[Cell]] = defaultdict(list)
        for cell in dict.fromkeys(cells):
            by_world[cell.world].append(cell)
        chunks = [range(first, min(first + CHUNK, runs)) for first in range(0, runs, CHUNK)]
        work = [(tuple(asked), self.seed, chunk) for chunk in chunks for asked in by_world.values()]
        table: Table = {cell: Tally() for asked in by_world.values() for cell in asked}
        for part in self.map(name, _chunk, work):
            for cell, tally in part.items():
                table[cell].add(tally)
        return table

    def map(self, name: str, function: Callable[[Any], Any], work: Sequence[Any]) -> Iterator[Any]:
        """The results in any order."""
        begun = time.monotonic()
        if self.jobs == 1:
            yield from self._watched(name, map(function, work), len(work), begun)
            return
        with multiprocessing.get_context("fork").Pool(self.jobs, _signals_of_a_worker) as pool:
            yield from self._watched(name, pool.imap_unordered(function, work), len(work), begun)

    def _watched(self, name: str, results: Iterator[Any], total: int, begun: float) -> Iterator[Any]:
        for done, result in enumerate(results, start=1):
            now = time.monotonic()
            if now - self._told >= 5 or done == total:
                self._told = now
                left = duration((now - begun) / done * (total - done))
                print(f"{name}: {done}/{total} parts, about {left} left", file=self._stream, flush=True)
            yield result


def _signals_of_a_worker() -> None:
    """Ctrl-C is for the parent to tell of; how the parent ends a worker must not be inherited as ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _chunk(work: tuple[tuple[Cell, ...], int, range]) -> Table:
    """The experiments `reps` of cells of one world."""
    cells, seed, reps = work
    filled: dict[tuple[Plan, float], list[Cell]] = defaultdict(list)
    for cell in cells:
        filled[cell.plan, cell.ratio].append(cell)
    table: Table = {cell: Tally() for cell in cells}
    for rep in reps:
        order = rep % PLANS
        slower, slow_treat = figures(world_of(cells[0].world), seed, rep)
        for (plan, ratio), asked in filled.items():
            bench(plan, order).fill(slower, slow_treat, ratio)
            for cell in asked:
                found = conduct(cell.question, plan, order, LOOKING[cell.looking])
                tally = table[cell]
                tally.runs += 1
                tally.statuses[found.status] += 1
                tally.blocks += found.blocks
                tally.extended[found.extended] += 1
                tally.extended_blocks += found.extended_blocks
    return table
