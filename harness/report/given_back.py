"""When memory was back: how long an arm took to return half, and nine tenths, of a cycle's rise.

The rise is what the cycle's peak lies above the start of the run. The clock begins where the burst ends
and freeing begins; in a lane without that phase, at the peak. The moment is where the median curve first
reaches the level, its time by the median durations of the phases.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

import numpy as np

from harness.report.series import POINTS_PER_PHASE, ArmCurves, Array, LaneCurves, clock_of

BURST = "burst"
SHARES = (0.5, 0.9)
_LEAST_RISE_MIB = 1.0  # below this there is nothing to give back


@dataclass(frozen=True)
class Point:
    """A moment on a curve: its place on the common axis, the level there, seconds since the clock began."""

    x: float
    rss_mib: float
    seconds: float


@dataclass(frozen=True)
class GivenBack:
    """`points` has one entry for each of SHARES; None where the cycle ended before."""

    arm: str
    cycle: int
    peak_mib: float
    end_mib: float
    points: tuple[Optional[Point], ...]


def given_back(lane: LaneCurves) -> list[GivenBack]:
    """By arm and cycle; cycles that did not rise are left out."""
    clock = clock_of(lane.spans)
    cycles = np.repeat([span.cycle for span in lane.spans], POINTS_PER_PHASE)
    bursts = np.repeat([span.phase == BURST for span in lane.spans], POINTS_PER_PHASE)
    found = []
    for curves in lane.arms:
        for cycle in dict.fromkeys(span.cycle for span in lane.spans):
            places = np.flatnonzero(cycles == cycle)
            burst = np.flatnonzero((cycles == cycle) & bursts)
            one = _of_cycle(curves, cycle, places, int(burst[-1]) if len(burst) else None, clock)
            if one is not None:
                found.append(one)
    return found


def _of_cycle(curves: ArmCurves, cycle: int, places: Array, begin: Optional[int], clock: Array) -> Optional[GivenBack]:
    values = curves.median[places]
    peak = float(values.max())
    rise = peak - float(curves.median[0])
    if rise < _LEAST_RISE_MIB:
        return None
    if begin is None:
        begin = int(places[np.flatnonzero(values == peak)[-1]])
    after = places[places >= begin]
    points = tuple(_first_below(curves, after, clock, peak - share * rise) for share in SHARES)
    return GivenBack(curves.arm, cycle, peak, float(values[-1]), points)


def _first_below(curves: ArmCurves, places: Array, clock: Array, level: float) -> Optional[Point]:
    """Between the last place above and the first at or below, in proportion."""
    values = curves.median[places]
    below = np.flatnonzero(values <= level)
    if len(below) == 0:
        return None
    to = int(below[0])
    at = max(to - 1, 0)
    drop = float(values[at] - values[to])
    part = (float(values[at]) - level) / drop if drop > 0 else 1.0
    i, j = places[at], places[to]
    x = float(curves.x[i] + part * (curves.x[j] - curves.x[i]))
    when = float(clock[i] + part * (clock[j] - clock[i]))
    return Point(x, level, when - float(clock[places[0]]))
