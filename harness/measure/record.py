"""One run's record, from everything that was seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from harness.measure.disturbance import disturbances
from harness.measure.metrics import command_metrics, metrics_of
from harness.measure.stats_lines import StatsLines, parse_stats
from harness.measure.validity import reasons
from harness.model import RunRecord, Slot


@dataclass(frozen=True)
class Asked:
    """What was to be run: `program` is None for a command; `patterns` are its figures."""

    program: Optional[str]
    args: Sequence[str]
    patterns: Mapping[str, str]
    sample_ms: int


def run_record(
    block: int, kind: str, slot: Slot, asked: Asked, line: Mapping[str, Any], *, stdout: str, stderr: str, started_utc: str, csv: Optional[str]
) -> Tuple[RunRecord, StatsLines]:
    """The record of a run that did not fail, and the stats lines it printed. Own figures of the
    workload go before the runner's of the same name, figures read from output before both."""
    numbers, texts = metrics_of(line)
    stats = parse_stats(stderr)
    figures, missing = command_metrics(asked.patterns, stdout + "\n" + stderr)
    metrics: Dict[str, float] = {**numbers, **stats.numbers, **figures}
    why = reasons(line, program=asked.program, args=asked.args, missing_figures=missing, series_wanted=asked.sample_ms > 0)
    record = RunRecord(
        block=block,
        kind=kind,
        position=slot.position,
        workload=slot.workload,
        arm=slot.arm,
        started_utc=started_utc,
        metrics=dict(sorted(metrics.items())),
        strings={**texts, **stats.texts},
        counts=not why,
        reasons=why,
        disturbed=disturbances(line),
        csv=csv,
    )
    return record, stats
