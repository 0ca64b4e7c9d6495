"""Tells a person how far a run is: one changing line on a terminal, plain lines elsewhere.

The time left is that of the runs up to the next look, each as long as the runs of its lane that this
process has made were on the average; a look that does not decide adds more. Without a terminal a block
that takes long says now and then where it is.
"""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, TextIO, Type

from harness.model import MEASURED, Block, Plan, Slot


QUIET_S = 30.0  # so long a run says nothing where there is no terminal


def duration(seconds: float) -> str:
    """`48 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Pace:
    """Blocks and runs done and to do; `clock` gives seconds."""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self._plan = plan
        self._clock = clock
        self._warmup = sum(block.kind != MEASURED for block in plan.blocks)
        self._taken: Dict[str, List[float]] = {}  # seconds of each run made now, by lane
        self._block: Optional[Block] = None  # the one being made
        self._begun = 0.0
        self._slot: Optional[Slot] = None  # the run being made, the `runs`th of its block
        self._slot_begun = 0.0
        self.runs = 0
        self.measured = 0
        self.done = 0

    def begin(self, block: Block) -> None:
        self._block, self._begun, self.runs = block, self._clock(), 0

    def begin_run(self, slot: Slot) -> None:
        now = self._clock()
        self._end_run(now)
        self._slot, self._slot_begun = slot, now
        self.runs += 1

    def _end_run(self, now: float) -> None:
        if self._slot is not None:
            self._taken.setdefault(self._slot.workload, []).append(now - self._slot_begun)
        self._slot = None

    def finish(self, block: Block, made_now: bool) -> float:
        """Counts a block; the seconds it took, 0 for one found complete."""
        self.done += 1
        self.measured += block.kind == MEASURED
        self._block = None
        if not made_now:
            return 0.0
        now = self._clock()
        self._end_run(now)
        return now - self._begun

    @property
    def goal(self) -> int:
        """All blocks, warm-up included, when the data is judged next; a look just reached counts."""
        reached = next((look for look in self._plan.looks if look >= self.measured), self._plan.looks[-1])
        return self._warmup + reached

    @property
    def goal_of_next(self) -> int:
        """The same for the block about to be made."""
        ahead = next((look for look in self._plan.looks if look > self.measured), self._plan.looks[-1])
        return self._warmup + ahead

    def left(self) -> Optional[str]:
        """None until a run was made. A lane that had none yet is taken for the mean of the others."""
        runs = [seconds for taken in self._taken.values() for seconds in taken]
        if not runs:
            return None
        each = {lane: sum(taken) / len(taken) for lane, taken in self._taken.items()}
        mean = sum(runs) / len(runs)
        left = 0.0
        if self._slot is not None:
            left += max(0.0, each.get(self._slot.workload, mean) - (self._clock() - self._slot_begun))
        for slot in self._ahead():
            left += each.get(slot.workload, mean)
        return duration(left)

    def _ahead(self) -> Iterator[Slot]:
        """The runs that are to be begun before the next look."""
        if self._block is None:
            blocks = self._plan.blocks[self.done : self.goal]
        else:
            yield from self._block.slots[self.runs :]
            blocks = self._plan.blocks[self.done + 1 : self.goal_of_next]
        for block in blocks:
            yield from block.slots


class Progress:
    """Use as a context manager. `note` is for sentences that must stay readable afterwards."""

    def __init__(self, pace: Pace, stream: Optional[TextIO] = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.pace = pace
        self._clock = clock
        self._told = clock()
        self._stream = stream or sys.stderr
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if self._stream.isatty():
            from rich.console import Console  # only where there is someone to look at it
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
            # Drawn only when told to: a bar that refreshes itself takes CPU time from the runs.
            self._bar = Bar(*columns, console=Console(file=self._stream), transient=True, auto_refresh=False)
            self._bar.start()
            self._task = self._bar.add_task("starting", total=self.pace.goal, left="")
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], value: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def slot(self, block: Block, slot: Slot) -> None:
        self.pace.begin_run(slot)
        place = f"block {self.pace.done + 1}/{self.pace.goal_of_next}, run {self.pace.runs}/{len(block.slots)}"
        if self._bar is not None:
            self._show(f"{place}  {slot.workload}  {slot.arm}")
        elif self._clock() - self._told >= QUIET_S:
            left = self.pace.left()
            self.note(f"{place}: {slot.workload}, {slot.arm}" + (f", about {left} left" if left else ""))

    def block(self, block: Block, took: float) -> None:
        left = self.pace.left()
        if self._bar is not None:
            self._show(f"block {self.pace.done}/{self.pace.goal} done")
            return
        more = f", about {left} left" if left and self.pace.done < self.pace.goal else ""
        self.note(f"block {self.pace.done}/{self.pace.goal} ({block.kind}) done in {took:.1f} s{more}")

    def note(self, text: str) -> None:
        self._told = self._clock()
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream, flush=True)

    def _show(self, text: str) -> None:
        left = self.pace.left()
        shown = f"about {left} left" if left else ""
        self._bar.update(self._task, description=text, completed=self.pace.done, total=self.pace.goal, left=shown)
        self._bar.refresh()
