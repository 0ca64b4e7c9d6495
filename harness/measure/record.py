"""One run's record, from everything that was seen of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Optional, Sequence, Tuple

from harness.measure.disturbance import disturbances
from harness.measure.instruments import under_instrument
from harness.measure.metrics import command_metrics, metrics_of
from harness.measure.stats_lines import StatsLines, parse_stats
from harness.measure.validity import reasons
from harness.model import Failure, RunRecord, Slot


@dataclass(frozen=True)
class Asked:
    """What was to be run: `program` is None for a command; `patterns` are its figures, `under` the
    instrument (`experiment/schema.py`)."""

    program: Optional[str]
    args: Sequence[str]
    patterns: Mapping[str, str]
    sample_ms: int
    single_threaded: bool = False
    under: Optional[str] = None


@dataclass(frozen=True)
class Seen:
    """What was seen of a run: the runner's `line`, its output, the CPU time that the whole machine
    spent meanwhile (None where it cannot be read), and the file that an instrument wrote."""

    line: Mapping[str, Any]
    stdout: str
    stderr: str
    started_utc: str
    busy_s: Optional[float] = None
    counted: str = ""


def failed_record(
    block: int, kind: str, slot: Slot, seen: Seen, failure: Failure, asked: Asked
) -> RunRecord:
    """The record of a run that failed: no figure of it is kept, because none of them means anything."""
    return RunRecord(
        block=block,
        kind=kind,
        position=slot.position,
        workload=slot.workload,
        arm=slot.arm,
        started_utc=seen.started_utc,
        counts=False,
        reasons=[failure.text],
        disturbed=disturbances(seen.line, busy_s=seen.busy_s, single_threaded=asked.single_threaded),
        failure=failure,
    )


def run_record(
    block: int, kind: str, slot: Slot, asked: Asked, seen: Seen, csv: Optional[str]
) -> Tuple[RunRecord, StatsLines]:
    """The record of a run that did not fail, and the stats lines it printed. Own figures of the
    workload go before the runner's of the same name, figures read from output before both."""
    numbers, texts = metrics_of(seen.line)
    stats = parse_stats(seen.stderr)
    figures, missing = command_metrics(asked.patterns, seen.stdout + "\n" + seen.stderr)
    if asked.under is not None:
        numbers, uncounted = under_instrument(asked.under, numbers, seen.line, seen.counted)
        missing += uncounted
    metrics: Dict[str, float] = {**numbers, **stats.numbers, **figures}
    why = reasons(
        seen.line, program=asked.program, args=asked.args, missing_figures=missing, series_wanted=asked.sample_ms > 0
    )
    record = RunRecord(
        block=block,
        kind=kind,
        position=slot.position,
        workload=slot.workload,
        arm=slot.arm,
        started_utc=seen.started_utc,
        metrics=dict(sorted(metrics.items())),
        strings={**texts, **stats.texts},
        counts=not why,
        reasons=why,
        disturbed=disturbances(seen.line, busy_s=seen.busy_s, single_threaded=asked.single_threaded),
        csv=csv,
    )
    return record, stats
