"""The tables of medians: every arm in every lane, speed and memory, peers told apart by setting.

Medians are for reading; the gates decide on paired intervals. A peer as it comes and a peer that was
tuned stand in different rows and say which they are.
"""

from __future__ import annotations

from harness.report import words
from harness.report.arms import describe_arm, setting
from harness.report.document import Heading, Paragraph, Part, Table
from harness.report.load import RunData, experiment_value

_SPEED_COLUMNS = (
    "ops_per_s",
    "ops_per_cpu_s",
    "cpu_s",
    "wall_s",
    "peak_rss_kb",
    "minflt",
)
_PHASE_COLUMNS = ("held", "joined")
# Shown beside these when a lane reports them and nothing above does, e.g. a command's own figures.
_KNOWN_OTHERS = frozenset(
    {"user_s", "sys_s", "majflt", "nvcsw", "nivcsw", "ops", "elapsed_ns", "cpu_ns", "alloc_fail"}
)
_MOST_OWN_FIGURES = 4


def _own_figures(data: RunData, workload: str) -> list[str]:
    """Figures that only this lane has: a command's `metrics:`; never counters or phase memory."""
    lane = (experiment_value(data.manifest, "workloads", {}) or {}).get(workload) or {}
    names = list(lane.get("metrics") or {})
    return [name for name in names if name not in _KNOWN_OTHERS][:_MOST_OWN_FIGURES]


def speed_table(data: RunData, workload: str) -> Table:
    columns = [m for m in (*_own_figures(data, workload), *_SPEED_COLUMNS) if data.has(workload, m)]
    rows = []
    for arm in data.arms():
        runs = [r for r in data.measured() if r.workload == workload and r.arm == arm]
        if not runs:
            continue
        cells = [words.quantity(m, data.median(workload, arm, m)) for m in columns]
        counting = sum(run.counts for run in runs)
        rows.append((describe_arm(data, arm), setting(data, arm), *cells, str(counting)))
    header = ("arm", "setting", *(words.metric_words(m) for m in columns), "runs")
    return Table(header, tuple(rows), "ll" + "r" * (len(columns) + 1), f"Lane {workload}: medians")


def _memory_columns(data: RunData, workload: str) -> list[tuple[str, str]]:
    """(metric, title) for RSS of each cycle and firm RSS of the last, threads held and joined."""
    columns = []
    for phase in _PHASE_COLUMNS:
        stem = f"rss_{phase}_kb"
        for cycle in data.cycles(workload, stem):
            columns.append((f"{stem}@{cycle}", f"{words.phase(phase)}, cycle {cycle}"))
        if not data.cycles(workload, stem) and data.has(workload, stem):
            columns.append((stem, words.phase(phase)))
    for phase in _PHASE_COLUMNS:
        if data.has(workload, f"firm_{phase}_kb"):
            columns.append((f"firm_{phase}_kb", f"firm, {words.phase(phase)}"))
    return columns


def memory_table(data: RunData, workload: str) -> list[Part]:
    """Empty for a lane without phase marks."""
    columns = _memory_columns(data, workload)
    if not columns:
        return []
    rows = []
    for arm in data.arms():
        values = [data.median(workload, arm, metric) for metric, _ in columns]
        if any(value is not None for value in values):
            cells = [words.quantity(m, v) for (m, _), v in zip(columns, values)]
            rows.append((describe_arm(data, arm), setting(data, arm), *cells))
    header = ("arm", "setting", *(title for _, title in columns))
    caption = f"Lane {workload}: RSS at the end of each phase, medians"
    parts: list[Part] = [Table(header, tuple(rows), "ll" + "r" * len(columns), caption)]
    idle = data.idle_phase(workload)
    if idle:
        parts.append(
            Paragraph(
                f"In lane {workload} the idle window is the phase **{words.phase(idle)}**; it is what "
                f"“idle window” means in the gates. Firm RSS is RSS less LazyFree, last cycle."
            )
        )
    return parts


def medians(data: RunData) -> list[Part]:
    parts: list[Part] = [Heading(2, "Medians")]
    for workload in data.workloads():
        if any(run.workload == workload for run in data.measured()):
            parts.append(speed_table(data, workload))
            parts += memory_table(data, workload)
    return parts if len(parts) > 1 else []
