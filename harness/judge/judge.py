"""The verdict on an experiment: a pure function of experiment, block records and build facts.

Judging again gives the same bytes, so a verdict can be checked by anyone who has the records. The
data is taken up to the last look that the plan foresaw; blocks beyond it wait for the next, because
judging whenever one likes is what makes chance look like a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Optional

from harness.experiment import (
    Experiment,
    Gate,
    alpha_per_look,
    lane_look_counts,
    look_counts,
)
from harness.judge.control import Control, check_aa, smallest_margin
from harness.judge.equal_arms import as_equal_arms
from harness.judge.evidence import evaluate_evidence
from harness.judge.facts import disqualified_arms, same_bytes
from harness.judge.gates import evaluate_gate, gate_kind
from harness.judge.pairs import RunTable, collect
from harness.judge.text import plural
from harness.model import (
    AA,
    BASE,
    MEASURED,
    TREAT,
    ArmFacts,
    BlockRecord,
    EvidenceVerdict,
    GateVerdict,
    Status,
    Verdict,
)


def judge(
    experiment: Experiment, blocks: Sequence[BlockRecord], facts: Sequence[ArmFacts]
) -> Verdict:
    """The verdict on `experiment` (options applied). `blocks` may come in any order; `facts` must
    name every hz3 arm, references only where something is wrong with them."""
    counts = look_counts(experiment.design)
    measured = sum(block.kind == MEASURED for block in blocks)
    look = sum(count <= measured for count in counts)
    unusable = _unusable(blocks, measured, counts)
    if unusable:
        return Verdict(experiment.id, Status.VOID, [unusable], [], [], [], measured, 0, 0, look,
                       len(counts))  # fmt: skip
    table = RunTable(blocks, counts[look - 1])
    evidence = evaluate_evidence(experiment, table)
    arms = disqualified_arms(experiment, facts)
    controls = _controls(experiment, table)
    gates = _judge_gates(experiment, table, controls, _void_by_arm(arms, evidence), facts)
    void = [reason for reasons in arms.values() for reason in reasons]
    void += _evidence_reasons(evidence) + _aa_reasons(experiment, controls)
    void += [f"{gate.id}: {gate.note}" for gate in gates if gate.status == Status.VOID]
    if experiment.kind == "table":
        void += _table_holes(experiment, table)
    status = _overall(experiment, gates, bool(void))
    reasons = _unique(void) + [_line(gate) for gate in gates if gate.status != Status.VOID]
    reasons += _remarks(table, measured - counts[look - 1])
    disturbed = sum(bool(run.disturbed) for run in table.runs)
    aa = [control.verdict for control in controls.values()]
    return Verdict(experiment.id, status, reasons, gates, aa, evidence, len(table.blocks),
                   len(table.runs), disturbed, look, len(counts))  # fmt: skip


def next_look(experiment: Experiment, verdict: Verdict) -> Optional[int]:
    """How many measured blocks to have before judging again; None when the run is over. A VOID run
    is over: more blocks do not mend missing evidence."""
    counts = look_counts(experiment.design)
    if verdict.look == 0:
        return counts[0] if verdict.blocks < counts[0] else None
    if verdict.status != Status.INCONCLUSIVE or verdict.look >= len(counts):
        return None
    return counts[verdict.look]


def _unusable(blocks: Sequence[BlockRecord], measured: int, counts: list[int]) -> str:
    indices = [block.index for block in blocks]
    twice = sorted({i for i in indices if indices.count(i) > 1})
    if twice:
        return f"block {twice[0]} is recorded twice; keep the original record"
    if len({block.plan_key for block in blocks}) > 1:
        return "the blocks belong to different plans; judge each run by itself"
    if measured == 0:
        return "nothing was measured; run the experiment"
    if measured < counts[0]:
        return f"unfinished: {measured} of {plural(counts[0], 'block')}; run it again to go on"
    return ""


def _controls(experiment: Experiment, table: RunTable) -> dict[str, Control]:
    """The A/A check of every metric under a ratio gate; in kind aa, treat is the copy."""
    copy = TREAT if experiment.kind == "aa" else AA
    if experiment.kind == "table" or copy not in experiment.arm_ids:
        return {}
    metrics: dict[str, list[Gate]] = {}
    for gate in experiment.gates:
        if gate_kind(gate) != "absolute":
            metrics.setdefault(gate.metric, []).append(gate)
    controls = {}
    for metric, gates in metrics.items():
        lane, key = gates[0].lane, gates[0].key
        pairs = collect(table, lane, key, (copy, BASE), experiment.workloads[lane].blocks)
        controls[metric] = check_aa(metric, pairs, smallest_margin(gates), len(metrics))
    return controls


def _judge_gates(
    experiment: Experiment,
    table: RunTable,
    controls: dict[str, Control],
    void_arms: dict[str, list[str]],
    facts: Sequence[ArmFacts],
) -> list[GateVerdict]:
    verdicts: list[GateVerdict] = []
    for gate in experiment.gates:
        control = controls.get(gate.metric)
        void = [r for arm in (gate.arm, gate.against) for r in void_arms.get(arm, [])]
        void += same_bytes(experiment, gate, facts)
        if control is not None and not control.verdict.ok and experiment.kind == "ab":
            void.append("the copy of base differs from base")
        cap = experiment.workloads[gate.lane].blocks
        pairs = collect(table, gate.lane, gate.key, (gate.arm, gate.against), cap)
        looks = len(lane_look_counts(experiment, gate.lane))
        alpha = alpha_per_look(experiment.design, looks)
        floor = control.floor if control else None
        verdict = evaluate_gate(gate, pairs, alpha, floor, _unique(void))
        if experiment.kind == "aa":
            verdict = as_equal_arms(gate, verdict, control)
        verdicts.append(replace(verdict, id=_free_id(verdict.id, verdicts)))
    return verdicts


def _free_id(wanted: str, taken: Iterable[GateVerdict]) -> str:
    count = sum(gate.id.split("#")[0] == wanted for gate in taken)
    return f"{wanted}#{count + 1}" if count else wanted


def _void_by_arm(
    arms: dict[str, list[str]], evidence: Sequence[EvidenceVerdict]
) -> dict[str, list[str]]:
    void = {arm: list(reasons) for arm, reasons in arms.items()}
    for e in evidence:
        if not e.ok:
            void.setdefault(e.arm, []).append(f"no evidence for {e.arm}: {e.expr}")
    return void


def _evidence_reasons(evidence: Sequence[EvidenceVerdict]) -> list[str]:
    return [
        f"evidence missing, arm {e.arm}, lane {e.workload}: {e.expr} ({e.seen})"
        for e in evidence
        if not e.ok
    ]


def _aa_reasons(experiment: Experiment, controls: dict[str, Control]) -> list[str]:
    if experiment.kind == "aa":  # there each gate says it
        return []
    reasons = []
    for metric, control in controls.items():
        found = control.verdict
        if found.ok:
            continue
        if found.estimate is None:
            reasons.append(f"A/A: the copy of base gives no figures for {metric}")
        else:
            text = f"{found.estimate:.4g} [{found.low or 0:.4g}, {found.high or 0:.4g}]"
            reasons.append(f"A/A: the copy of base differs from base on {metric}: {text}")
    return reasons


def _table_holes(experiment: Experiment, table: RunTable) -> list[str]:
    return [
        f"{lane}: no run of {arm} counts"
        for lane in experiment.workloads
        for arm in experiment.lane_arms(lane)
        if not any(run.counts for run in table.lane(lane, arm))
    ]


def _overall(experiment: Experiment, gates: Sequence[GateVerdict], void: bool) -> Status:
    """A void anything voids all; a broken guard or no target reached is NO-GO; GO needs every guard
    and, of the targets, all decided and one reached."""
    if void:
        return Status.VOID
    if experiment.kind == "table":
        return Status.COMPLETE
    if experiment.kind == "aa":
        return Status.INCONCLUSIVE
    targets = [v.status for g, v in zip(experiment.gates, gates) if g.is_target]
    guards = [v.status for g, v in zip(experiment.gates, gates) if not g.is_target]
    if Status.NO_GO in guards or (targets and all(s == Status.NO_GO for s in targets)):
        return Status.NO_GO
    if Status.INCONCLUSIVE in guards + targets:
        return Status.INCONCLUSIVE
    return Status.GO


def _line(gate: GateVerdict) -> str:
    if gate.estimate is None:
        return f"{gate.id}: {gate.status}"
    interval = "no interval"
    if gate.low is not None and gate.high is not None:
        interval = f"[{gate.low:.4g}, {gate.high:.4g}]"
    note = f"; {gate.note}" if gate.note else ""
    return f"{gate.id}: {gate.status} ({gate.rule}): {gate.estimate:.4g} {interval}{note}"


def _remarks(table: RunTable, beyond: int) -> list[str]:
    remarks = []
    disturbed = sum(bool(run.disturbed) for run in table.runs)
    if disturbed:
        remarks.append(f"the machine disturbed {disturbed} of {plural(len(table.runs), 'run')}")
    lost = [run for run in table.runs if not run.counts]
    if lost:
        why = _unique(reason for run in lost for reason in run.reasons)
        text = f"{len(lost)} of {plural(len(table.runs), 'run')} did not count"
        remarks.append(f"{text}: {'; '.join(why[:3])}" if why else text)
    if beyond:
        remarks.append(f"{plural(beyond, 'block')} after the last look wait for the next")
    return remarks


def _unique(items: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(items))
