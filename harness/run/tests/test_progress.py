"""What a person is told while a run goes on."""

from __future__ import annotations

import io
from typing import List

import pytest

from harness.model import MEASURED, WARMUP, Block, Plan
from harness.run.progress import Pace, Progress, duration


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3600, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def plan() -> Plan:
    blocks = [Block(0, WARMUP, 0, [])] + [Block(i, MEASURED, 0, []) for i in range(1, 5)]
    return Plan("exp", "k", 1, False, [2, 4], blocks)


class Clock:
    """Each block takes as long as the next number."""

    def __init__(self, seconds: List[float]) -> None:
        self._ticks = [tick for taken in seconds for tick in (0.0, taken)]

    def __call__(self) -> float:
        return self._ticks.pop(0)


def test_lines_without_a_terminal() -> None:
    stream = io.StringIO()
    pace = Pace(plan(), Clock([10, 20, 30, 40]))
    with Progress(pace, stream) as progress:
        for block in plan().blocks[:4]:
            pace.begin()
            progress.block(block, pace.finish(block, made_now=True))
    assert stream.getvalue().splitlines() == [
        "block 1/3 (warmup) done in 10.0 s, about 20 s left",
        "block 2/3 (measured) done in 20.0 s, about 15 s left",
        "block 3/3 (measured) done in 30.0 s",
        "block 4/5 (measured) done in 40.0 s, about 25 s left",
    ]


def test_blocks_found_complete_do_not_set_the_pace() -> None:
    pace = Pace(plan(), Clock([8]))
    assert pace.finish(plan().blocks[0], made_now=False) == 0
    assert pace.left() is None
    pace.begin()
    pace.finish(plan().blocks[1], made_now=True)
    assert pace.left() == "8 s"
    assert (pace.done, pace.measured, pace.goal) == (2, 1, 3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_only_notes_stay() -> None:
    stream = Terminal()
    with Progress(Pace(plan(), Clock([])), stream) as progress:
        progress.note("block [3] was void")
    assert "block [3] was void" in stream.getvalue()
