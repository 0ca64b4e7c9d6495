"""All drawings of a report: which ones this run calls for, written to plots/ and kept for the page."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

from matplotlib.figure import Figure as Drawing

from harness.report import canvas, curves_plot, gates_plot, trade_plot
from harness.report.arms import describe_arm
from harness.report.document import Figure
from harness.report.headline import is_ratio
from harness.report.load import RunData
from harness.report.pairs import pairs_of
from harness.report.series import lane_curves


class Figures:
    """Draws on demand; every drawing is saved as SVG and PNG under the run's plots/."""

    def __init__(self, data: RunData) -> None:
        self._data = data
        self._folder = data.root / "plots"
        self._order = data.arms()

    def _describe(self, arm: str) -> str:
        return describe_arm(self._data, arm)

    def _save(self, drawing: Drawing, name: str, alt: str) -> Figure:
        self._folder.mkdir(exist_ok=True)
        svg = canvas.to_svg(drawing)
        (self._folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (self._folder / f"{name}.png").write_bytes(canvas.to_png(drawing))
        return Figure(f"plots/{name}.svg", alt, canvas.for_page(svg, name))

    def memory(self, workload: str) -> Optional[Figure]:
        lane = lane_curves(self._data, workload)
        if lane is None:
            return None
        alt = f"Memory over time in lane {workload}, phases aligned"
        if lane.left_out:
            alt += f"; left out for other phases or no series: {lane.left_out}"
        with canvas.style():
            drawing = curves_plot.draw(lane, self._order, self._describe)
            return self._save(drawing, f"memory-{workload}", alt)

    def forest(self) -> Optional[Figure]:
        verdict = self._data.verdict
        gates = gates_plot.drawable(verdict.gates) if verdict else []
        if not gates:
            return None
        with canvas.style():
            return self._save(
                gates_plot.draw_forest(gates), "gates", "Each gate's interval against its bound"
            )

    def pairs(self) -> Optional[Figure]:
        verdict = self._data.verdict
        gates = [g for g in verdict.gates if is_ratio(g)] if verdict else []
        panels = [(gate, pairs_of(self._data, gate)) for gate in gates]
        panels = [(gate, pairs) for gate, pairs in panels if pairs]
        if not panels:
            return None
        with canvas.style():
            return self._save(
                gates_plot.draw_pairs(panels), "pairs", "The ratio of every block, gate by gate"
            )

    def trade(self) -> Optional[Figure]:
        trade = trade_plot.find_trade(self._data)
        if trade is None:
            return None
        with canvas.style():
            drawing = trade_plot.draw(trade, self._order, self._describe)
            return self._save(drawing, "trade", "Speed against idle memory, one point an arm")


def clear_plots(root: Path) -> None:
    """Drop drawings of an earlier report, which a later verdict may not call for any more."""
    for path in sorted((root / "plots").glob("*")):
        if path.suffix in (".svg", ".png"):
            path.unlink()
