"""The drawings of the decisions: every gate's interval against its bound, and its pairs by block.

Gates differ by orders of magnitude (a memory ratio of 0.05, a speed ratio of 1.00 ± 0.02), so each
stands on an axis of its own; one shared axis would hide the guards that matter most.
"""

from __future__ import annotations

import math
import re
from typing import Optional

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.model import GateVerdict
from harness.report import canvas, words
from harness.report.headline import is_ratio
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
    shown = words.ratio(gate.estimate) if is_ratio(gate) else words.quantity(gate.metric, gate.estimate)
    return f"{gate.status.value}   {shown}   ({gate.rule}, n = {gate.n})"


def drawable(gates: list[GateVerdict]) -> list[GateVerdict]:
    return [g for g in gates if g.estimate is not None and math.isfinite(g.estimate)]


def draw_forest(gates: list[GateVerdict]) -> Figure:
    """`gates` must be drawable and not empty."""
    figure = canvas.new_figure(8.0, 0.45 + 1.12 * len(gates))
    rows = figure.subplots(len(gates), 1, squeeze=False)[:, 0]
    for axes, gate in zip(rows, gates):
        axes.set_xlim(_limits(gate))
        axes.set_ylim(-1, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        _draw_background(axes, gate)
        _draw_interval(axes, gate)
        axes.set_title(_gate_title(gate), fontsize=9.5, pad=4)
        axes.set_title(_gate_result(gate), fontsize=8.5, loc="right", pad=4, fontweight="normal")
        axes.tick_params(axis="x", labelsize=8.5)
    figure.supxlabel(
        "diamond: estimate, bar: interval; solid line: bound; green: where the gate says GO;\n"
        "grey: this run's noise floor around 1 (dotted). Each gate has its own scale.",
        fontsize=8.5,
        color=canvas.MUTED,
    )
    return figure


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


def draw_pairs(panels: list[tuple[GateVerdict, list[Pair]]]) -> Figure:
    """One panel a ratio gate: the pair of every block, in the order they were run."""
    figure = canvas.new_figure(8.0, 0.5 + 1.75 * len(panels))
    rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for axes, (gate, pairs) in zip(rows, panels):
        _draw_pairs(axes, gate, pairs)
        axes.set_title(_gate_title(gate), fontsize=9.5)
        axes.set_ylabel("ratio")
        axes.margins(y=0.12)
        axes.grid(axis="y", linewidth=0.6)
    blocks = sorted({p.block for _, pairs in panels for p in pairs})
    rows[-1].set_xticks(blocks if len(blocks) <= 20 else blocks[:: len(blocks) // 10])
    rows[-1].set_xlabel(
        "block (time runs right). Filled: undisturbed, hollow: disturbed; solid line: bound;\n"
        "band: interval; dotted: no difference",
        color=canvas.MUTED,
        fontsize=8.5,
    )
    return figure
