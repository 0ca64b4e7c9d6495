"""Plausible figures: values that no measurement gives decide nothing.

Prevents the accident that −5, NaN, a constant or a run of two milliseconds passes a gate. A time or
a rate is above zero, comes from a run of at least 50 ms, and does not repeat to the last digit;
counters and memory sizes are exact and may be anything but negative.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.experiment.figures import is_exact
from harness.judge.text import plural
from harness.model import RunRecord

LEAST_WALL_S = 0.05  # one scheduler tick is 4 ms: below this it would already be 8 %
LEAST_RUNS = 5  # so many equal figures in either arm are no coincidence


def too_short(run: RunRecord, key: str) -> str:
    """A clause when the run was too short for a time or rate to mean anything, else nothing."""
    wall_s = run.metrics.get("wall_s")
    if is_exact(key) or wall_s is None or wall_s >= LEAST_WALL_S:
        return ""
    return (
        f"it took {wall_s * 1000:.2g} ms, and a figure of speed needs a run of "
        f"{LEAST_WALL_S * 1000:.0f} ms or more; raise the lane's arguments"
    )


def impossible(key: str, values: Sequence[float]) -> str:
    """A clause about figures that cannot be what the metric's name says, else nothing."""
    if not values:
        return ""
    worst = min(values)
    if worst < 0:
        return f"{key} is {worst:g}; no measurement is below 0"
    if not is_exact(key) and worst == 0:
        return f"{key} is 0 in a run; a time or a rate is above 0"
    return ""


def constant(key: str, arm: Sequence[float], against: Sequence[float]) -> str:
    """A clause when a time or rate repeats to the last digit in both arms, else nothing."""
    if is_exact(key) or min(len(arm), len(against)) < LEAST_RUNS:
        return ""
    if len(set(arm)) > 1 or len(set(against)) > 1:
        return ""
    return (
        f"{key} is the same to the last digit in {plural(len(arm) + len(against), 'run')}; "
        "no measured time or rate is: look at what prints it"
    )
