"""Tells a person how far a run is: one changing line on a terminal, plain lines elsewhere.

The time left is that of the blocks up to the next look, at the mean pace of the blocks this process
has made; a look that does not decide adds more.
"""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any, Callable, Optional, TextIO, Type

from harness.model import MEASURED, Block, Plan, Slot


def duration(seconds: float) -> str:
    """`48 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Pace:
    """Blocks done and to do; `clock` gives seconds."""

    def __init__(self, plan: Plan, clock: Callable[[], float]) -> None:
        self._plan = plan
        self._clock = clock
        self._warmup = sum(block.kind != MEASURED for block in plan.blocks)
        self._spent = 0.0
        self._made = 0
        self._begun = 0.0
        self.measured = 0
        self.done = 0

    def begin(self) -> None:
        self._begun = self._clock()

    def finish(self, block: Block, made_now: bool) -> float:
        """Counts a block; the seconds it took, 0 for one found complete."""
        self.done += 1
        self.measured += block.kind == MEASURED
        if not made_now:
            return 0.0
        took = self._clock() - self._begun
        self._spent += took
        self._made += 1
        return took

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
        """None until a block was made."""
        if self._made == 0:
            return None
        return duration(self._spent / self._made * max(0, self.goal - self.done))


class Progress:
    """Use as a context manager. `note` is for sentences that must stay readable afterwards."""

    def __init__(self, pace: Pace, stream: Optional[TextIO] = None) -> None:
        self.pace = pace
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
        if self._bar is not None:
            self._show(f"block {self.pace.done + 1}/{self.pace.goal_of_next}  {slot.workload}  {slot.arm}")

    def block(self, block: Block, took: float) -> None:
        left = self.pace.left()
        if self._bar is not None:
            self._show(f"block {self.pace.done}/{self.pace.goal} done")
            return
        more = f", about {left} left" if left and self.pace.done < self.pace.goal else ""
        self.note(f"block {self.pace.done}/{self.pace.goal} ({block.kind}) done in {took:.1f} s{more}")

    def note(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=self._stream, flush=True)

    def _show(self, text: str) -> None:
        left = self.pace.left()
        shown = f"about {left} left" if left else ""
        self._bar.update(self._task, description=text, completed=self.pace.done, total=self.pace.goal, left=shown)
        self._bar.refresh()
