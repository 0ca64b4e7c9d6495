"""The drawing of memory over time: one panel a lane, phases shaded, every run faint."""

from __future__ import annotations

import textwrap
from typing import Any, Callable

from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from harness.report import canvas, words
from harness.report.series import ArmCurves, LaneCurves, Span

_MOST_LABELLED_SPANS = 14  # more cycles than fit: only the first cycle names its phases


def _duration(seconds: float) -> str:
    if seconds >= 9.95:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 0.0995 else f"{seconds * 1000:.0f} ms"


def _span_label(span: Span) -> str:
    name = textwrap.fill(words.phase(span.phase), 7, break_long_words=False)
    return f"{name}\n{_duration(span.seconds)}"


def _shade(axes: Axes, spans: tuple[Span, ...]) -> None:
    """Alternating bands, a label over each phase, and the cycle numbers under the axis."""
    for index, span in enumerate(spans):
        colour = canvas.SHADE_A if index % 2 == 0 else canvas.SHADE_B
        axes.axvspan(span.start, span.end, color=colour, linewidth=0, zorder=0)
        crowded = len(spans) > _MOST_LABELLED_SPANS and span.cycle != spans[0].cycle
        if span.phase and not crowded:
            middle = (span.start + span.end) / 2
            axes.annotate(
                _span_label(span),
                (middle, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7.2,
                color=canvas.MUTED,
                linespacing=1.1,
            )
    _cycle_ticks(axes, spans)


def _cycle_ticks(axes: Axes, spans: tuple[Span, ...]) -> None:
    cycles = list(dict.fromkeys(span.cycle for span in spans))
    if len(cycles) < 2:
        axes.set_xticks([])
        axes.set_xlabel("phases of the run, each stretched to the same length in every run")
        return
    middles, names = [], []
    for cycle in cycles:
        mine = [span for span in spans if span.cycle == cycle]
        middles.append((mine[0].start + mine[-1].end) / 2)
        names.append(f"cycle {cycle}")
        if mine[0].start > 0:
            axes.axvline(mine[0].start, color=canvas.MUTED, linewidth=0.8, zorder=1)
    axes.set_xticks(middles, names)
    axes.tick_params(axis="x", length=0)


def _draw_arm(axes: Axes, curves: ArmCurves, look: dict[str, Any], label: str) -> None:
    runs = [list(zip(curves.x, row)) for row in curves.rss_mib]
    faint = LineCollection(runs, colors=[look["color"]], linewidths=0.6, alpha=0.22, zorder=2)
    axes.add_collection(faint)
    axes.plot(
        curves.x,
        curves.median,
        color=look["color"],
        linestyle=look["linestyle"],
        linewidth=1.9,
        label=f"{label} ({len(runs)})",
        zorder=3,
    )


def draw(
    lane: LaneCurves, order: list[str], describe: Callable[[str], str]
) -> Figure:
    """`order` fixes each arm's look across all drawings; `describe` names an arm for a reader."""
    figure = canvas.new_figure(9.2, 4.6)
    axes = figure.add_subplot()
    _shade(axes, lane.spans)
    for curves in lane.arms:
        _draw_arm(axes, curves, canvas.arm_look(order.index(curves.arm)), describe(curves.arm))
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(float(c.rss_mib.max()) for c in lane.arms) * 1.05 or 1)
    axes.set_ylabel("RSS, MiB")
    axes.grid(axis="y", linewidth=0.6)
    axes.set_axisbelow(True)
    figure.suptitle(
        f"{lane.workload}: memory over time (median bold, every run faint; runs in brackets)",
        x=0.01,
        ha="left",
        fontsize=10.5,
        fontweight="bold",
        color=canvas.INK,
    )
    canvas.legend_below(axes, 0.1)
    return figure
