"""The run's plain tables: `runs.csv`, a row a run, and `stats.jsonl`, a line a run's counters.

Both are derived from the block records and may be rewritten at any time; the records stay the
source. Only the standard library is used here, because the harness calls this between runs.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Iterable

from harness.model import RunRecord
from harness.report.load import load_run

# What every row has, in this order, whatever the experiment measured.
FIXED_COLUMNS = (
    "block",
    "kind",
    "position",
    "workload",
    "arm",
    "started_utc",
    "counts",
    "reasons",
    "disturbed",
    "memory_csv",
)
# Metrics every run has, next, so that columns do not move between experiments.
COMMON_METRICS = (
    "wall_s",
    "user_s",
    "sys_s",
    "cpu_s",
    "minflt",
    "majflt",
    "nvcsw",
    "nivcsw",
    "peak_rss_kb",
    "ops",
    "ops_per_s",
    "ops_per_cpu_s",
)


def _number(value: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))


def _fixed(run: RunRecord) -> list[str]:
    return [
        str(run.block),
        run.kind,
        str(run.position),
        run.workload,
        run.arm,
        run.started_utc,
        "1" if run.counts else "0",
        "; ".join(run.reasons),
        "; ".join(run.disturbed),
        run.csv or "",
    ]


def runs_csv_text(runs: Iterable[RunRecord]) -> str:
    """An unmeasured cell is empty, never 0."""
    rows = list(runs)
    extra = sorted({name for run in rows for name in run.metrics} - set(COMMON_METRICS))
    metrics = [*COMMON_METRICS, *extra]
    strings = sorted({name for run in rows for name in run.strings})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*FIXED_COLUMNS, *metrics, *(f"text.{name}" for name in strings)])
    for run in rows:
        cells = [_number(run.metrics[m]) if m in run.metrics else "" for m in metrics]
        writer.writerow([*_fixed(run), *cells, *(run.strings.get(s, "") for s in strings)])
    return out.getvalue()


def stats_jsonl_text(runs: Iterable[RunRecord]) -> str:
    """Counters of the allocator's stats lines, grouped by line: {"HZ3_S62_PURGE": {...}}."""
    lines = []
    for run in runs:
        counters: dict[str, dict[str, float]] = {}
        for name, value in run.metrics.items():
            line, dot, key = name.partition(".")
            if dot:
                counters.setdefault(line, {})[key] = value
        if counters:
            head = {"block": run.block, "kind": run.kind, "workload": run.workload, "arm": run.arm}
            lines.append(json.dumps({**head, "stats": counters}, sort_keys=True) + "\n")
    return "".join(lines)


def write_runs_csv(run_dir: Path) -> Path:
    """Write `runs.csv` and `stats.jsonl` beside the blocks; returns the path of the former."""
    data = load_run(run_dir)
    path = data.root / "runs.csv"
    path.write_text(runs_csv_text(data.runs), encoding="utf-8")
    (data.root / "stats.jsonl").write_text(stats_jsonl_text(data.runs), encoding="utf-8")
    return path
