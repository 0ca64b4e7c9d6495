"""Speed against memory, each allocator one point, everything as multiples of hz3.

Two panels, peak and idle memory, share the speed axis. Better is right and down. The line is the
frontier: an allocator above it is beaten by another on both counts at once.
"""

from __future__ import annotations

import math
from typing import List, NamedTuple, Optional, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.model import BASE
from harness.peers.catalogue import OWN_LIBRARIES
from harness.report import canvas
from harness.scoreboard.board import Board, idle_logs, peak_logs, speed_logs
from harness.scoreboard.text import arm_words

_WIDTH, _HEIGHT = 9.2, 4.4
_LEGEND_ROW, _LEGEND_COLUMNS = 0.07, 6  # of the height, kept free at the foot


class Point(NamedTuple):
    arm: str
    speed: float
    memory: float


def points(board: Board, idle: bool) -> List[Point]:
    """Arms that ran in every lane; a yardstick that is no allocator has no place here."""
    found = []
    for arm in board.arms:
        if arm.partition(":")[0] in OWN_LIBRARIES:
            continue
        speed = board.relative(arm, None, speed_logs)
        memory = board.relative(arm, None, idle_logs if idle else peak_logs)
        if speed is not None and memory is not None:
            found.append(Point(arm, speed, 1 / memory))
    return found


def frontier(found: Sequence[Point]) -> List[Point]:
    """Points that no other beats on both counts, from slow to fast."""
    kept: List[Point] = []
    least: Optional[float] = None
    for point in sorted(found, key=lambda p: (-p.speed, p.memory)):
        if least is None or point.memory < least:
            kept.append(point)
            least = point.memory
    return kept[::-1]


def draw(board: Board) -> Optional[Figure]:
    """None where fewer than two allocators have figures."""
    panels = [(title, points(board, idle)) for title, idle in (("Peak memory", False), ("Idle memory", True))]
    panels = [(title, found) for title, found in panels if len(found) >= 2]
    if not panels:
        return None
    with canvas.style():
        figure = canvas.new_figure(_WIDTH if len(panels) > 1 else _WIDTH / 1.7, _HEIGHT)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for ax, (title, found) in zip(axes, panels):
            _panel(ax, title, found, board)
        axes[0].set_ylabel("RSS, times hz3's, log scale (less is better)")
        handles, labels = axes[0].get_legend_handles_labels()
        handles, labels = handles[1:] + handles[:1], labels[1:] + labels[:1]  # the frontier last
        columns = min(_LEGEND_COLUMNS, len(labels))
        foot = _LEGEND_ROW * (math.ceil(len(labels) / columns) + 0.3)
        figure.get_layout_engine().set(rect=(0, foot, 1, 1 - foot))
        figure.legend(handles, labels, loc="lower center", ncols=columns, handlelength=1.2)
    return figure


def _panel(ax: Axes, title: str, found: Sequence[Point], board: Board) -> None:
    edge = frontier(found)
    ax.plot(
        [p.speed for p in edge], [p.memory for p in edge], color=canvas.MUTED, linewidth=1,
        linestyle=(0, (4, 3)), zorder=1, label="beaten by none on both",
    )  # fmt: skip
    for point in found:
        look = canvas.arm_look(board.arms.index(point.arm))
        size = 11 if point.arm == BASE else 8
        ax.plot(
            [point.speed], [point.memory], linestyle="none", marker=look["marker"], color=look["color"],
            markersize=size, label=arm_words(board, point.arm), zorder=3,
        )  # fmt: skip
    ax.set_title(title)
    ax.set_yscale("log")
    ax.set_xlabel("speed, times hz3's (more is better)")
    _limits(ax, found)
    ax.grid(linewidth=0.6, which="major")


def _limits(ax: Axes, found: Sequence[Point]) -> None:
    """Room around the points, and plain numbers on an axis whose decades would mostly be empty."""
    low, high = min(p.memory for p in found), max(p.memory for p in found)
    ax.set_ylim(low / 1.3, high * 1.3)
    ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20, 50, 100) if low / 1.3 <= t <= high * 1.3]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    slow, fast = min(p.speed for p in found), max(p.speed for p in found)
    room = max(0.05, 0.12 * (fast - slow))
    ax.set_xlim(slow - room, fast + room)
