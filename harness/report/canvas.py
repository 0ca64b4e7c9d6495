"""How every drawing looks, and how it becomes SVG and PNG with the same bytes each time.

Colours: the Okabe–Ito set, told apart by readers with any common colour vision, each arm with a
line style or marker as well. Ink, grid and paper are drawn in marker colours that no data uses;
in the HTML page they become CSS variables, so one drawing serves light and dark. Text stays text
in the SVG: small files, legible at any size, and found by a search.
"""

from __future__ import annotations

import io
import re
from typing import Any

import matplotlib

matplotlib.use("Agg", force=False)

from matplotlib.axes import Axes  # noqa: E402  (the backend is chosen first)
from matplotlib.figure import Figure  # noqa: E402

INK, MUTED, LINE, PAPER = "#1c1f24", "#5b6470", "#d5d9de", "#ffffff"
SHADE_A, SHADE_B = "#eceff3", "#dde3ea"

_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    SHADE_A: "var(--shade-a)",
    SHADE_B: "var(--shade-b)",
}

# base, treat, then others in the order the experiment names them.
_OKABE_ITO = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")
_STYLES = ("-", "-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STATUS_COLOURS = {
    "GO": "#009e73",
    "COMPLETE": "#0072b2",
    "NO-GO": "#d55e00",
    "INCONCLUSIVE": "#7b68b8",
    "VOID": "#7f868f",
}

_RC = {
    "svg.hashsalt": "hz3-lab",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": PAPER,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": LINE,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "path.simplify": True,
    "path.simplify_threshold": 0.3,
}


def style() -> Any:
    """The drawing context: every figure is made inside `with style():`."""
    return matplotlib.rc_context(_RC)


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure without pyplot, which would keep it alive in a global list."""
    return Figure(figsize=(width_in, height_in), layout="constrained")


def arm_look(index: int) -> dict[str, Any]:
    """Colour, line style and marker of the arm at this place in the report's order."""
    return {
        "color": _OKABE_ITO[index % len(_OKABE_ITO)],
        "linestyle": _STYLES[index % len(_STYLES)],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


def legend_below(axes: Axes, offset: float) -> None:
    """A legend under the axes, where it can hide no data; `offset` in axes heights."""
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -offset), ncols=3, handlelength=3.2, borderaxespad=0
    )


def to_svg(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def to_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()


def for_page(svg: str, prefix: str) -> str:
    """The drawing as it stands inside a page: no prologue, own ids, themed colours, any font."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r"url\(#", f"url(#{prefix}-", body)
    body = re.sub(r'xlink:href="#', f'href="#{prefix}-', body)
    body = body.replace("'DejaVu Sans'", "'DejaVu Sans',system-ui")
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, variable)
    # Text without a fill of its own is black by default, which a dark page would swallow.
    return body.replace("<svg ", '<svg fill="currentColor" ', 1)
