"""How every drawing looks, and how it becomes SVG and PNG with the same bytes each time.

Colours: the Okabe–Ito set, two of them darkened to be seen on white, told apart by readers with any
common colour vision, each arm with a line style or marker as well. In the HTML page every colour becomes
a CSS variable (page_style.py), so one drawing serves light and dark. Text stays text in the SVG: small
files, legible at any size, and found by a search. A drawing is made twice, wide and for a phone.
"""

from __future__ import annotations

import html
import io
import re
from typing import Any

import matplotlib

matplotlib.use("Agg", force=False)

from matplotlib.axes import Axes  # noqa: E402  (the backend is chosen first)
from matplotlib.figure import Figure  # noqa: E402

INK, MUTED, LINE, PAPER = "#1c1f24", "#56606b", "#d5d9de", "#ffffff"
SHADE_A, SHADE_B = "#eceff3", "#dde3ea"

# base, treat, then others in the order the experiment names them.
_ARM_COLOURS = ("#0072b2", "#d55e00", "#008a65", "#b5598b", "#a87000", "#2f8fc4", "#7a5c22")
_STYLES = ("-", "-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 2)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

STATUS_COLOURS = {
    "GO": "#00795b",
    "COMPLETE": "#00795c",
    "NO-GO": "#c24f00",
    "INCONCLUSIVE": "#6b57b0",
    "PARTIAL": "#6b57b1",
    "VOID": "#6d757f",
}

_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    LINE: "var(--line)",
    PAPER: "var(--paper)",
    SHADE_A: "var(--shade-a)",
    SHADE_B: "var(--shade-b)",
    **{colour: f"var(--arm-{index})" for index, colour in enumerate(_ARM_COLOURS)},
    STATUS_COLOURS["GO"]: "var(--s-go)",
    STATUS_COLOURS["COMPLETE"]: "var(--s-go)",
    STATUS_COLOURS["NO-GO"]: "var(--s-nogo)",
    STATUS_COLOURS["INCONCLUSIVE"]: "var(--s-open)",
    STATUS_COLOURS["PARTIAL"]: "var(--s-open)",
    STATUS_COLOURS["VOID"]: "var(--s-void)",
}

# Of drawings that publications of an earlier harness keep.
_FORMER_VARIABLES = {
    "#5b6470": "var(--muted)",
    "#009e73": "var(--arm-2)",
    "#cc79a7": "var(--arm-3)",
    "#e69f00": "var(--arm-4)",
    "#56b4e9": "var(--arm-5)",
    "#8c6d31": "var(--arm-6)",
}

WIDE_IN, NARROW_IN = 10.0, 4.2

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


def sized(narrow: bool, height_in: float) -> Figure:
    """A figure of a report, for a phone or for everything else."""
    return new_figure(NARROW_IN if narrow else WIDE_IN, height_in)


def arm_look(index: int) -> dict[str, Any]:
    """Colour, line style and marker of the arm at this place in the report's order."""
    return {
        "color": _ARM_COLOURS[index % len(_ARM_COLOURS)],
        "linestyle": _STYLES[index % len(_STYLES)],
        "marker": _MARKERS[index % len(_MARKERS)],
    }


def legend_below(axes: Axes, offset: float, narrow: bool) -> None:
    """A legend under the axes, where it can hide no data; `offset` in axes heights."""
    axes.legend(
        loc="upper left", bbox_to_anchor=(0, -offset), ncols=1 if narrow else 3, handlelength=3.2, borderaxespad=0
    )


def to_svg(figure: Figure, alt: str = "") -> str:
    """`alt`, if there is one, becomes the title of the drawing, for whoever meets the file alone."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    if not alt:
        return buffer.getvalue()
    head, svg, rest = buffer.getvalue().partition("<svg ")
    attributes, _, body = rest.partition(">")
    return f"{head}{svg}{attributes}>\n <title>{html.escape(alt, quote=False)}</title>{body}"


def alt_of(svg: str) -> str:
    """The title that `to_svg` gave a drawing; empty for one made without."""
    found = re.search(r"<title>(.*?)</title>", svg, flags=re.DOTALL)
    return html.unescape(found[1]) if found else ""


def to_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=160, metadata={"Software": None})
    return buffer.getvalue()


def for_page(svg: str, prefix: str) -> str:
    """The drawing as it stands inside a page: no prologue, own ids, themed colours, any font."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r"\s*<(metadata|title)>.*?</\1>", "", body, flags=re.DOTALL)
    body = re.sub(r' xmlns(:xlink)?="[^"]*"', "", body)
    body = re.sub(r'\bid="', f'id="{prefix}-', body)
    body = re.sub(r"url\(#", f"url(#{prefix}-", body)
    body = re.sub(r'xlink:href="#', f'href="#{prefix}-', body)
    body = body.replace("'DejaVu Sans'", "'DejaVu Sans',system-ui")
    for colour, variable in {**_VARIABLES, **_FORMER_VARIABLES}.items():
        body = body.replace(colour, variable)
    # Text without a fill of its own is black by default, which a dark page would swallow.
    return body.replace("<svg ", '<svg fill="currentColor" ', 1)
