"""Gates in an A/A experiment, where both arms are the same: was a difference invented?

No gate can be GO or NO-GO, there is nothing to decide. A gate that would have decided that the arms
differ shows that the machine invents differences of that size: VOID. Otherwise the interval says
within what the arms were found equal, which is what the machine can resolve.
"""

from __future__ import annotations

import math
from typing import Optional

from harness.experiment import Gate
from harness.judge.control import Control
from harness.judge.gates import claims_difference, gate_kind
from harness.judge.text import percent
from harness.model import GateVerdict, Status


def as_equal_arms(gate: Gate, verdict: GateVerdict, control: Optional[Control]) -> GateVerdict:
    """`verdict` as an A/A experiment states it; changed in place and returned."""
    if verdict.status == Status.VOID:
        return verdict
    decided, note = verdict.status, verdict.note
    verdict.status, verdict.needs_blocks = Status.INCONCLUSIVE, None
    if gate_kind(gate) == "absolute":
        verdict.note = "an absolute gate says nothing about equal arms"
        return verdict
    invented = decided == (Status.GO if claims_difference(gate) else Status.NO_GO)
    if invented or (control is not None and not control.verdict.ok):
        verdict.status = Status.VOID
        verdict.note = "a difference between equal arms; this machine cannot judge the metric now"
    elif verdict.low is None or verdict.high is None:
        verdict.note = note or "too few pairs for an interval"
    else:
        widest = max(abs(math.log(verdict.low)), abs(math.log(verdict.high)))
        verdict.note = f"same within {percent(math.expm1(widest))}"
    return verdict
