"""The drawing of how figures answer to a flag: its value to the right, the ratio to base upwards."""

from __future__ import annotations

import math
import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from harness.report import canvas, words
from harness.report.response import Response

_LOG_FROM = 8  # times from the least value to the most

CAPTION = (
    "Ratio to base in the same blocks; bar: its 90 % interval; diamond: base's own value. To be looked at: only gates decide, "
    "and the best of several points looks better than it is."
)


def alt_of(found: list[Response]) -> str:
    told = {r.metric: ", ".join(f"{p.value:g} gives {words.ratio(p.ratio)}" for p in r.points) for r in found}
    said = "; ".join(f"{words.lane_metric_words(metric)}: {text}" for metric, text in told.items())
    return f"Ratio to base by the value of {found[0].flag}. {said}.".replace("`", "")


def draw(found: list[Response], narrow: bool) -> Figure:
    """`found` is not empty and of one flag."""
    columns = 1 if narrow or len(found) == 1 else 2
    lines = math.ceil(len(found) / columns)
    figure = canvas.sized(narrow, 0.3 + 2.3 * lines)
    cells = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, response in zip(cells, found):
        _draw(axes, response, 46 if narrow else 60)
    for axes in cells[len(found) :]:
        axes.set_visible(False)
    return figure


def _draw(axes: Axes, response: Response, width: int) -> None:
    values = [point.value for point in response.points]
    colour = canvas.arm_look(1)["color"]
    for point in response.points:
        if point.low is not None and point.high is not None:
            ends = [point.low, point.high]
            axes.plot([point.value] * 2, ends, color=colour, linewidth=3, alpha=0.45, solid_capstyle="butt", zorder=3)
    axes.plot(values, [point.ratio for point in response.points], "-o", color=colour, linewidth=1.4, markersize=5, zorder=4)
    axes.plot([response.base_value], [1.0], "D", color=canvas.INK, markersize=7, zorder=5)
    axes.axhline(1.0, color=canvas.MUTED, linewidth=1, linestyle=(0, (2, 2)), zorder=2)
    if min(values) > 0 and max(values) / min(values) >= _LOG_FROM:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
    ticks = sorted(set(values))
    axes.set_xticks(ticks, [f"{value:g}" for value in ticks])
    axes.margins(0.06, 0.14)
    axes.grid(axis="y", linewidth=0.6)
    axes.set_xlabel(response.flag)
    axes.set_ylabel("ratio to base")
    axes.set_title(textwrap.fill(words.lane_metric_words(response.metric).replace("`", ""), width), fontsize=9)
