"""The parts of a report that are about the decision: headline, gates, control, evidence, doubts."""

from __future__ import annotations

import re
from collections import Counter
from typing import Iterable, Optional

from harness.model import AA, AaVerdict, GateVerdict, RunRecord, Verdict
from harness.report import words
from harness.report.document import Bullets, Callout, Code, Heading, Paragraph, Part, Table
from harness.report.headline import beside, clauses, is_ratio, why
from harness.report.load import RunData, experiment_value

_KINDS = {"target": "target", "guard": "guard", "same": "equal", "absolute": "absolute"}


def headline(data: RunData) -> list[Part]:
    question = str(experiment_value(data.manifest, "question", "") or "")
    parts: list[Part] = []
    if data.verdict is None:
        parts.append(Callout("UNFINISHED", "This run is not complete; it has no verdict yet."))
    else:
        parts.append(Callout(data.verdict.status.value, why(data.verdict), tuple(clauses(data.verdict))))
        if more := beside(data.verdict):
            parts.append(Bullets(tuple(f"**Mind:** {line}" for line in more)))
    if question:
        parts.append(Paragraph(f"**Question.** {question}"))
    parts += _basis(data)
    return parts


def _basis(data: RunData) -> list[Part]:
    """What the verdict rests on, in one paragraph, and the judge's own reasons."""
    verdict = data.verdict
    if verdict is None:
        runs = data.measured()
        return [Paragraph(f"So far {words.counted(len({r.block for r in runs}), 'block')}, "
                          f"{words.counted(len(runs), 'run')}.")]
    quick = " This was a **quick** run: small arguments, one look." if _quick(data) else ""
    looks = f", look {verdict.look} of {verdict.looks}" if verdict.looks > 1 else ""
    parts: list[Part] = [
        Paragraph(
            f"{words.counted(verdict.blocks, 'measured block')}, "
            f"{words.counted(verdict.runs, 'run')}{looks}; "
            f"{words.counted(verdict.disturbed_runs, 'run')} disturbed by the machine.{quick}"
        )
    ]
    reasons = _beside_the_gates(verdict)
    if reasons:
        parts.append(Bullets(tuple(reasons)))
    return parts


def _beside_the_gates(verdict: Verdict) -> list[str]:
    """The judge's reasons but for its line on each gate, which the table of gates says better."""
    lines = tuple(f"{gate.id}: {gate.status.value} " for gate in verdict.gates)
    said = [*verdict.headline, *(reason for reason in verdict.reasons if lines and reason.startswith(lines))]
    return [reason for reason in verdict.reasons if reason not in said]


def _quick(data: RunData) -> bool:
    return bool(data.plan.quick if data.plan is not None else data.manifest.get("quick"))


def _bound(gate: GateVerdict) -> str:
    show = words.ratio if is_ratio(gate) else lambda v: words.quantity(gate.metric, v)
    return " … ".join(show(bound) for bound in gate.bounds) or words.NONE


def gate_cells(gate: GateVerdict) -> dict[str, str]:
    """One gate as the cells of its row, by column title."""
    show = words.ratio if is_ratio(gate) else lambda v: words.quantity(gate.metric, v)
    ends = (
        f"{show(gate.low)} … {show(gate.high)}"
        if gate.low is not None or gate.high is not None
        else words.NONE
    )
    return {
        "gate": words.lane_metric_words(gate.metric),
        "verdict": f"**{gate.status.value}**",
        "arms": f"{gate.arm} / {gate.against}" if gate.against else gate.arm,
        "median base": words.quantity(gate.metric, gate.median_base),
        "median treat": words.quantity(gate.metric, gate.median_treat),
        "estimate": show(gate.estimate),
        "change": words.change(gate.estimate) if is_ratio(gate) else words.NONE,
        "interval": ends,
        "rule": f"{gate.rule} ({_KINDS.get(gate.kind, gate.kind)})",
        "bound": _bound(gate),
        "confidence": words.percent(gate.confidence),
        "n": str(gate.n),
        "noise floor": words.percent(gate.noise_floor),
        "MDE": words.percent(gate.mde),
        "blocks still needed": words.NONE if gate.needs_blocks is None else str(gate.needs_blocks),
    }


_GATE_TEXT_COLUMNS = ("gate", "verdict", "arms", "rule")
_GATE_GROUPS = (
    ("gate", ("gate", "arms")),
    ("verdict", ("verdict", "blocks still needed")),
    ("estimate", ("estimate", "interval", "change")),
    ("rule", ("rule", "bound")),
    ("median", ("median base", "median treat")),
    ("how sure", ("n", "confidence", "noise floor", "MDE")),
)


def gates(data: RunData) -> list[Part]:
    if data.verdict is None:
        return []
    if not data.verdict.gates:
        return []
    rows = [gate_cells(gate) for gate in data.verdict.gates]
    header = tuple(rows[0])
    align = "".join("l" if name in _GATE_TEXT_COLUMNS else "r" for name in header)
    parts: list[Part] = [
        Heading(2, "Gates"),
        Table(header, tuple(tuple(row.values()) for row in rows), align, groups=_GATE_GROUPS),
    ]
    notes = [f"{words.lane_metric_words(g.metric)}: {g.note}" for g in data.verdict.gates if g.note]
    return parts + ([Bullets(tuple(notes))] if notes else [])


def _ends(line: AaVerdict) -> str:
    if line.low is None and line.high is None:
        return "too few blocks"
    return f"{words.ratio(line.low)} … {words.ratio(line.high)}"


def _control_result(line: AaVerdict) -> str:
    if not line.ok:
        return "**a difference where there is none**"
    return "no difference invented" if line.checked else line.note


def control(data: RunData) -> list[Part]:
    """The copy of base against base: what this machine calls a difference where there is none."""
    if data.verdict is None or not data.verdict.aa:
        return []
    rows = tuple(
        (
            words.lane_metric_words(line.metric),
            words.ratio(line.estimate),
            _ends(line),
            _control_result(line),
        )
        for line in data.verdict.aa
    )
    return [
        Heading(2, "Control: base against a copy of itself"),
        Table(("metric", "ratio", "interval", "result"), rows, "lrrl"),
    ]


def evidence(data: RunData) -> list[Part]:
    if data.verdict is None or not data.verdict.evidence:
        return []
    rows = tuple(
        (e.arm, e.workload or "any", f"`{e.expr}`", "yes" if e.ok else "**no**", e.seen)
        for e in data.verdict.evidence
    )
    return [
        Heading(2, "Evidence that the mechanism worked"),
        Table(("arm", "lane", "must hold", "holds", "seen"), rows, "lllll"),
    ]


def disturbances(data: RunData) -> list[Part]:
    """Runs the machine disturbed (they count) and runs that proved unusable (they do not)."""
    runs = data.measured()
    disturbed = [run for run in runs if run.disturbed]
    unusable = [run for run in runs if not run.counts]
    parts: list[Part] = [Heading(2, "Disturbances")]
    parts.append(
        Paragraph(
            f"{len(disturbed)} of {len(runs)} measured runs were disturbed (they count, and are "
            f"hollow in the plots); {len(unusable)} did not count."
        )
    )
    if disturbed:
        parts.append(_disturbed_table(data, disturbed))
    if unusable:
        parts.append(_unusable_table(unusable))
    return parts


def _by_arm(data: RunData, runs: Iterable[RunRecord]) -> str:
    counts = Counter(run.arm for run in runs)
    return ", ".join(f"{arm} {counts[arm]}" for arm in data.arms() if counts[arm])


_FIGURES = re.compile(r"[\d.]+ ?%?")


def _disturbed_table(data: RunData, runs: list[RunRecord]) -> Table:
    """Counted by kind, which is the mark without its figures, so that equal causes stand together."""
    kinds: dict[str, list[RunRecord]] = {}
    for run in runs:
        for text in run.disturbed:
            kinds.setdefault(_FIGURES.sub("", text).strip(), []).append(run)
    rows = tuple(
        (kind, str(len(kinds[kind])), _by_arm(data, kinds[kind])) for kind in sorted(kinds)
    )
    return Table(("what", "runs", "by arm"), rows, "lrl", "Disturbed runs")


_MOST_UNUSABLE_ROWS = 12


def _unusable_table(runs: list[RunRecord]) -> Table:
    rows = [
        (str(run.block), run.workload, run.arm, "; ".join(run.reasons) or "no reason recorded")
        for run in runs[:_MOST_UNUSABLE_ROWS]
    ]
    rest = len(runs) - len(rows)
    if rest > 0:
        rows.append(("…", "", "", f"and {rest} more; all are in runs.csv"))
    return Table(("block", "lane", "arm", "why"), tuple(rows), "rlll", "Runs that do not count")


_MOST_FAILED_ROWS = 20


def failed_runs(data: RunData) -> list[Part]:
    """Every attempt that failed, with the last words of the first one of each arm and lane."""
    failed = data.failed()
    if not failed:
        return []
    rows = [
        (str(run.block), run.workload, run.arm, run.failure.kind.value, run.failure.text)
        for run in failed[:_MOST_FAILED_ROWS]
        if run.failure is not None
    ]
    if len(failed) > len(rows):
        rows.append(("…", "", "", "", f"and {len(failed) - len(rows)} more in attempts.jsonl"))
    parts: list[Part] = [
        Heading(2, "Failed attempts"),
        Table(("block", "lane", "arm", "kind", "what happened"), tuple(rows), "rllll"),
    ]
    told: set[tuple[str, str]] = set()
    for run in failed:
        if run.failure is None or not run.failure.output or (run.workload, run.arm) in told:
            continue
        told.add((run.workload, run.arm))
        parts += [Paragraph(f"Last words of {run.arm} in {run.workload}:"), Code(run.failure.output)]
    return parts


def control_missing(data: RunData) -> Optional[Part]:
    """Said aloud, because a noise floor that was not measured reads like one of zero."""
    if data.verdict is None or data.verdict.aa or AA in data.arms() or not data.verdict.gates:
        return None
    return Paragraph("No copy of base was run beside it, so this run has no noise floor of its own.")
