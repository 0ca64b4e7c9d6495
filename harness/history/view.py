"""Series as text: a line of blocks a person sees a step in, the newest figures, the changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Sequence, Tuple

from harness.history.changes import Change, changes
from harness.history.row import Row
from harness.report import words

_BARS = "▁▂▃▄▅▆▇█"
_SHOWN = 40


@dataclass(frozen=True)
class Series:
    """Runs that may be set beside each other, oldest first. `usable` are those with a ratio; the changes
    are indices into these."""

    key: Tuple[str, str, str, str]
    rows: List[Row]
    usable: List[Row]
    changes: List[Change]

    @property
    def name(self) -> str:
        return f"{self.key[0]} {self.key[1]}"


def series_of(rows: Sequence[Row]) -> List[Series]:
    """Grouped, in the order in which they first appear."""
    groups: Dict[Tuple[str, str, str, str], List[Row]] = {}
    for row in rows:
        groups.setdefault(row.series, []).append(row)
    return [_series(key, group) for key, group in groups.items()]


def _series(key: Tuple[str, str, str, str], rows: List[Row]) -> Series:
    usable = [row for row in rows if row.ratio is not None and row.ratio > 0]
    return Series(key, rows, usable, changes([float(row.ratio or 0) for row in usable]))


def text(found: Sequence[Series]) -> str:
    return "\n\n".join(_text(series) for series in found)


def _text(series: Series) -> str:
    last = series.rows[-1]
    lines = [
        f"{series.name}  (machine {last.machine}, work {last.work}, {words.counted(len(series.rows), 'run')})",
        f"  {sparkline([float(row.ratio or 0) for row in series.usable])}",
        f"  {last.time}  {last.commit[:13]}  {interval(last)}  {last.status}",
    ]
    lines += [f"  change: {_change(series, change)}" for change in series.changes]
    return "\n".join(lines)


def _change(series: Series, change: Change) -> str:
    first = series.usable[change.at]
    size = words.change(change.ratio)
    return f"since {first.time}, {first.commit[:13]}: {words.ratio(change.before)} -> {words.ratio(change.after)} ({size})"


def sparkline(values: Sequence[float]) -> str:
    """The last values between the smallest and the largest, in logs; one level if they are all equal."""
    logs = [math.log(value) for value in values[-_SHOWN:]]
    if not logs:
        return "no run of it gave a ratio"
    low, high = min(logs), max(logs)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    bars = "".join(_BARS[round((x - low) * scale)] for x in logs)
    return f"{bars}  {words.ratio(math.exp(low))} … {words.ratio(math.exp(high))}"


def interval(row: Row) -> str:
    if row.ratio is None:
        return words.NONE
    if row.low is None or row.high is None:
        return words.ratio(row.ratio)
    return f"{words.ratio(row.ratio)} [{words.ratio(row.low)}, {words.ratio(row.high)}]"


def as_json(found: Sequence[Series]) -> List[Dict[str, Any]]:
    return [
        {
            "experiment": series.key[0],
            "gate": series.key[1],
            "machine": series.key[2],
            "work": series.key[3],
            "runs": [{k: getattr(row, k) for k in ("time", "commit", "run", "ratio", "low", "high", "status")} for row in series.rows],
            "changes": [
                {
                    "since": series.usable[c.at].time,
                    "commit": series.usable[c.at].commit,
                    "run": series.usable[c.at].run,
                    "before": c.before,
                    "after": c.after,
                }
                for c in series.changes
            ],
        }
        for series in found
    ]
