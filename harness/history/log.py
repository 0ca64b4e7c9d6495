"""history.csv: appended to; no row is ever changed.

All rows of a run are written in one go under a lock and are on disk before the run's report is. A row is
a line with its end; what a crash cut short is no row, even where it looks like one, and makes room for the
next append. The same rows are
not appended twice, so that a run whose end is repeated (a disk that was full, the same command again)
is told once; a run that was extended adds its new answer, and its last rows hold.
"""

from __future__ import annotations

import csv
import fcntl
import io
import os
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from harness.errors import UserError
from harness.history.row import COLUMNS, Row
from harness.run.store import disk_errors

NAME = "history.csv"


def append(path: Path, rows: Sequence[Row]) -> None:
    if not rows:
        return
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            stream.seek(0)
            text = stream.read()
            whole = text[: text.rfind(b"\n") + 1]
            known = set(parse(text.decode("utf-8", "replace"), path))
            fresh = [row for row in rows if row not in known]
            if not fresh:
                return
            stream.truncate(len(whole))
            stream.write((b"" if whole else _line(COLUMNS)) + b"".join(_line(row.cells()) for row in fresh))
            stream.flush()
            os.fsync(stream.fileno())


def read(path: Path) -> List[Row]:
    """The rows that hold, oldest first: of each run and gate the last."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    return last_of_each(parse(text, path))


def parse(text: str, path: Path) -> List[Row]:
    """Every whole line, in order; cells hold no line ends."""
    *lines, rest = text.split("\n")
    head = ",".join(COLUMNS)
    if lines[0] != head if lines else not head.startswith(rest):
        raise UserError(f"{path}: is no history of this harness (its first line is not {head}); move it away")
    rows = []
    for cells in csv.reader(lines[1:]):
        if len(cells) != len(COLUMNS):
            continue  # edited by hand, or of a disk that lost a part
        try:
            rows.append(Row.from_cells(dict(zip(COLUMNS, cells))))
        except ValueError:
            continue
    return rows


def last_of_each(rows: Sequence[Row]) -> List[Row]:
    kept: Dict[Tuple[str, str, str], Row] = {(row.experiment, row.run, row.gate): row for row in rows}
    return sorted(kept.values(), key=lambda row: (row.time, row.run))


def _line(cells: Sequence[str]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(" ".join(cell.splitlines()) for cell in cells)
    return out.getvalue().encode()
