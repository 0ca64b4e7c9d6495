"""The drawing of every gated figure over its runs: a panel a figure, a row an arm, a dot a run.

An interval says where the centre is; only the runs show a second mode, a tail, or one that stands apart.
"""

from __future__ import annotations

import math
import textwrap
from statistics import median
from typing import Callable, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from harness.model import Verdict
from harness.report import canvas, words
from harness.report.load import RunData

CAPTION = (
    "A dot is a run that counts, hollow where the machine disturbed it; the bar is the median. Dots of one arm are "
    "spread up and down in the order of their blocks, so a drift shows as a slant."
)


class Values(NamedTuple):
    arm: str
    values: list[float]  # in the order of the blocks
    disturbed: list[bool]


class Panel(NamedTuple):
    metric: str  # lane.metric
    arms: list[Values]


def panels_of(data: RunData, verdict: Verdict) -> list[Panel]:
    """Each gated metric once, in the order of the gates; only arms that measured it."""
    panels = []
    for metric in dict.fromkeys(gate.metric for gate in verdict.gates):
        lane, _, name = metric.partition(".")
        arms = []
        for arm in data.arms():
            runs = [r for r in data.measured() if r.counts and r.workload == lane and r.arm == arm and name in r.metrics]
            if runs:
                arms.append(Values(arm, [r.metrics[name] for r in runs], [bool(r.disturbed) for r in runs]))
        if arms:
            panels.append(Panel(metric, arms))
    return panels


def alt_of(panels: list[Panel]) -> str:
    said = []
    for panel in panels:
        arms = (f"{arm.arm} {_range(panel.metric, arm.values)}" for arm in panel.arms)
        said.append(f"{words.lane_metric_words(panel.metric)}: {', '.join(arms)}")
    return f"Every run of every gated figure, from least to most. {'; '.join(said)}.".replace("`", "")


def _range(metric: str, values: list[float]) -> str:
    return f"{words.quantity(metric, min(values))} to {words.quantity(metric, max(values))}"


_HEAD_IN, _ROW_IN = 0.66, 0.3
_UNITS = {"kb": (1 / 1024, "MiB"), "ns": (1e-6, "ms"), "s": (1.0, "s")}


def _scale(panel: Panel) -> tuple[float, str]:
    kind = words.unit(panel.metric)
    if kind in _UNITS:
        return _UNITS[kind]
    most = max(abs(value) for arm in panel.arms for value in arm.values)
    tail = "/s" if kind == "rate" else ""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if most >= size:
            return 1 / size, letter + tail
    return 1.0, tail


def _draw(axes: Axes, panel: Panel, order: list[str], describe: Callable[[str], str], width: int) -> None:
    factor, unit = _scale(panel)
    for row, (arm, values, disturbed) in enumerate(panel.arms):
        look = canvas.arm_look(order.index(arm))
        last = max(len(values) - 1, 1)
        for place, (value, loud) in enumerate(zip(values, disturbed)):
            face = canvas.PAPER if loud else look["color"]
            y = row + 0.5 * (place / last - 0.5)
            axes.plot([value * factor], [y], "o", markersize=3.6, markerfacecolor=face, markeredgecolor=look["color"],
                      markeredgewidth=0.8, alpha=0.85, zorder=3)  # fmt: skip
        axes.plot([median(values) * factor] * 2, [row - 0.36, row + 0.36], color=canvas.INK, linewidth=1.6, zorder=4)
    names = [textwrap.shorten(describe(arm.arm), 26, placeholder="…") for arm in panel.arms]
    axes.set_yticks(range(len(panel.arms)), names, fontsize=7.5)
    axes.set_ylim(len(panel.arms) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7.5)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.grid(axis="x", linewidth=0.6)
    axes.set_axisbelow(True)
    named = words.lane_metric_words(panel.metric).replace("`", "")
    axes.set_title(textwrap.fill(f"{named}, {unit}" if unit else named, width), fontsize=8.5)


def draw(panels: list[Panel], order: list[str], describe: Callable[[str], str], narrow: bool) -> Figure:
    columns = 1 if narrow or len(panels) == 1 else 2
    lines = math.ceil(len(panels) / columns)
    heights = [max(len(p.arms) for p in panels[i * columns : (i + 1) * columns]) for i in range(lines)]
    figure = canvas.sized(narrow, sum(_HEAD_IN + _ROW_IN * height for height in heights))
    grid = figure.add_gridspec(lines, columns, height_ratios=[_HEAD_IN + _ROW_IN * height for height in heights])
    for index, panel in enumerate(panels):
        _draw(figure.add_subplot(grid[index // columns, index % columns]), panel, order, describe, 46 if narrow else 60)
    return figure
