"""Evidence: an arm counts only when its counters say that it did what it stands for.

Every run of a lane that counts must satisfy the expression. An expression that claims firing
(> >= !=) has to hold in one lane at least, since a mechanism for thread exit has nothing to do in a
one-thread lane; one that sets a limit (== < <=) has to hold in every lane that prints the counter.
Naming the lane (`idle.HZ3_S62_PURGE.pages_purged > 0`) asks for it there. A counter nobody printed
is no evidence. In the result, `ok` False means that the arm is void.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.experiment import EvidenceExpr, Experiment, parse_evidence
from harness.judge.pairs import RunTable
from harness.judge.text import plural
from harness.model import EvidenceVerdict


@dataclass(frozen=True)
class _Lane:
    """What one lane showed of one expression."""

    lane: str
    printed: bool
    ok: bool
    seen: str


def evaluate_evidence(experiment: Experiment, table: RunTable) -> list[EvidenceVerdict]:
    """All expressions of all arms, one verdict per lane looked at; arms and lanes by name, since a run
    that is judged again knows no other order."""
    verdicts = []
    for arm, expressions in sorted(experiment.evidence.items()):
        for text in expressions:
            lanes = sorted(lane for lane in experiment.workloads if arm in experiment.lane_arms(lane))
            verdicts += _evaluate(arm, parse_evidence(text), lanes, table)
    return verdicts


def _evaluate(
    arm: str, expr: EvidenceExpr, lanes: Sequence[str], table: RunTable
) -> list[EvidenceVerdict]:
    prefix, _, rest = expr.counter.partition(".")
    named = prefix in lanes
    if named:
        found = [_look(arm, expr, rest, prefix, table)]
    else:
        found = [_look(arm, expr, expr.counter, lane, table) for lane in lanes]
    fired = [f.lane for f in found if f.ok]
    anywhere = any(f.printed for f in found)
    verdicts = []
    for f in found:
        ok, seen = f.ok, f.seen
        if not named and expr.claims_firing and fired and not ok:
            ok, seen = True, f"{seen}; holds in {', '.join(fired)}"
        elif not named and not f.printed and anywhere and not expr.claims_firing:
            ok = True  # a lane that never touches the mechanism breaks no limit
        verdicts.append(EvidenceVerdict(arm, str(expr), f.lane, ok, seen))
    return verdicts


def _look(arm: str, expr: EvidenceExpr, key: str, lane: str, table: RunTable) -> _Lane:
    runs = [run for run in table.lane(lane, arm) if run.counts]
    values = [run.metrics[key] for run in runs if key in run.metrics]
    if not runs:
        return _Lane(lane, False, False, "no run counts")
    if not values:
        return _Lane(lane, False, False, f"never printed in {plural(len(runs), 'run')}")
    span = f"{min(values):g}" if min(values) == max(values) else f"{min(values):g}..{max(values):g}"
    holding = sum(expr.holds(value) for value in values)
    ok = holding == len(runs)
    seen = f"{span} in {plural(len(values), 'run')}"
    if len(values) < len(runs):
        seen += f", not printed in {len(runs) - len(values)}"
    if not ok:
        seen += f", holds in {holding} of {len(runs)}"
    return _Lane(lane, True, ok, seen)
