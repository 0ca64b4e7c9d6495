"""The plain tables of a run, for other tools: `runs.csv`, a row a run, and `stats.jsonl`, a line a run
and stats line. Both are pure functions of the block records, which stay the source; where these are
not at hand (a publication), `blocks_of_csv` has their figures again.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Dict, List, Mapping, Optional, Sequence

from harness.model import BlockRecord, RunRecord

LEADING = ("block", "kind", "position", "workload", "arm", "started_utc", "counts", "reasons", "disturbed", "csv")

# Figures every run has, first and in this order, so that columns do not move between experiments.
COMMON = ("wall_s", "user_s", "sys_s", "cpu_s", "minflt", "majflt", "nvcsw", "nivcsw", "peak_rss_kb")

_TEXT = "text."


def runs_csv(blocks: Sequence[BlockRecord]) -> str:
    """A figure that was not measured is an empty cell, never 0. Numbers read back as the same."""
    runs = [run for block in blocks for run in block.runs]
    figures = [*COMMON, *sorted({name for run in runs for name in run.metrics} - set(COMMON))]
    texts = sorted({name for run in runs for name in run.strings})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*LEADING, *figures, *(f"{_TEXT}{name}" for name in texts)])
    for run in runs:
        cells = [_cell(run.metrics.get(name)) for name in figures]
        writer.writerow([*_leading(run), *cells, *(run.strings.get(name, "") for name in texts)])
    return out.getvalue()


def blocks_of_csv(text: str) -> List[BlockRecord]:
    """The blocks that a runs.csv was made from: every figure, text and reason; no plan key, no padding and
    not what a failure printed, which the table does not hold. Columns may have been added by hand."""
    reader = csv.DictReader(io.StringIO(text))
    absent = [name for name in LEADING if name not in (reader.fieldnames or ())]
    if absent:
        raise ValueError(f"there is no column {absent[0]}")
    blocks: Dict[int, BlockRecord] = {}
    for row in reader:
        run = _run_of_row(row)
        blocks.setdefault(run.block, BlockRecord("", run.block, run.kind, 0, [])).runs.append(run)
    return [blocks[index] for index in sorted(blocks)]


def _run_of_row(row: Mapping[str, Optional[str]]) -> RunRecord:
    cells = {name: value for name, value in row.items() if name not in LEADING and value}
    lead = {name: row[name] or "" for name in LEADING}
    return RunRecord(
        block=int(lead["block"]),
        kind=lead["kind"],
        position=int(lead["position"]),
        workload=lead["workload"],
        arm=lead["arm"],
        started_utc=lead["started_utc"],
        metrics={name: float(value) for name, value in cells.items() if not name.startswith(_TEXT)},
        strings={name[len(_TEXT) :]: value for name, value in cells.items() if name.startswith(_TEXT)},
        counts=lead["counts"] == "1",
        reasons=lead["reasons"].split("; ") if lead["reasons"] else [],
        disturbed=lead["disturbed"].split("; ") if lead["disturbed"] else [],
        csv=lead["csv"] or None,
    )


def stats_jsonl(blocks: Sequence[BlockRecord]) -> str:
    """{block, kind, workload, arm, line, values} for every stats line of every run."""
    out: List[str] = []
    for run in (run for block in blocks for run in block.runs):
        lines: Dict[str, Dict[str, Any]] = {}
        for name, value in [*run.metrics.items(), *run.strings.items()]:
            line, dot, key = name.partition(".")
            if dot:
                lines.setdefault(line, {})[key] = value
        head = {"block": run.block, "kind": run.kind, "workload": run.workload, "arm": run.arm}
        out += [json.dumps({**head, "line": line, "values": lines[line]}, sort_keys=True) + "\n" for line in sorted(lines)]
    return "".join(out)


def _leading(run: RunRecord) -> List[str]:
    return [
        str(run.block),
        run.kind,
        str(run.position),
        run.workload,
        run.arm,
        run.started_utc,
        str(int(run.counts)),
        "; ".join(run.reasons),
        "; ".join(run.disturbed),
        run.csv or "",
    ]


def _cell(value: Optional[float]) -> str:
    if value is None:
        return ""
    return str(int(value)) if value == int(value) and abs(value) < 2**53 else repr(float(value))
