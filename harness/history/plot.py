"""A panel a series: the ratio of each run with its interval, levels between the changes, every change
marked. Runs stand at equal distances, because nights are missed and days have many."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.errors import UserError
from harness.history.view import Series
from harness.report import canvas
from harness.run.store import disk_errors

_WIDTH, _PANEL = 8.0, 2.2
MOST = 24  # panels that a reader still reads


def write_plot(found: Sequence[Series], path: Path) -> None:
    if path.suffix not in (".svg", ".png"):
        raise UserError(f"--plot {path}: write a file ending in .svg or .png")
    shown = [series for series in found if series.usable]
    if not 0 < len(shown) <= MOST:
        raise UserError(f"--plot: {len(shown)} series have ratios, and 1 to {MOST} can be drawn; name an experiment or --gate")
    with canvas.style():
        figure = draw(shown)
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".svg":
                path.write_text(canvas.to_svg(figure), encoding="utf-8")
            else:
                path.write_bytes(canvas.to_png(figure))


def draw(found: Sequence[Series]) -> Figure:
    figure = canvas.new_figure(_WIDTH, _PANEL * len(found))
    for ax, series in zip(figure.subplots(len(found), 1, squeeze=False)[:, 0], found):
        _panel(ax, series)
    return figure


def _panel(ax: Axes, series: Series) -> None:
    look = canvas.arm_look(0)
    for i, row in enumerate(series.usable):
        colour = canvas.STATUS_COLOURS.get(row.status, look["color"])
        if row.low is not None and row.high is not None:
            ax.plot([i, i], [row.low, row.high], color=colour, linewidth=1.4)
        ax.plot([i], [row.ratio], marker=look["marker"], markersize=4, color=colour)
    for change in series.changes:
        ax.axvline(change.at - 0.5, color=canvas.MUTED, linewidth=1, linestyle=(0, (4, 3)))
    edges = [0, *(change.at for change in series.changes), len(series.usable)]
    levels = [series.changes[0].before, *(c.after for c in series.changes)] if series.changes else []
    for begin, end, level in zip(edges, edges[1:], levels):
        ax.plot([begin - 0.5, end - 0.5], [level, level], color=canvas.INK, linewidth=1)
    ax.set_title(series.name)
    ax.set_ylabel("ratio")
    places = sorted({0, len(series.usable) - 1, *(change.at for change in series.changes)})
    ax.set_xticks(places, [series.usable[i].time[:10] for i in places])
    ax.grid(linewidth=0.6, axis="y")
