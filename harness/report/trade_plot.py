"""The drawing of the trade: speed to the right, idle memory upwards, one point an arm.

Better is right and down. An arm that another beats on both counts is off the frontier.
"""

from __future__ import annotations

from typing import Callable, NamedTuple, Optional

from matplotlib.figure import Figure

from harness.report import canvas, words
from harness.report.load import RunData

_SPEED = ("ops_per_cpu_s", "ops_per_s")
_MEMORY = ("rss_idle_kb", "rss_joined_kb", "peak_rss_kb")
_FEWEST_POINTS = 3


class TradePoint(NamedTuple):
    arm: str
    speed: float
    memory_kb: float


class Trade(NamedTuple):
    speed: str  # lane.metric
    memory: str
    points: list[TradePoint]


def _first(data: RunData, metrics: tuple[str, ...], avoid: Optional[str] = None) -> Optional[str]:
    """The first lane that measured one of `metrics`, preferring a lane other than `avoid`."""
    lanes = sorted(data.workloads(), key=lambda lane: lane == avoid)
    for metric in metrics:
        for lane in lanes:
            if data.has(lane, metric):
                return f"{lane}.{metric}"
    return None


def find_trade(data: RunData) -> Optional[Trade]:
    """The speed and the idle memory every arm has; None where fewer than three arms have both."""
    memory = _first(data, _MEMORY)
    if memory is None:
        return None
    memory_lane, _, memory_metric = memory.partition(".")
    speed = _first(data, _SPEED, avoid=memory_lane)
    if speed is None:
        return None
    speed_lane, _, speed_metric = speed.partition(".")
    points = []
    for arm in data.arms():
        fast = data.median(speed_lane, arm, speed_metric)
        large = data.median(memory_lane, arm, memory_metric)
        if fast and large:
            points.append(TradePoint(arm, fast, large))
    return Trade(speed, memory, points) if len(points) >= _FEWEST_POINTS else None


def alt_of(trade: Trade, describe: Callable[[str], str]) -> str:
    said = "; ".join(
        f"{describe(p.arm)}: {words.quantity(trade.speed, p.speed)}, {words.quantity(trade.memory, p.memory_kb)}"
        for p in trade.points
    )
    return f"Speed against idle memory, one point an arm. {said}."


def draw(trade: Trade, order: list[str], describe: Callable[[str], str], narrow: bool) -> Figure:
    figure = canvas.sized(narrow, 4.6)
    axes = figure.add_subplot()
    for point in trade.points:
        look = canvas.arm_look(order.index(point.arm))
        axes.plot(
            [point.speed / 1e6],
            [point.memory_kb / 1024],
            linestyle="none",
            marker=look["marker"],
            color=look["color"],
            markersize=9,
            label=describe(point.arm),
        )
    axes.set_yscale("log")
    bottom, top = (choose(point.memory_kb for point in trade.points) for choose in (min, max))
    axes.margins(x=0.06, y=0.15)
    axes.set_xlim(left=0)
    axes.grid(linewidth=0.6, which="major")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_minor_formatter(lambda value, _: f"{value:g}" if top < 3 * bottom else "")  # else the major ones do
    between = "\n" if narrow else " "
    axes.set_xlabel(f"{words.lane_metric_words(trade.speed)},{between}million operations/s (more is better)")
    axes.set_ylabel(f"{words.lane_metric_words(trade.memory)},\nMiB, log scale (less is better)")
    canvas.legend_below(axes, 0.26 if narrow else 0.17, narrow)
    return figure
