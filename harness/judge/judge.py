"""The verdict on an experiment: a pure function of experiment, records, build facts, circumstances.

Judging again gives the same bytes, so a verdict can be checked by anyone who has the records. The
data is taken up to the last look that the plan foresaw; blocks beyond it wait for the next, because
judging whenever one likes is what makes chance look like a result. Each rule that can void or
decide stands in a file of its own, which says what accident it prevents.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Optional

from harness.experiment import Design, Experiment, Gate, lane_look_counts, look_alphas, look_counts
from harness.judge.control import Control, check_aa, smallest_margin
from harness.judge.disturbed import is_sensitive, share
from harness.judge.equal_arms import as_equal_arms
from harness.judge.evidence import evaluate_evidence
from harness.judge.facts import disqualified_arms, same_bytes
from harness.judge.gates import evaluate_gate, gate_kind
from harness.judge.headline import headline
from harness.judge.pairs import RunTable, collect
from harness.judge.reliability import Reliability, reliability
from harness.judge.targets import overall, pay_for_choice
from harness.judge.text import plural
from harness.model import (
    AA,
    BASE,
    MEASURED,
    TREAT,
    ArmFacts,
    BlockRecord,
    Circumstances,
    EvidenceVerdict,
    GateVerdict,
    RunRecord,
    Status,
    Verdict,
)

Levels = Callable[[Design, Sequence[int]], list[float]]  # as `look_alphas`


def judge(
    experiment: Experiment,
    blocks: Sequence[BlockRecord],
    facts: Sequence[ArmFacts],
    circumstances: Circumstances = Circumstances(),
    levels: Levels = look_alphas,
) -> Verdict:
    """The verdict on `experiment` (options applied). `blocks` may come in any order; `facts` must
    name every hz3 arm, references only where something is wrong with them. `levels` is how the looks
    share the error; `harness/truth` compares this rule with others."""
    counts = look_counts(experiment.design)
    measured = sum(block.kind == MEASURED for block in blocks)
    look = sum(count <= measured for count in counts)
    failed = reliability(experiment, all_attempts(blocks, circumstances))
    unusable = _unusable(blocks, measured, counts)
    if unusable:
        status = failed.status if measured < counts[0] and failed.status else Status.VOID
        reasons = [unusable] if failed.status is None else [*failed.findings, unusable]
        return Verdict(experiment.id, status, reasons, [], [], [], measured, 0, 0, look,
                       len(counts), headline=failed.findings)  # fmt: skip
    table = RunTable(blocks, counts[look - 1])
    evidence = evaluate_evidence(experiment, table)
    arms = disqualified_arms(experiment, facts)
    controls = _controls(experiment, table, len(counts))
    void_arms = _void_by_arm(arms, evidence)
    gates = _judge_gates(experiment, table, controls, void_arms, facts, levels)
    void = [reason for reasons in arms.values() for reason in reasons]
    void += _evidence_reasons(evidence) + _aa_reasons(experiment, controls)
    if experiment.kind == "table":
        void += _table_holes(experiment, table)
    status = _status(experiment, gates, void, failed, circumstances)
    if failed.status is None:  # else the failed runs, not what they left of the figures, decide
        void += [f"{gate.id}: {gate.note}" for gate in gates if gate.status == Status.VOID]
    reasons = failed.findings + _unique(void)
    reasons += [_line(gate) for gate in gates if gate.status != Status.VOID]
    reasons += failed.others + _remarks(table, measured - counts[look - 1])
    disturbed = sum(bool(run.disturbed) for run in table.runs)
    aa = [control.verdict for control in controls.values()]
    verdict = Verdict(experiment.id, status, reasons, gates, aa, evidence, len(table.blocks),
                      len(table.runs), disturbed, look, len(counts))  # fmt: skip
    return replace(verdict, headline=headline(experiment, verdict, table, failed, circumstances))


def all_attempts(
    blocks: Sequence[BlockRecord], circumstances: Circumstances
) -> list[RunRecord]:
    """Every run made, once: those of complete blocks, and what else was tried."""
    runs = [run for block in blocks for run in block.runs]
    if not circumstances.attempts:
        return runs
    counted = Counter(json.dumps(run.to_json(), sort_keys=True) for run in runs)
    for run in circumstances.attempts:
        text = json.dumps(run.to_json(), sort_keys=True)
        if counted[text] > 0:
            counted[text] -= 1
        else:
            runs.append(run)
    return runs


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


def _controls(experiment: Experiment, table: RunTable, looks: int) -> dict[str, Control]:
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
        checks = len(metrics) * looks
        controls[metric] = check_aa(metric, pairs, smallest_margin(gates), checks)
    return controls


def _judge_gates(
    experiment: Experiment,
    table: RunTable,
    controls: dict[str, Control],
    void_arms: dict[str, list[str]],
    facts: Sequence[ArmFacts],
    levels: Levels,
) -> list[GateVerdict]:
    def at_share(gate: Gate, divisor: int = 1) -> GateVerdict:
        """The gate at its error divided by `divisor`."""
        control = controls.get(gate.metric)
        void = [r for arm in (gate.arm, gate.against) for r in void_arms.get(arm, [])]
        void += same_bytes(experiment, gate, facts)
        if control is not None and not control.verdict.ok and experiment.kind == "ab":
            void.append("the copy of base differs from base")
        cap = experiment.workloads[gate.lane].blocks
        pairs = collect(table, gate.lane, gate.key, (gate.arm, gate.against), cap)
        alpha = _alpha_now(experiment, gate, len(table.blocks), levels) / divisor
        if experiment.kind == "aa":  # the pairs are the control, which cannot object to itself
            plain = None if control is None else replace(control, logs=(), doubt="")
            return as_equal_arms(gate, evaluate_gate(gate, pairs, alpha, plain, _unique(void)), control)
        objection = _disturbed(experiment, table, gate)
        return evaluate_gate(gate, pairs, alpha, control, _unique(void), objection)

    verdicts: list[GateVerdict] = []
    for gate in experiment.gates:
        verdict = at_share(gate)
        verdicts.append(replace(verdict, id=_free_id(verdict.id, verdicts)))
    if experiment.any_target and experiment.kind == "ab":
        pay_for_choice(experiment, verdicts, lambda i, k: at_share(experiment.gates[i], k).status)
    return verdicts


def _alpha_now(experiment: Experiment, gate: Gate, measured: int, levels: Levels) -> float:
    """The error of the lane's last look at or before `measured` blocks."""
    counts = lane_look_counts(experiment, gate.lane)
    at = max(0, sum(count <= measured for count in counts) - 1)
    return levels(experiment.design, counts)[at]


def _disturbed(experiment: Experiment, table: RunTable, gate: Gate) -> str:
    """A clause when the machine had its hands in too many of the gate's blocks."""
    disturbed, blocks = share(table, gate, experiment.workloads[gate.lane].blocks)
    most = float(experiment.design.disturbed_most)
    if not is_sensitive(experiment, gate) or disturbed <= most * blocks:
        return ""
    return (
        f"the machine disturbed {disturbed} of {plural(blocks, 'block')}, more than the "
        f"{most:.0%} that may decide; run it again on a quieter machine"
    )


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


def _status(
    experiment: Experiment,
    gates: Sequence[GateVerdict],
    void: Sequence[str],
    failed: Reliability,
    circumstances: Circumstances,
) -> Status:
    """What disqualifies an arm voids all; failed runs come next, then the gates. A GO that some
    gates had no say in is PARTIAL."""
    if void and (failed.status is None or failed.status is Status.VOID):
        return Status.VOID
    if failed.status is not None:
        return failed.status
    if any(gate.status == Status.VOID for gate in gates):
        return Status.VOID
    status = overall(experiment, gates)
    return Status.PARTIAL if status is Status.GO and circumstances.dropped_gates else status


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
