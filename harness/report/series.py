"""Memory over time, aligned on phase marks.

Runs never take equally long, so their curves may not be averaged by the clock: a median over
"second 3" would mix one run's burst with another's idle window. Each phase of each run is therefore
stretched to the same length, and the median is taken place by place inside the phase. The drawn
width of a phase follows its median duration, with a floor so that short phases stay readable.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.model import RunRecord
from harness.report.load import RunData

POINTS_PER_PHASE = 24
_LEAST_SHARE = 0.7  # of an even share: no phase is drawn narrower

PhaseKey = tuple[str, int]  # (phase, cycle)
Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """One phase on the common axis. `seconds` is its median duration over all runs."""

    phase: str
    cycle: int
    start: float
    end: float
    seconds: float


@dataclass(frozen=True)
class ArmCurves:
    """What `runs` runs kept, place by place on the common axis `x`, in MiB: the middle, and the least and
    the most of any run."""

    arm: str
    runs: int
    x: Array
    median: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class LaneCurves:
    workload: str
    spans: tuple[Span, ...]
    arms: tuple[ArmCurves, ...]
    left_out: int  # runs whose phases were not those of the others, or without a readable series


@dataclass(frozen=True)
class _RunSeries:
    arm: str
    keys: tuple[PhaseKey, ...]
    seconds: tuple[float, ...]
    pieces: tuple[Array, ...]


def _read(path: Path) -> Optional[pd.DataFrame]:
    try:
        frame = pd.read_csv(path, usecols=["t_ms", "rss_kb", "phase", "cycle"])
    except (OSError, ValueError, pd.errors.EmptyDataError):
        return None
    frame = frame.dropna(subset=["t_ms", "rss_kb"]).sort_values("t_ms", kind="stable")
    frame["phase"] = frame["phase"].fillna("").astype(str)
    frame["cycle"] = frame["cycle"].fillna(0).astype(int)
    return frame if len(frame) >= 2 else None


def _inside(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows inside phases; all of them, as one phase, when the workload marks none."""
    inside = (frame["phase"] != "") & (frame["phase"] != "end")
    return frame[inside] if inside.any() else frame.assign(phase="", cycle=0)


def _split(arm: str, frame: pd.DataFrame) -> _RunSeries:
    """Cut a run into phases and resample each at equal places.

    The runner writes a row at the mark that ends a phase, under that phase's name: a phase lasts
    from the last row of the one before it to its own last row. Values come from the whole series,
    so a curve has no jump where two phases meet.
    """
    times, rss = frame["t_ms"].to_numpy(float), frame["rss_kb"].to_numpy(float) / 1024
    rows = _inside(frame)
    number = (rows[["phase", "cycle"]] != rows[["phase", "cycle"]].shift()).any(axis=1).cumsum()
    last = rows.groupby(number).last()
    before = times[times < float(rows["t_ms"].iloc[0])]
    begin = before[-1] if len(before) else float(rows["t_ms"].iloc[0])
    ends = last["t_ms"].to_numpy(float)
    starts = np.concatenate([[begin], ends[:-1]])
    grid = np.linspace(0.0, 1.0, POINTS_PER_PHASE)
    pieces = tuple(np.interp(s + grid * (e - s), times, rss) for s, e in zip(starts, ends))
    keys = tuple((str(p), int(c)) for p, c in zip(last["phase"], last["cycle"]))
    return _RunSeries(arm, keys, tuple((ends - starts) / 1000), pieces)


def _usable(data: RunData, workload: str) -> list[RunRecord]:
    return [
        run
        for run in data.measured()
        if run.workload == workload and run.counts and run.csv is not None
    ]


def layout(keys: tuple[PhaseKey, ...], seconds: Array) -> tuple[Span, ...]:
    """Phase widths: duration's share, floored, on an axis from 0 to 1."""
    total = float(seconds.sum()) or 1.0
    floor = _LEAST_SHARE / len(keys)
    widths = np.maximum(seconds / total, floor)
    edges = np.concatenate([[0.0], np.cumsum(widths / widths.sum())])
    return tuple(
        Span(phase, cycle, float(edges[i]), float(edges[i + 1]), float(seconds[i]))
        for i, (phase, cycle) in enumerate(keys)
    )


def axis_of(spans: tuple[Span, ...]) -> Array:
    """The places of all phases on the common axis."""
    return np.concatenate([np.linspace(s.start, s.end, POINTS_PER_PHASE) for s in spans])


def clock_of(spans: tuple[Span, ...]) -> Array:
    """Seconds since the first phase began at every place, by the phases' median durations."""
    ends = np.cumsum([span.seconds for span in spans])
    return np.concatenate([np.linspace(e - s.seconds, e, POINTS_PER_PHASE) for s, e in zip(spans, ends)])


def _arm_curves(arm: str, x: Array, rows: Array) -> ArmCurves:
    """To a KiB: what curves.csv holds is what is drawn."""
    middle, low, high = (np.round(f(rows, axis=0), 3) for f in (np.median, np.min, np.max))
    return ArmCurves(arm, len(rows), x, middle, low, high)


def lane_curves(data: RunData, workload: str) -> Optional[LaneCurves]:
    """The aligned curves of one lane; None when no run has a series."""
    records = _usable(data, workload)
    frames = [(run.arm, _read(data.root / str(run.csv))) for run in records]
    runs = [_split(arm, frame) for arm, frame in frames if frame is not None]
    if not runs:
        return None
    keys, _ = Counter(run.keys for run in runs).most_common(1)[0]
    alike = [run for run in runs if run.keys == keys]
    spans = layout(keys, np.round(np.median([run.seconds for run in alike], axis=0), 6))
    x = axis_of(spans)
    curves = []
    for arm in data.arms():
        rows = [np.concatenate(run.pieces) for run in alike if run.arm == arm]
        if rows:
            curves.append(_arm_curves(arm, x, np.vstack(rows)))
    return LaneCurves(workload, spans, tuple(curves), len(records) - len(alike))
