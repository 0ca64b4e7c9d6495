"""curves.csv: the curves of memory over time as they are drawn, kept where the series are not.

A row an arm and place; `place` counts inside a phase, whose median duration is `seconds`. With it a
publication is drawn again without its run.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional

import numpy as np

from harness.errors import UserError
from harness.report.series import POINTS_PER_PHASE, ArmCurves, LaneCurves, axis_of, layout

CURVES = "curves.csv"
COLUMNS = ("lane", "left_out", "arm", "runs", "phase", "cycle", "seconds", "place", "median_mib", "low_mib", "high_mib")


def curves_csv(lanes: Iterable[LaneCurves]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for lane in lanes:
        for arm in lane.arms:
            for at, (middle, low, high) in enumerate(zip(arm.median, arm.low, arm.high)):
                span = lane.spans[at // POINTS_PER_PHASE]
                where = (lane.workload, lane.left_out, arm.arm, arm.runs, span.phase, span.cycle, repr(span.seconds))
                writer.writerow([*where, at % POINTS_PER_PHASE, *(f"{value:.3f}" for value in (middle, low, high))])
    return out.getvalue()


def read_curves(path: Path, workload: str) -> Optional[LaneCurves]:
    """The lane's curves as `curves_csv` wrote them; None where it has none."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = [row for row in csv.DictReader(stream) if row["lane"] == workload]
        return _lane(workload, rows) if rows else None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is no table of curves ({error}); was it written by another version?") from error


def _lane(workload: str, rows: list[dict[str, str]]) -> LaneCurves:
    arms = list(dict.fromkeys(row["arm"] for row in rows))
    first = [row for row in rows if row["arm"] == arms[0]][::POINTS_PER_PHASE]
    keys = tuple((row["phase"], int(row["cycle"])) for row in first)
    spans = layout(keys, np.array([float(row["seconds"]) for row in first]))
    curves = tuple(_arm(arm, [row for row in rows if row["arm"] == arm], len(spans)) for arm in arms)
    x = axis_of(spans)
    drawn = tuple(ArmCurves(arm, runs, x, *values) for arm, runs, values in curves)
    return LaneCurves(workload, spans, drawn, int(rows[0]["left_out"]))


def _arm(arm: str, rows: list[Mapping[str, str]], spans: int) -> tuple[str, int, list[np.ndarray]]:
    if len(rows) != spans * POINTS_PER_PHASE:
        raise ValueError(f"{arm} has {len(rows)} places")
    columns = [np.array([float(row[name]) for row in rows]) for name in ("median_mib", "low_mib", "high_mib")]
    return arm, int(rows[0]["runs"]), columns
