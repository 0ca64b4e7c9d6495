"""One table, as people paste it and as programs read it.

A cell has a value and the text of it: Markdown shows the text with its unit, CSV and JSON hold the
value in the metric's own unit (KiB, seconds, per second). What was not measured is an empty cell or
null, never 0.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

from harness.report.document import Table
from harness.report.markdown import table_text

Value = Union[str, float, int, None]


@dataclass(frozen=True)
class Cell:
    value: Value
    text: str


@dataclass(frozen=True)
class Column:
    """`key` names it for programs, `title` for people; None for a column that only programs get."""

    key: str
    title: Optional[str]
    right: bool = True


@dataclass(frozen=True)
class Sheet:
    """`run` says which run it is of: experiment and run id."""

    run: Tuple[str, str]
    caption: str
    columns: Tuple[Column, ...]
    rows: Tuple[Tuple[Cell, ...], ...]


def word(text: str) -> Cell:
    return Cell(text, text)


def hidden(value: Value) -> Cell:
    """For a column that only programs get."""
    return Cell(value, "")


def markdown(sheets: Sequence[Sheet]) -> str:
    return "\n\n".join(_table(sheet) for sheet in sheets) + "\n"


def _table(sheet: Sheet) -> str:
    shown = [i for i, column in enumerate(sheet.columns) if column.title is not None]
    header = tuple(sheet.columns[i].title or "" for i in shown)
    align = "".join("r" if sheet.columns[i].right else "l" for i in shown)
    rows = tuple(tuple(row[i].text for i in shown) for row in sheet.rows)
    return table_text(Table(header, rows, align, sheet.caption))


def csv_text(sheets: Sequence[Sheet]) -> str:
    """One table for all runs: a column that one of them lacks is empty there."""
    keys = list(dict.fromkeys(column.key for sheet in sheets for column in sheet.columns))
    out = io.StringIO()
    writer = csv.DictWriter(out, ["experiment", "run", *keys], restval="", lineterminator="\n")
    writer.writeheader()
    for record in records(sheets):
        writer.writerow({key: "" if value is None else value for key, value in record.items()})
    return out.getvalue()


def records(sheets: Sequence[Sheet]) -> List[Dict[str, Any]]:
    """A mapping a row, for --json."""
    return [
        {"experiment": sheet.run[0], "run": sheet.run[1], **{c.key: cell.value for c, cell in zip(sheet.columns, row)}}
        for sheet in sheets
        for row in sheet.rows
    ]
