"""Every error rate as a dot beside the 5 % that are promised: a panel a gate, a row a world."""

from __future__ import annotations

from matplotlib.figure import Figure

from harness.report import canvas
from harness.truth.questions import QUESTIONS
from harness.truth.rates import LIMIT
from harness.truth.study import LOOKS, ONE_LOOK, ErrorRate
from harness.truth.worlds import WORLDS

_LEGEND = 0.08  # of the height, kept free at the foot

SERIES = (
    ("one look of 10", lambda rate: rate.cell.plan == ONE_LOOK),
    ("looks at 10/20/30/40", lambda rate: rate.cell.plan == LOOKS and not rate.extended),
    ("… and one extension to 80", lambda rate: rate.extended),
)


def draw(rates: list[ErrorRate]) -> Figure:
    figure = canvas.new_figure(9.2, 4.6)
    panels = figure.subplots(1, len(QUESTIONS), sharex=True, sharey=True)
    worlds = list(WORLDS)
    for axes, question in zip(panels, QUESTIONS):
        for place, (label, belongs) in enumerate(SERIES):
            shown = [rate for rate in rates if rate.cell.question == question and belongs(rate)]
            rows = [worlds.index(rate.cell.world) + 0.22 * (place - 1) for rate in shown]
            look = canvas.arm_look(place)
            axes.plot([rate.share * 100 for rate in shown], rows, look["marker"], color=look["color"],
                      markersize=4.5, alpha=0.7, label=label, zorder=4, markeredgewidth=0)  # fmt: skip
        axes.axvline(LIMIT * 100, color=canvas.INK, linewidth=1.4, zorder=3)
        axes.set_title(question)
        axes.grid(axis="x", linewidth=0.6)
        axes.set_xlim(-0.2, max(6.5, 0.5 + max(rate.share * 100 for rate in rates)))
    panels[0].set_yticks(range(len(worlds)), worlds)
    panels[0].invert_yaxis()
    text = "wrong answers of one kind, per cent of the experiments of a cell; line: the promise"
    panels[1].set_xlabel(text, color=canvas.MUTED)
    figure.get_layout_engine().set(rect=(0, _LEGEND, 1, 1 - _LEGEND))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="lower center", ncols=len(SERIES))
    return figure
