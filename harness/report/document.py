"""The document a report is made of, before it is Markdown or HTML.

A report is built once, as a flat list of parts (headings, paragraphs, tables, figures, code), and
rendered twice. So the Markdown that is pasted into a phase document and the HTML that is read on a
phone can never say different things. Text carries three marks only, **strong**, `code` and
[link](relative/file); both renderers (markdown.py, page.py) understand exactly these.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Union


@dataclass(frozen=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Callout:
    """The headline: a status word and the sentence that explains it, which a page may show as its
    clauses where these are many."""

    status: str
    text: str
    clauses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bullets:
    items: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """`align` has one letter a column: l or r. A table with many columns may say in `groups` which of
    them a page shows as one: a title and the columns in it, each column in exactly one group. The column
    with the name of its group stands alone, the others with their names."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: str
    caption: str = ""
    groups: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        width = len(self.header)
        if len(self.align) != width or any(len(row) != width for row in self.rows):
            raise ValueError(f"table {self.caption or self.header}: rows of unequal width")
        grouped = [name for _, names in self.groups for name in names]
        if self.groups and sorted(grouped) != sorted(self.header):
            raise ValueError(f"table {self.caption or self.header}: groups are not its columns")


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Figure:
    """`path` is relative to the run directory; `svg` is the same drawing for inlining, `narrow` one for
    a phone ("" where there is none). `alt` says what is to be seen, `caption` how to read it."""

    path: str
    alt: str
    svg: str
    narrow: str = ""
    caption: str = ""


Part = Union[Heading, Paragraph, Callout, Bullets, Table, Code, Figure]


@dataclass
class Document:
    title: str
    parts: list[Part] = field(default_factory=list)

    def add(self, *parts: Part) -> None:
        self.parts.extend(parts)
