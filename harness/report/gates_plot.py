"""The drawings of the decisions: every gate's interval against its bound, and its pairs by block.

Gates differ by orders of magnitude (a memory ratio of 0.05, a speed ratio of 1.00 ± 0.02), so each
stands on an axis of its own; one shared axis would hide the guards that matter most.
"""

from __future__ import annotations

import math
import re
import textwrap
from typing import Optional

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from harness.model import GateVerdict
from harness.report import canvas, words
from harness.report.headline import interval, is_ratio
from harness.report.pairs import Pair

_RULE = re.compile(r"(?P<verb>go_if|no_go_if) +(?P<subject>\w+) *(?P<op>[<>]=?) *(?P<bound>\S+)")


def _scale(gate: GateVerdict) -> float:
    """Memory in absolute gates is drawn in MiB; ratios as they are."""
    return 1 / 1024 if not is_ratio(gate) and words.unit(gate.metric) == "kb" else 1.0


def _values(gate: GateVerdict) -> list[float]:
    found = [gate.estimate, gate.low, gate.high, *gate.bounds]
    values = [v * _scale(gate) for v in found if v is not None and math.isfinite(v)]
    if is_ratio(gate):
        values.append(1.0)
        if gate.noise_floor is not None and math.isfinite(gate.noise_floor):
            values += [1 - min(gate.noise_floor, 0.9), 1 + gate.noise_floor]
    return values


def _limits(gate: GateVerdict) -> tuple[float, float]:
    values = _values(gate)
    low, high = min(values), max(values)
    margin = max((high - low) * 0.12, abs(high) * 0.004, 1e-6)
    left = low - margin
    return (max(left, 0.0) if low >= 0 else left), high + margin


def _good_side(gate: GateVerdict, limits: tuple[float, float]) -> Optional[tuple[float, float]]:
    """The stretch of the axis on which the gate says GO."""
    bounds = [b * _scale(gate) for b in gate.bounds]
    if gate.kind == "same" and len(bounds) == 2:
        return min(bounds), max(bounds)
    match = _RULE.search(gate.rule)
    if match is None or not bounds:
        return None
    upward = match["op"].startswith(">")
    wanted = upward == (match["verb"] == "go_if")
    return (bounds[0], limits[1]) if wanted else (limits[0], bounds[0])


def _draw_interval(axes: Axes, gate: GateVerdict) -> None:
    colour = canvas.STATUS_COLOURS.get(gate.status.value, canvas.MUTED)
    scale = _scale(gate)
    if gate.low is not None or gate.high is not None:
        left, right = axes.get_xlim()
        low = gate.low * scale if gate.low is not None else left
        high = gate.high * scale if gate.high is not None else right
        axes.plot([low, high], [0, 0], color=colour, linewidth=4.5, solid_capstyle="butt", zorder=4)
    if gate.estimate is not None:
        x = gate.estimate * scale
        axes.plot([x], [0], marker="D", markersize=7.5, color=colour, zorder=5,
                  markeredgecolor=canvas.PAPER, markeredgewidth=1.0)


def _draw_background(axes: Axes, gate: GateVerdict) -> None:
    limits = axes.get_xlim()
    good = _good_side(gate, limits)
    if good is not None:
        axes.axvspan(*good, color=canvas.STATUS_COLOURS["GO"], alpha=0.13, linewidth=0, zorder=0)
    if is_ratio(gate) and gate.noise_floor is not None and math.isfinite(gate.noise_floor):
        axes.axvspan(1 - gate.noise_floor, 1 + gate.noise_floor, ymax=0.32,
                     color=canvas.MUTED, alpha=0.35, linewidth=0, zorder=1)
    for bound in gate.bounds:
        axes.axvline(bound * _scale(gate), color=canvas.INK, linewidth=1.4, zorder=3)
    if is_ratio(gate):
        axes.axvline(1.0, color=canvas.MUTED, linewidth=1.0, linestyle=(0, (2, 2)), zorder=2)
    axes.set_xlim(limits)


def _gate_title(gate: GateVerdict) -> str:
    against = f" against {gate.against}" if gate.against else ""
    return f"{words.lane_metric_words(gate.metric).replace('`', '')} — {gate.arm}{against}"


def _gate_result(gate: GateVerdict) -> str:
    """What was found, then what was asked."""
    shown = words.ratio(gate.estimate) if is_ratio(gate) else words.quantity(gate.metric, gate.estimate)
    return f"{shown}, n = {gate.n}  {gate.rule}"


def forest_alt(gates: list[GateVerdict]) -> str:
    said = "; ".join(f"{_gate_title(gate)}: {gate.status.value}, {interval(gate)}, {gate.rule}" for gate in gates)
    return f"Forest plot, each gate's interval against its bound. {said}."


FOREST_CAPTION = (
    "Diamond: estimate; bar: interval; solid line: the bound of the gate; green ground: where the gate says GO; "
    "grey band: this run's noise floor around 1, which is dotted. Each gate has a scale of its own."
)
PAIRS_CAPTION = (
    "Time runs right. Hollow: a run of the pair was disturbed; solid line: the bound of the gate; band: interval; "
    "dotted: no difference."
)


def drawable(gates: list[GateVerdict]) -> list[GateVerdict]:
    return [g for g in gates if g.estimate is not None and math.isfinite(g.estimate)]


_ROW_IN, _NARROW_ROW_IN, _FOOT_IN = 0.62, 1.14, 0.12
_AXIS_LEFT, _AXIS_RIGHT = 0.33, 0.72  # of the width; names to the left, results to the right


def draw_forest(gates: list[GateVerdict], narrow: bool) -> Figure:
    """`gates` must be drawable and not empty. A row a gate: its name, its axis, its result; on a phone the
    name and the result stand above the axis."""
    row = _NARROW_ROW_IN if narrow else _ROW_IN
    height = row * len(gates) + _FOOT_IN
    figure = canvas.sized(narrow, height)
    figure.set_layout_engine("none")
    for index, gate in enumerate(gates):
        top = 1 - index * row / height
        left, right = (0.05, 0.95) if narrow else (_AXIS_LEFT, _AXIS_RIGHT)
        axes = figure.add_axes((left, top - (row - 0.1) / height, right - left, 0.3 / height))
        _draw_gate(axes, gate)
        if index % 2 == 0 and not narrow:
            _stripe(figure, top - (row + 0.06) / height, row / height)
        text = {"va": "center", "fontsize": 9}
        middle = top - (row - 0.25) / height
        name, result = _gate_title(gate), _gate_result(gate)
        colour = canvas.STATUS_COLOURS.get(gate.status.value, canvas.INK)
        if narrow:
            bold = {"va": "center", "fontsize": 8, "fontweight": "bold"}
            figure.text(left, top - 0.3 / height, textwrap.shorten(name, 60, placeholder="…"), **bold)
            figure.text(left, top - 0.49 / height, gate.status.value, color=colour, **bold)
            figure.text(right, top - 0.49 / height, result, ha="right", va="center", fontsize=8)
        else:
            first, _, second = name.partition(" — ")
            figure.text(0.005, middle + 0.085 / height, textwrap.shorten(first, 46, placeholder="…"), **text)
            figure.text(0.005, middle - 0.085 / height, second, color=canvas.MUTED, va="center", fontsize=8)
            figure.text(0.735, middle, f"{gate.status.value}", color=colour, fontweight="bold", **text)
            figure.text(0.855, middle, result.replace("  ", "\n"), linespacing=1.15, **text)
    return figure


def _stripe(figure: Figure, bottom: float, height: float) -> None:
    """Every other row on a darker ground, so that the eye keeps its row."""
    figure.add_artist(Rectangle((0, bottom), 1, height, transform=figure.transFigure, color=canvas.SHADE_A, linewidth=0, zorder=-1))


def _draw_gate(axes: Axes, gate: GateVerdict) -> None:
    axes.set_xlim(_limits(gate))
    axes.set_ylim(-1, 1)
    axes.set_yticks([])
    axes.patch.set_visible(False)
    axes.spines["left"].set_visible(False)
    _draw_background(axes, gate)
    _draw_interval(axes, gate)
    axes.xaxis.set_major_locator(MaxNLocator(5, min_n_ticks=2))
    axes.tick_params(axis="x", labelsize=7.5, pad=1.5, length=2.5)


def _draw_pairs(axes: Axes, gate: GateVerdict, pairs: list[Pair]) -> None:
    quiet = [p for p in pairs if not p.disturbed]
    loud = [p for p in pairs if p.disturbed]
    colour = canvas.arm_look(1)["color"]
    axes.plot([p.block for p in quiet], [p.ratio for p in quiet], "o", color=colour, zorder=4)
    axes.plot([p.block for p in loud], [p.ratio for p in loud], "o", markerfacecolor=canvas.PAPER,
              markeredgecolor=colour, zorder=4)
    if gate.low is not None and gate.high is not None:
        axes.axhspan(gate.low, gate.high, color=colour, alpha=0.15, linewidth=0, zorder=1)
    if gate.estimate is not None:
        axes.axhline(gate.estimate, color=colour, linewidth=1.2, zorder=2)
    for bound in gate.bounds:
        axes.axhline(bound, color=canvas.INK, linewidth=1.4, zorder=3)
    axes.axhline(1.0, color=canvas.MUTED, linewidth=1.0, linestyle=(0, (2, 2)), zorder=2)


def draw_pairs(panels: list[tuple[GateVerdict, list[Pair]]], narrow: bool) -> Figure:
    """One panel a ratio gate: the pair of every block, in the order they were run."""
    columns = 1 if narrow or len(panels) == 1 else 2
    lines = math.ceil(len(panels) / columns)
    figure = canvas.sized(narrow, 0.4 + 1.7 * lines)
    cells = figure.subplots(lines, columns, sharex=True, squeeze=False).ravel()
    blocks = sorted({p.block for _, pairs in panels for p in pairs})
    for axes, (gate, pairs) in zip(cells, panels):
        _draw_pairs(axes, gate, pairs)
        title = _gate_title(gate)
        axes.set_title(textwrap.fill(title, 52 if narrow else 60), fontsize=8.5)
        axes.set_ylabel("ratio")
        axes.margins(y=0.12)
        axes.grid(axis="y", linewidth=0.6)
        axes.tick_params(labelbottom=True)
        axes.set_xticks(blocks if len(blocks) <= 10 else blocks[:: math.ceil(len(blocks) / 10)])
    for axes in cells[len(panels) :]:
        axes.set_visible(False)
    figure.supxlabel("block", color=canvas.MUTED, fontsize=8.5)
    return figure
