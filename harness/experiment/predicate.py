"""The two small languages of an experiment file: gate predicates and evidence expressions.

A predicate is `SUBJECT OP NUMBER`, SUBJECT one of ratio (arm over against), treat (the gate's arm)
or base (what it is compared against), OP one of < <= > >=. It always describes a half-line, so an
interval satisfies it wholly exactly when both its ends do.
An evidence expression is `COUNTER OP NUMBER`, where OP may also be == or !=, and COUNTER is
`LINE.key` of a `[LINE] key=value` stats line, or either of `lane.metric` and `lane.LINE.key`.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

SUBJECTS = ("ratio", "treat", "base")

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_EXPRESSION = re.compile(r"^\s*(?P<subject>[^\s<>=!]+)\s*(?P<op>[<>=!]+)\s*(?P<number>\S+)\s*$")


@dataclass(frozen=True)
class Predicate:
    """`subject op bound`, e.g. ratio <= 0.5."""

    subject: str
    op: str
    bound: float

    def holds(self, value: float) -> bool:
        return _COMPARE[self.op](value, self.bound)

    @property
    def upward(self) -> bool:
        """True when large values satisfy it."""
        return self.op in (">", ">=")

    def __str__(self) -> str:
        return f"{self.subject} {self.op} {self.bound:g}"


@dataclass(frozen=True)
class EvidenceExpr:
    """`counter op bound`, e.g. HZ3_S62_PURGE.pages_purged > 0."""

    counter: str
    op: str
    bound: float

    def holds(self, value: float) -> bool:
        return _COMPARE[self.op](value, self.bound)

    @property
    def claims_firing(self) -> bool:
        """True for expressions that say a mechanism did something (> >= !=): one lane suffices.
        The others (== < <=) set a limit, which every lane that prints the counter must keep."""
        return self.op in (">", ">=", "!=")

    def __str__(self) -> str:
        return f"{self.counter} {self.op} {self.bound:g}"


def parse_predicate(text: str) -> Predicate:
    """Raises ValueError, whose text is `what is wrong; what to do`."""
    subject, op, bound = _split(text, "ratio <= 0.5")
    if subject not in SUBJECTS:
        raise ValueError(f"unknown subject {subject!r}; use one of {', '.join(SUBJECTS)}")
    if op not in ("<", "<=", ">", ">="):
        raise ValueError(f"operator {op!r} describes no half-line; use one of < <= > >=")
    if subject == "ratio" and bound <= 0:
        raise ValueError(f"a ratio is never {bound:g} or less; use a bound above 0")
    return Predicate(subject, op, bound)


def parse_evidence(text: str) -> EvidenceExpr:
    """Raises ValueError, whose text is `what is wrong; what to do`."""
    counter, op, bound = _split(text, "HZ3_S62_PURGE.pages_purged > 0")
    if "." not in counter.strip("."):
        raise ValueError(f"{counter!r} names no counter; write LINE.key or lane.metric")
    if op not in _COMPARE:
        raise ValueError(f"unknown operator {op!r}; use one of {' '.join(_COMPARE)}")
    return EvidenceExpr(counter, op, bound)


def _split(text: str, example: str) -> tuple[str, str, float]:
    match = _EXPRESSION.match(text)
    if match is None:
        raise ValueError(f"cannot read {text!r}; write it like {example!r}")
    try:
        bound = float(match["number"])
    except ValueError:
        bound = math.nan
    if not math.isfinite(bound):
        raise ValueError(f"{match['number']!r} is no number; write it like {example!r}")
    return match["subject"], match["op"], bound
