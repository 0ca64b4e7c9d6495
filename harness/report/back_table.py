"""The table of when memory was back, a row an arm, for the last cycle of a lane."""

from __future__ import annotations

from typing import Optional

from harness.report.arms import describe_arm
from harness.report.document import Part, Table
from harness.report.given_back import SHARES, Point, given_back
from harness.report.load import RunData
from harness.report.series import LaneCurves


def back_table(data: RunData, lane: LaneCurves) -> list[Part]:
    """Empty for a lane in which nothing rose."""
    found = given_back(lane)
    if not found:
        return []
    last = max(back.cycle for back in found)
    rows = tuple(
        (describe_arm(data, back.arm), f"{back.peak_mib:.1f} MiB", f"{back.end_mib:.1f} MiB", *(_when(p) for p in back.points))
        for back in found
        if back.cycle == last
    )
    header = ("arm", "peak", "at the end", *(f"{share:.0%} back after".replace("%", " %") for share in SHARES))
    cycle = f", cycle {last}" if last else ""
    return [Table(header, rows, "lrrrr", f"Lane {lane.workload}{cycle}: when memory was back, counted from the first free")]


def _when(point: Optional[Point]) -> str:
    if point is None:
        return "not in this cycle"
    return f"{point.seconds:.2f} s" if point.seconds >= 1 else f"{point.seconds * 1000:.0f} ms"
