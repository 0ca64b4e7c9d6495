"""What becomes of a gate in a night. Pure functions of verdicts.

A gate that the first stage acquits is PASSED. One it suspects is decided by the second: REGRESSED when
the whole interval is beyond the bound; UNDECIDED when only the centre is, or when an objection took the
decision back; CLEARED otherwise; VOID when its figures prove nothing.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Dict, List, Mapping, Optional, Sequence

from harness.experiment import Gate
from harness.model import GateVerdict, Status, Verdict


class Outcome(str, Enum):
    PASSED = "passed"
    CLEARED = "cleared"
    UNDECIDED = "undecided"
    VOID = "void"
    REGRESSED = "regressed"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class GateOutcome:
    gate: str
    metric: str
    rule: str
    outcome: Outcome
    screen: GateVerdict
    confirm: Optional[GateVerdict] = None

    @property
    def decided_on(self) -> GateVerdict:
        return self.screen if self.confirm is None else self.confirm

    def to_json(self) -> Dict[str, Any]:
        stages = {name: None if v is None else v.to_json() for name, v in (("screen", self.screen), ("confirm", self.confirm))}
        return {**asdict(self), **stages, "outcome": self.outcome.value}


def gate_name(gate: Gate) -> str:
    return gate.id or gate.metric


def is_suspicious(gate: Gate, found: GateVerdict, share: float) -> bool:
    """Whether the centre has come `share` of the way from 1 to the bound, in logs. A gate without a centre
    (VOID) was not acquitted."""
    predicate = gate.predicate
    if found.estimate is None or found.estimate <= 0 or predicate is None:
        return True
    return math.log(found.estimate) / math.log(predicate.bound) >= share


def suspected(gates: Sequence[Gate], verdict: Verdict, share: float) -> List[str]:
    return [gate_name(g) for g, found in zip(gates, verdict.gates) if is_suspicious(g, found, share)]


def confirmed(gate: Gate, found: GateVerdict, copies_differ: bool = False) -> Outcome:
    """The second stage's answer; `copies_differ`: its control saw a difference that is not there."""
    predicate = gate.predicate
    if found.status is Status.VOID or found.estimate is None or predicate is None or copies_differ:
        return Outcome.VOID
    if found.status is Status.NO_GO:
        return Outcome.REGRESSED
    if found.status is Status.GO or not predicate.holds(found.estimate):
        return Outcome.CLEARED
    return Outcome.UNDECIDED


def outcomes(gates: Sequence[Gate], first: Verdict, suspects: Sequence[str], second: Optional[Verdict]) -> List[GateOutcome]:
    """One for each gate, in the experiment's order; `second` is None when nothing was suspected. A suspect
    of which the second stage says nothing (it could not be judged) is VOID, never acquitted."""
    again: Mapping[str, GateVerdict] = {} if second is None else dict(zip(suspects, second.gates))
    unlike = set() if second is None else {aa.metric for aa in second.aa if not aa.ok}
    made = []
    for gate, found in zip(gates, first.gates):
        name = gate_name(gate)
        later = again.get(name)
        if later is None:
            outcome = Outcome.VOID if name in suspects else Outcome.PASSED
        else:
            outcome = confirmed(gate, later, gate.metric in unlike)
        made.append(GateOutcome(name, gate.metric, gate.rule, outcome, found, later))
    return made


def answer(found: Sequence[GateOutcome], failures: Optional[Status], partial: bool) -> Status:
    """`failures` is what runs that failed say by themselves, `partial` whether gates were left out."""
    seen = {gate.outcome for gate in found}
    if Outcome.REGRESSED in seen or failures is Status.NO_GO:
        return Status.NO_GO
    if Outcome.VOID in seen or failures is Status.VOID:
        return Status.VOID
    if Outcome.UNDECIDED in seen:
        return Status.INCONCLUSIVE
    return Status.PARTIAL if partial else Status.GO
