"""Plain words and units for what is measured.

The catalogue of how a metric, a phase or a status is named for a reader, and the one place where
a number becomes text. Memory is kept in KiB (as /proc gives it) and shown in MiB; durations are
kept in seconds or nanoseconds and shown in the unit that reads best.
"""

from __future__ import annotations

import math
import re
from typing import Any, Optional

PHASES = {
    "baseline": "before the burst",
    "burst": "burst",
    "free": "objects freed",
    "held": "threads held",
    "joined": "threads joined",
    "idle": "idle window",
    "end": "end",
}

# Metric stem -> (words, unit). Units decide the formatting below.
_METRICS = {
    "wall_s": ("wall time", "s"),
    "user_s": ("user time", "s"),
    "sys_s": ("system time", "s"),
    "cpu_s": ("CPU time", "s"),
    "peak_rss_kb": ("peak RSS", "kb"),
    "ops_per_s": ("speed", "rate"),
    "ops_per_cpu_s": ("speed per CPU second", "rate"),
    "ops": ("operations", "count"),
    "elapsed_ns": ("measured time", "ns"),
    "cpu_ns": ("CPU time of the measured part", "ns"),
    "minflt": ("minor page faults", "count"),
    "majflt": ("major page faults", "count"),
    "nvcsw": ("voluntary context switches", "count"),
    "nivcsw": ("involuntary context switches", "count"),
    "handover_ns": ("a cache line's way between processors before the run", "ns"),
    "handover_after_ns": ("a cache line's way between processors after the run", "ns"),
    "alloc_fail": ("failed allocations", "count"),
}

_PHASE_METRIC = re.compile(r"^(rss|firm|pss|uss|lazyfree)_(\w+?)_kb(?:@(\d+))?$")
_KINDS = {
    "rss": "RSS",
    "firm": "firm RSS",
    "pss": "PSS",
    "uss": "USS",
    "lazyfree": "LazyFree",
}

NONE = "–"


def phase(name: str) -> str:
    return PHASES.get(name, name.replace("_", " "))


def metric_words(name: str) -> str:
    """`rss_held_kb@3` -> `RSS, threads held, cycle 3`. Unknown metrics keep their name."""
    stem, _, cycle = name.partition("@")
    if stem in _METRICS:
        return _METRICS[stem][0]
    match = _PHASE_METRIC.match(name)
    if match is None:
        return f"`{name}`"
    kind, phase_name, cycle = match.groups()
    tail = f", cycle {cycle}" if cycle else ""
    return f"{_KINDS[kind]}, {phase(phase_name)}{tail}"


def lane_metric_words(name: str) -> str:
    """`idle.rss_idle_kb` -> `idle: RSS, idle window`."""
    lane, _, rest = name.partition(".")
    return f"{lane}: {metric_words(rest)}" if rest else metric_words(lane)


def unit(name: str) -> str:
    stem = name.split(".", 1)[-1].partition("@")[0]
    if stem in _METRICS:
        return _METRICS[stem][1]
    if stem.endswith("_kb"):
        return "kb"
    if stem.endswith("_ns"):
        return "ns"
    if stem.endswith("_s"):
        return "rate" if "_per_" in stem else "s"
    return "count"


def missing(value: Any) -> bool:
    if value is None or isinstance(value, str) and not value:
        return True
    return isinstance(value, float) and math.isnan(value)


def quantity(name: str, value: Optional[float]) -> str:
    """A value of metric `name` with its unit."""
    if value is None or missing(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    kind = unit(name)
    if kind == "kb":
        return f"{value / 1024:.1f} MiB"
    if kind == "rate":
        return _scaled(value, "/s")
    if kind == "s":
        return f"{value:.3f} s"
    if kind == "ns":
        return f"{value / 1e6:.1f} ms"
    return _count(value)


def _scaled(value: float, suffix: str) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.2f} {letter}{suffix}"
    return f"{value:.2f} {suffix}"


def _count(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:,.3g}"


def counted(count: int, noun: str) -> str:
    """`1 block`, `2 blocks`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def ratio(value: Optional[float]) -> str:
    """A ratio with the digits its size calls for: 0.0213, 0.982, 12.4."""
    if value is None or missing(value):
        return NONE
    if math.isinf(value):
        return "∞"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.4f}" if abs(value) < 0.1 else f"{value:.3f}"


def percent(value: Optional[float], signed: bool = False) -> str:
    """A share of one as a percentage."""
    if value is None or missing(value):
        return NONE
    if math.isinf(value):
        return "∞"
    return f"{value * 100:+.2f} %" if signed else f"{value * 100:.2f} %"


def change(estimate: Optional[float]) -> str:
    """A ratio as the change a reader thinks in: 0.06 -> −94.0 %."""
    if estimate is None or missing(estimate) or math.isinf(estimate):
        return NONE
    value = (estimate - 1) * 100
    return f"{value:+.1f} %".replace("-", "−")
