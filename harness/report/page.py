"""Renders a report document as one HTML page that needs nothing else.

Style (page_style.py) and drawings stand inside the file, there is no script, and nothing is fetched, so
the page can be mailed, archived, printed and opened on a phone. There a table of more than three columns
becomes a card a row, each figure beside the name of its column, and a drawing its narrow form.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
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
from harness.report.page_style import STYLE
from harness.report.words import NONE

_MARKS = re.compile(r"\*\*(.+?)\*\*|`([^`]+)`|\[([^\[\]]+)\]\(([\w./-]+)\)")


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


def inline_html(text: str) -> str:
    """Escape text and turn its three marks into elements."""
    out: list[str] = []
    position = 0
    for mark in _MARKS.finditer(text):
        out.append(_escaped(text[position : mark.start()]))
        strong, code, label, target = mark.groups()
        if strong is not None:
            kind = STATUS_CLASS.get(strong)
            out.append(f'<strong class="s-{kind}">{strong}</strong>' if kind else f"<strong>{_escaped(strong)}</strong>")
        elif code is not None:
            out.append(f"<code>{_escaped(code)}</code>")
        else:
            out.append(f'<a href="{target}">{_escaped(label)}</a>')
        position = mark.end()
    out.append(_escaped(text[position:]))
    return "".join(out)


STATUS_CLASS = {"GO": "go", "COMPLETE": "go", "NO-GO": "nogo", "INCONCLUSIVE": "open", "PARTIAL": "open", "VOID": "void"}

_FEWEST_CARD_COLUMNS, _FEWEST_LISTED_CLAUSES = 4, 3


@dataclass(frozen=True)
class _Cell:
    """What stands in one cell of a page's table, as HTML."""

    inner: str
    kind: str  # txt, num or grp


def _plain(cells: tuple[str, ...], align: str) -> list[_Cell]:
    return [_Cell(inline_html(text), "num" if a == "r" else "txt") for text, a in zip(cells, align)]


def _grouped(table: Table, row: tuple[str, ...]) -> list[_Cell]:
    """The row's cells by group; but for the column that gives a group its title, a column stands with its
    name less that title, and is left out where the row has no figure for it."""
    named = dict(zip(table.header, row))
    cells = []
    for title, names in table.groups:
        lines = []
        for name in names:
            if name == title:
                lines.append(f'<div class="main">{inline_html(named[name])}</div>')
            elif named[name] != NONE:
                label = name.removeprefix(f"{title} ")
                lines.append(f'<div class="kv"><span>{_escaped(label)}</span> <b>{inline_html(named[name])}</b></div>')
        cells.append(_Cell("".join(lines), "grp txt"))
    return cells


def _html_row(cells: list[_Cell], titles: list[str], cards: bool) -> str:
    inner = []
    for cell, title in zip(cells, titles):
        label = f' data-label="{html.escape(title.replace("`", ""))}"' if cards and title else ""
        inner.append(f'<td class="{cell.kind}"{label}>{cell.inner}</td>')
    return f"<tr>{''.join(inner)}</tr>"


def _html_table(table: Table) -> str:
    caption = f"<caption>{inline_html(table.caption)}</caption>" if table.caption else ""
    if table.groups:
        titles = [title for title, _ in table.groups]
        align = "l" * len(titles)
        rows = [_grouped(table, row) for row in table.rows]
    else:
        titles, align = list(table.header), table.align
        rows = [_plain(row, align) for row in table.rows]
    cards = len(titles) >= _FEWEST_CARD_COLUMNS
    head = "".join(
        f'<th scope="col" class="{"num" if a == "r" else "txt"}">{inline_html(title)}</th>' for title, a in zip(titles, align)
    )
    body = "\n".join(_html_row(cells, titles, cards) for cells in rows)
    look = " ".join(name for name, is_so in (("cards", cards), ("full", bool(table.groups))) if is_so)
    # The wrapper scrolls, not the page, should a table be wider than a window in spite of all this.
    return (
        f'<div class="wide"><table class="{look}">{caption}<thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></div>"
    )


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _contents(document: Document) -> str:
    """Links to the sections, in a row."""
    sections = [part.text for part in document.parts if isinstance(part, Heading) and part.level == 2]
    links = [f'<a href="#{_slug(text)}">{inline_html(text)}</a>' for text in sections]
    return f'<nav aria-label="contents">{"".join(links)}</nav>\n' if len(links) > 2 else ""


def _html_heading(part: Heading) -> str:
    return f'<h{part.level} id="{_slug(part.text)}">{inline_html(part.text)}</h{part.level}>'


def _html_callout(part: Callout) -> str:
    kind = STATUS_CLASS.get(part.status, "open")
    many = len(part.clauses) >= _FEWEST_LISTED_CLAUSES
    said = _html_bullets(Bullets(part.clauses)) if many else f"<p>{inline_html(part.text)}</p>"
    return (
        f'<div class="verdict {kind}"><span class="status">{html.escape(part.status)}</span>'
        f"{said}</div>"
    )


def _html_figure(part: Figure) -> str:
    """Each drawing is an image with a text of its own, for those who hear the page."""
    alt = html.escape(part.alt, quote=True)
    caption = f"<figcaption>{inline_html(part.caption)}</figcaption>" if part.caption else ""
    drawings = [(part.svg, "has-slim" if part.narrow else "alone"), (part.narrow, "slim")]
    inner = "".join(
        f'<div class="drawing {kind}"><svg role="img" aria-label="{alt}" {svg.partition("<svg ")[2]}</div>'
        for svg, kind in drawings
        if svg
    )
    return f"<figure>{inner}{caption}</figure>"


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

def to_html(document: Document) -> str:
    """One file: style and drawings inside, no script, nothing fetched."""
    body = "\n".join(_HTML[type(part)](part) for part in document.parts)
    title = html.escape(document.title, quote=False)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{title}</h1>\n{_contents(document)}<main>\n{body}\n</main>\n</body>\n</html>\n"
    )
