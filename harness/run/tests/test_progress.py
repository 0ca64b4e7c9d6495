"""What a person is told while a run goes on."""

from __future__ import annotations

import io
import pytest

from harness.model import MEASURED, WARMUP, Block, Plan, Slot
from harness.run.progress import QUIET_S, Pace, Progress, duration


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (3600, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def plan() -> Plan:
    """A warm-up block and four measured ones of a quick and a slow lane, judged after two and four."""
    slots = [Slot("quick", "base", 0), Slot("quick", "treat", 1), Slot("slow", "base", 0)]
    kinds = [WARMUP, *[MEASURED] * 4]
    return Plan("exp", "k", 1, False, [2, 4], [Block(i, kind, 0, slots) for i, kind in enumerate(kinds)])


SECONDS = {"quick": 1.0, "slow": 8.0}


class Clock:
    """Stands still unless it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make(progress: Progress, clock: Clock, block: Block) -> None:
    progress.pace.begin(block)
    for slot in block.slots:
        progress.slot(block, slot)
        clock.now += SECONDS[slot.workload]
    progress.block(block, progress.pace.finish(block, made_now=True))


def test_lines_without_a_terminal() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(Pace(plan(), clock), stream, clock) as progress:
        for block in plan().blocks[:4]:
            make(progress, clock, block)
    assert stream.getvalue().splitlines() == [
        "block 1/3 (warmup) done in 10.0 s, about 20 s left",
        "block 2/3 (measured) done in 10.0 s, about 10 s left",
        "block 3/3 (measured) done in 10.0 s",
        "block 4/5 (measured) done in 10.0 s, about 10 s left",
    ]


def test_time_left_within_a_block_counts_each_lane_as_long_as_it_is() -> None:
    clock = Clock()
    pace = Pace(plan(), clock)
    blocks = plan().blocks
    pace.begin(blocks[0])
    pace.begin_run(blocks[0].slots[0])
    assert pace.left() is None, "nothing is known yet"
    clock.now = 1
    pace.begin_run(blocks[0].slots[1])
    assert pace.left() == "8 s", "the slow lane is taken for the mean: eight runs of a second to the first look"
    clock.now = 2
    pace.begin_run(blocks[0].slots[2])
    clock.now = 10
    pace.finish(blocks[0], made_now=True)
    pace.begin(blocks[1])
    pace.begin_run(blocks[1].slots[0])
    assert pace.left() == "20 s"
    clock.now = 10.5
    assert pace.left() == "20 s" and pace.runs == 1
    clock.now = 11
    pace.begin_run(blocks[1].slots[1])
    assert pace.left() == "19 s"
    clock.now = 40  # a run that hangs takes nothing off the others
    assert pace.left() == "18 s"


def test_a_long_block_says_where_it_is() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(Pace(plan(), clock), stream, clock) as progress:
        blocks = plan().blocks
        progress.pace.begin(blocks[0])
        for slot in blocks[0].slots:
            progress.slot(blocks[0], slot)
            clock.now += QUIET_S / 2 + 1
    assert stream.getvalue().splitlines() == ["block 1/3, run 3/3: slow, base, about 1 min 52 s left"]


def test_blocks_found_complete_do_not_set_the_pace() -> None:
    clock = Clock()
    with Progress(Pace(plan(), clock), io.StringIO(), clock) as progress:
        pace = progress.pace
        assert pace.finish(plan().blocks[0], made_now=False) == 0
        assert pace.left() is None
        make(progress, clock, plan().blocks[1])
        assert pace.left() == "10 s"
        assert (pace.done, pace.measured, pace.goal) == (2, 1, 3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_only_notes_stay() -> None:
    stream = Terminal()
    with Progress(Pace(plan(), Clock()), stream) as progress:
        progress.note("block [3] was void")
    assert "block [3] was void" in stream.getvalue()


def test_a_terminal_shows_lane_arm_and_time_left_of_the_run_of_now() -> None:
    stream, clock = Terminal(), Clock()
    with Progress(Pace(plan(), clock), stream, clock) as progress:
        make(progress, clock, plan().blocks[0])
        progress.pace.begin(plan().blocks[1])
        progress.slot(plan().blocks[1], plan().blocks[1].slots[2])
    assert "block 2/3, run 1/3  slow  base" in stream.getvalue() and "left" in stream.getvalue()
