"""What the build proves about the arms: that they are what they claim, and that they differ.

Two arms with the same loaded bytes cannot differ; measuring them would only measure noise. A copy
of base, on the other hand, has to be the same bytes, or it controls nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from harness.experiment import Experiment, Gate
from harness.model import AA, BASE, TREAT, ArmFacts


def disqualified_arms(
    experiment: Experiment, facts: Sequence[ArmFacts]
) -> dict[str, list[str]]:
    """Arm to the reasons that make it void, for those arms that have any."""
    known = {fact.arm: fact for fact in facts}
    void: dict[str, list[str]] = {}
    for arm in experiment.arm_ids:
        fact = known.get(arm)
        reasons = [f"{arm}: {problem}" for problem in fact.problems] if fact else []
        if arm in (*experiment.arms, AA) and (fact is None or fact.identity is None):
            reasons.append(f"nothing proves what arm {arm} is; its build record is missing")
        if reasons:
            void[arm] = reasons
    copy = TREAT if experiment.kind == "aa" else AA
    ids = _identity(known, BASE), _identity(known, copy)
    if copy in experiment.arm_ids and (experiment.kind == "aa" or copy == AA):
        if None not in ids and ids[0] != ids[1]:
            void.setdefault(copy, []).append(f"arm {copy} is no copy of base: other bytes")
    if experiment.kind == "ab":
        ids = _identity(known, BASE), _identity(known, TREAT)
        if None not in ids and ids[0] == ids[1]:
            void.setdefault(TREAT, []).append("base and treat are the same bytes")
    return void


def same_bytes(experiment: Experiment, gate: Gate, facts: Sequence[ArmFacts]) -> list[str]:
    """A reason when a gate compares equal bytes that are not meant to be equal."""
    if experiment.kind == "aa" or AA in (gate.arm, gate.against):
        return []
    known = {fact.arm: fact for fact in facts}
    ids = _identity(known, gate.arm), _identity(known, gate.against)
    if None in ids or ids[0] != ids[1]:
        return []
    first, second = sorted((gate.arm, gate.against), key=lambda arm: (arm != BASE, arm))
    return [f"{first} and {second} are the same bytes"]


def _identity(known: dict[str, ArmFacts], arm: str) -> Optional[str]:
    return known[arm].identity if arm in known else None
