"""All drawings of a report: which ones this run calls for, written to plots/ and kept for the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Optional

from matplotlib.figure import Figure as Drawing

from harness.report import canvas, curves_plot, distribution_plot, gates_plot, response_plot, trade_plot, words
from harness.report.arms import describe_arm
from harness.report.document import Figure
from harness.report.headline import is_ratio
from harness.report.load import RunData
from harness.report.pairs import pairs_of
from harness.report.response import Response
from harness.report.series import LaneCurves

_CURVES_CAPTION = (
    "Line: median of the runs (how many in brackets), band: from the least to the most of any run. Each phase is stretched "
    "to the same length in every run. Of a cycle's rise half is back at the hollow circle, nine tenths at the full one."
)
_TRADE_CAPTION = "Better is right and down. A point is an arm's median."


class Figures:
    """Draws on demand; every drawing is saved as SVG and PNG under the run's plots/."""

    def __init__(self, data: RunData) -> None:
        self._data = data
        self._folder = data.root / "plots"
        self._order = data.arms()

    def _describe(self, arm: str) -> str:
        return describe_arm(self._data, arm)

    def _save(self, draw: Callable[[bool], Drawing], name: str, alt: str, caption: str) -> Figure:
        """`draw` is asked for the wide form, which is kept, and for that of a phone."""
        self._folder.mkdir(exist_ok=True)
        with canvas.style():
            drawing = draw(False)
            svg, slim = canvas.to_svg(drawing, alt), canvas.to_svg(draw(True))
            (self._folder / f"{name}.svg").write_text(svg, encoding="utf-8")
            (self._folder / f"{name}.png").write_bytes(canvas.to_png(drawing))
        page = canvas.for_page(svg, name), canvas.for_page(slim, f"slim-{name}")
        return Figure(f"plots/{name}.svg", alt, *page, caption)

    def memory(self, lane: LaneCurves) -> Figure:
        return self._save(
            lambda narrow: curves_plot.draw(lane, self._order, self._describe, narrow),
            f"memory-{lane.workload}",
            curves_plot.alt_of(lane),
            _CURVES_CAPTION,
        )

    def memory_as_published(self, workload: str) -> Optional[Figure]:
        """The drawing that a publication of an earlier harness kept in place of its curves."""
        path = self._folder / f"memory-{workload}.svg"
        if not path.exists():
            return None
        alt = f"Memory over time in lane {workload}, phases aligned"
        return Figure(f"plots/{path.name}", alt, canvas.for_page(path.read_text(encoding="utf-8"), path.stem))

    def forest(self) -> Optional[Figure]:
        verdict = self._data.verdict
        gates = gates_plot.drawable(verdict.gates) if verdict else []
        if not gates:
            return None
        alt = gates_plot.forest_alt(gates)
        return self._save(lambda narrow: gates_plot.draw_forest(gates, narrow), "gates", alt, gates_plot.FOREST_CAPTION)

    def pairs(self) -> Optional[Figure]:
        verdict = self._data.verdict
        gates = [g for g in verdict.gates if is_ratio(g)] if verdict else []
        panels = [(gate, pairs_of(self._data, gate)) for gate in gates]
        panels = [(gate, pairs) for gate, pairs in panels if pairs]
        if not panels:
            return None
        said = "; ".join(f"{gate.id} {words.ratio(min(p.ratio for p in pairs))} to {words.ratio(max(p.ratio for p in pairs))}"
                         for gate, pairs in panels)  # fmt: skip
        alt = f"The ratio of every block, gate by gate. From least to most: {said}."
        return self._save(lambda narrow: gates_plot.draw_pairs(panels, narrow), "pairs", alt, gates_plot.PAIRS_CAPTION)

    def distribution(self) -> Optional[Figure]:
        verdict = self._data.verdict
        panels = distribution_plot.panels_of(self._data, verdict) if verdict else []
        if not panels:
            return None
        return self._save(
            lambda narrow: distribution_plot.draw(panels, self._order, self._describe, narrow),
            "runs",
            distribution_plot.alt_of(panels),
            distribution_plot.CAPTION,
        )

    def response(self, found: list[Response]) -> Figure:
        """Of one flag; `found` is not empty."""
        return self._save(
            lambda narrow: response_plot.draw(found, narrow),
            f"response-{found[0].flag}",
            response_plot.alt_of(found),
            response_plot.CAPTION,
        )

    def trade(self) -> Optional[Figure]:
        trade = trade_plot.find_trade(self._data)
        if trade is None:
            return None
        return self._save(
            lambda narrow: trade_plot.draw(trade, self._order, self._describe, narrow),
            "trade",
            trade_plot.alt_of(trade, self._describe),
            _TRADE_CAPTION,
        )


def clear_plots(root: Path, keep_memory: bool) -> None:
    """Drop drawings of an earlier report, which a later verdict may not call for any more."""
    for path in sorted((root / "plots").glob("*")):
        if path.suffix in (".svg", ".png") and not (keep_memory and re.match("memory-", path.name)):
            path.unlink()
