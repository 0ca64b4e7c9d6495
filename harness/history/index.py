"""The history as an SQLite file, for questions in SQL: `sqlite3 results/history.sqlite`.

Derived: it carries the digest of the CSV that it was made from, and is made again whenever that is not
the CSV of now, or the file is damaged. Nothing is ever read from it that the CSV does not say.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import List, Optional, Tuple

from harness.history.log import read
from harness.history.row import COLUMNS, Row
from harness.run.store import disk_errors

_TABLE = f"""
create table runs ({', '.join(f'"{name}" {"real" if name in ("ratio", "low", "high") else "text"}' for name in COLUMNS)});
create index series on runs (experiment, gate, machine, work, time);
create table made_from (digest text);
"""


def rows(csv: Path, experiment: Optional[str] = None, gate: Optional[str] = None) -> List[Row]:
    """The rows of the CSV, oldest first; of one experiment or gate if asked."""
    index = csv.with_suffix(".sqlite")
    if not csv.exists():
        return []
    digest = hashlib.sha256(csv.read_bytes()).hexdigest()
    if _digest(index) != digest:
        rebuild(csv, index, digest)
    with closing(sqlite3.connect(index)) as base:
        asked = "select * from runs where (?1 is null or experiment = ?1) and (?2 is null or gate = ?2) order by time, run"
        return [Row(*cells) for cells in base.execute(asked, (experiment, gate))]


def rebuild(csv: Path, index: Path, digest: str) -> None:
    """Made aside and moved into place, so that a reader never sees half of one."""
    aside = index.with_name(f".{index.name}.{os.getpid()}")
    with disk_errors(index):
        aside.unlink(missing_ok=True)
        try:
            with closing(sqlite3.connect(aside)) as base, base:
                base.executescript(_TABLE)
                marks = ", ".join("?" * len(COLUMNS))
                base.executemany(f"insert into runs values ({marks})", [_values(row) for row in read(csv)])
                base.execute("insert into made_from values (?)", (digest,))
            os.replace(aside, index)
        except sqlite3.Error as error:
            raise OSError(5, str(error), str(index)) from error
        finally:
            aside.unlink(missing_ok=True)


def _values(row: Row) -> Tuple[object, ...]:
    return tuple(getattr(row, name) for name in COLUMNS)


def _digest(index: Path) -> Optional[str]:
    if not index.exists():
        return None
    try:
        with closing(sqlite3.connect(index)) as base:
            found = base.execute("select digest from made_from").fetchone()
            return str(found[0]) if found else None
    except sqlite3.Error:
        return None  # damaged, or of another kind
