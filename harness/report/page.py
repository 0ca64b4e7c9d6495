"""Renders a report document as one HTML page that needs nothing else.

Style and drawings stand inside the file, there is no script, and nothing is fetched, so the page
can be mailed, archived and opened on a phone. Colours are CSS variables with a light and a dark
set; the drawings use the same variables (see canvas.py).
"""

from __future__ import annotations

import html
import re
from typing import Callable

from harness.report.document import (
    Bullets,
    Callout,
    Code,
    Document,
    Figure,
    Heading,
    Paragraph,
    Table,
)

_MARKS = re.compile(r"\*\*(.+?)\*\*|`([^`]+)`")


def inline_html(text: str) -> str:
    """Escape text and turn its two marks into elements."""
    out: list[str] = []
    position = 0
    for mark in _MARKS.finditer(text):
        out.append(html.escape(text[position : mark.start()], quote=False))
        strong, code = mark.groups()
        if strong is not None:
            out.append(f"<strong>{html.escape(strong, quote=False)}</strong>")
        else:
            out.append(f"<code>{html.escape(code, quote=False)}</code>")
        position = mark.end()
    out.append(html.escape(text[position:], quote=False))
    return "".join(out)


def _html_row(tag: str, cells: tuple[str, ...], align: str) -> str:
    inner = "".join(
        f'<{tag} class="{"num" if a == "r" else "txt"}">{inline_html(c)}</{tag}>'
        for c, a in zip(cells, align)
    )
    return f"<tr>{inner}</tr>"


def _html_table(table: Table) -> str:
    caption = f"<caption>{inline_html(table.caption)}</caption>" if table.caption else ""
    head = _html_row("th", table.header, table.align)
    body = "\n".join(_html_row("td", row, table.align) for row in table.rows)
    # The wrapper scrolls, not the page: a wide table must not widen a phone's viewport.
    return (
        f'<div class="wide"><table>{caption}<thead>{head}</thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _html_heading(part: Heading) -> str:
    return f'<h{part.level} id="{_slug(part.text)}">{inline_html(part.text)}</h{part.level}>'


_STATUS_CLASS = {"GO": "go", "COMPLETE": "go", "NO-GO": "nogo", "INCONCLUSIVE": "open", "VOID": "void"}


def _html_callout(part: Callout) -> str:
    kind = _STATUS_CLASS.get(part.status, "open")
    return (
        f'<div class="verdict {kind}"><span class="status">{html.escape(part.status)}</span>'
        f"<p>{inline_html(part.text)}</p></div>"
    )


def _html_figure(part: Figure) -> str:
    alt = html.escape(part.alt, quote=True)
    return f'<figure role="img" aria-label="{alt}">{part.svg}<figcaption>{alt}</figcaption></figure>'


def _html_bullets(part: Bullets) -> str:
    return "<ul>" + "".join(f"<li>{inline_html(item)}</li>" for item in part.items) + "</ul>"


_HTML: dict[type, Callable[..., str]] = {
    Heading: _html_heading,
    Paragraph: lambda part: f"<p>{inline_html(part.text)}</p>",
    Callout: _html_callout,
    Bullets: _html_bullets,
    Table: _html_table,
    Code: lambda part: f"<pre><code>{html.escape(part.text, quote=False)}</code></pre>",
    Figure: _html_figure,
}

_STYLE = """
:root{--ink:#1c1f24;--muted:#5b6470;--paper:#ffffff;--panel:#f4f5f7;--line:#d5d9de;
--shade-a:#eceff3;--shade-b:#dde3ea;--go:#00664d;--nogo:#a33c00;--open:#5b4a9e;--void:#555b63;
color-scheme:light dark}
@media (prefers-color-scheme:dark){:root{--ink:#e8eaed;--muted:#a3abb5;--paper:#14171b;
--panel:#1d2126;--line:#3a414a;--shade-a:#20262d;--shade-b:#2b333c;--go:#3fc39b;--nogo:#ff9a57;
--open:#b7a6f5;--void:#b3bac2}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:64rem;padding:1rem;background:var(--paper);color:var(--ink);
font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;overflow-wrap:break-word}
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2.2rem;
border-bottom:1px solid var(--line);padding-bottom:.25rem}h3{font-size:1.02rem}
.verdict{border-left:.45rem solid;padding:.7rem 1rem;background:var(--panel);border-radius:.25rem}
.verdict p{margin:.3rem 0 0;color:var(--ink)}.status{font-weight:700;font-size:1.4rem}
.go{border-color:var(--go)}.go .status{color:var(--go)}
.nogo{border-color:var(--nogo)}.nogo .status{color:var(--nogo)}
.open{border-color:var(--open)}.open .status{color:var(--open)}
.void{border-color:var(--void)}.void .status{color:var(--void)}
.wide{overflow-x:auto;-webkit-overflow-scrolling:touch;margin:1rem 0}
table{border-collapse:collapse;font-size:.88rem;min-width:60%}
caption{text-align:left;font-weight:600;padding:.3rem 0}
th,td{padding:.35rem .6rem;border-bottom:1px solid var(--line);vertical-align:top}
th{background:var(--panel);font-weight:600}.txt{text-align:left}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code,pre{font-family:ui-monospace,"DejaVu Sans Mono",Menlo,monospace;font-size:.86em}
pre{background:var(--panel);padding:.7rem;overflow-x:auto;border-radius:.25rem}
figure{margin:1.2rem 0;overflow-x:auto}
figure svg{width:100%;min-width:34rem;height:auto;display:block}
figcaption{font-size:.85rem;color:var(--muted);margin-top:.3rem}
"""


def to_html(document: Document) -> str:
    """One file: style and drawings inside, no script, nothing fetched."""
    body = "\n".join(_HTML[type(part)](part) for part in document.parts)
    title = html.escape(document.title, quote=False)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )
