"""The drawing of memory over time: one panel a lane, phases shaded, the median over the band of all runs,
and the moments at which half and nine tenths of a cycle's rise were back."""

from __future__ import annotations

import textwrap
from typing import Any, Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.report import canvas, words
from harness.report.given_back import SHARES, Point, given_back
from harness.report.series import ArmCurves, LaneCurves, Span

_MOST_LABELLED_SPANS = 14  # more cycles than fit: only the first cycle names its phases


def _duration(seconds: float) -> str:
    if seconds >= 9.95:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 0.0995 else f"{seconds * 1000:.0f} ms"


def _span_label(span: Span) -> str:
    name = textwrap.fill(words.phase(span.phase), 7, break_long_words=False)
    return f"{name}\n{_duration(span.seconds)}"


def _shade(axes: Axes, spans: tuple[Span, ...], narrow: bool) -> None:
    """Alternating bands, a label over each phase, and the cycle numbers under the axis."""
    for index, span in enumerate(spans):
        colour = canvas.SHADE_A if index % 2 == 0 else canvas.SHADE_B
        axes.axvspan(span.start, span.end, color=colour, linewidth=0, zorder=0)
        crowded = len(spans) > _MOST_LABELLED_SPANS and span.cycle != spans[0].cycle
        if span.phase and not crowded:
            label = f"{words.phase(span.phase)}, {_duration(span.seconds)}" if narrow else _span_label(span)
            middle = (span.start + span.end) / 2
            axes.annotate(
                label,
                (middle, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=7.5,
                rotation=90 if narrow else 0,
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
    axes.fill_between(curves.x, curves.low, curves.high, color=look["color"], alpha=0.16, linewidth=0, zorder=2)
    axes.plot(
        curves.x,
        curves.median,
        color=look["color"],
        linestyle=look["linestyle"],
        linewidth=1.9,
        label=f"{label} ({curves.runs})",
        zorder=3,
    )


def _draw_point(axes: Axes, point: Point, colour: str, full: bool) -> None:
    """Hollow where half is back, full where nine tenths are."""
    face = colour if full else canvas.PAPER
    axes.plot([point.x], [point.rss_mib], "o", markersize=6, markerfacecolor=face, markeredgecolor=colour, zorder=5)


def alt_of(lane: LaneCurves) -> str:
    said = "; ".join(f"{c.arm} from {c.median[0]:.1f} up to {c.median.max():.1f}, {c.median[-1]:.1f} at the end" for c in lane.arms)
    alt = f"Memory over time in lane {lane.workload}, phases aligned, medians in MiB: {said}"
    return f"{alt}; left out for other phases or no series: {lane.left_out}" if lane.left_out else alt


def draw(lane: LaneCurves, order: list[str], describe: Callable[[str], str], narrow: bool) -> Figure:
    """`order` fixes each arm's look across all drawings; `describe` names an arm for a reader."""
    figure = canvas.sized(narrow, 4.4 if narrow else 4.9)
    axes = figure.add_subplot()
    _shade(axes, lane.spans, narrow)
    looks = {curves.arm: canvas.arm_look(order.index(curves.arm)) for curves in lane.arms}
    for curves in lane.arms:
        _draw_arm(axes, curves, looks[curves.arm], describe(curves.arm))
    for back in given_back(lane):
        for point, share in zip(back.points, SHARES):
            if point is not None:
                _draw_point(axes, point, looks[back.arm]["color"], share == SHARES[-1])
    axes.set_xlim(0, 1)
    axes.set_ylim(0, max(float(c.high.max()) for c in lane.arms) * 1.05 or 1)
    axes.set_ylabel("RSS, MiB")
    axes.grid(axis="y", linewidth=0.6)
    axes.set_axisbelow(True)
    canvas.legend_below(axes, 0.1, narrow)
    return figure
