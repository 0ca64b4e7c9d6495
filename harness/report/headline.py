"""The first line of a report: the verdict and the one sentence that says why."""

from __future__ import annotations

from typing import Optional

from harness.model import GateVerdict, Status, Verdict
from harness.report import words


def is_ratio(gate: GateVerdict) -> bool:
    """Whether the gate's figures are ratios of two arms, or values in the metric's own unit."""
    return gate.against is not None and gate.kind != "absolute"


def interval(gate: GateVerdict) -> str:
    """`0.0602 [0.0581, 0.0630]`, or the value alone when there are too few pairs for an interval."""
    def show(value: Optional[float]) -> str:
        return words.ratio(value) if is_ratio(gate) else words.quantity(gate.metric, value)

    if gate.low is None and gate.high is None:
        return show(gate.estimate)
    return f"{show(gate.estimate)} [{show(gate.low)}, {show(gate.high)}]"


def gate_sentence(gate: GateVerdict) -> str:
    """What one gate found, e.g. `idle: RSS, idle window −94.0 % (0.0602 [...]; go_if ratio <= 0.5)`."""
    name = words.lane_metric_words(gate.metric)
    if gate.estimate is None:
        return f"{name} has no figure ({gate.note or 'not measured'})"
    shift = f" {words.change(gate.estimate)}" if is_ratio(gate) else ""
    return f"{name}{shift} ({interval(gate)}; {gate.rule})"


def _with_status(verdict: Verdict, status: Status) -> list[GateVerdict]:
    return [gate for gate in verdict.gates if gate.status is status]


def _open_question(gate: GateVerdict) -> str:
    if gate.needs_blocks:
        return f"{gate_sentence(gate)} needs about {words.counted(gate.needs_blocks, 'more block')}"
    return f"{gate_sentence(gate)}: {gate.note or 'undecided'}"


def clauses(verdict: Verdict) -> list[str]:
    """What decided, a clause each: failed runs before any figure, else the gates."""
    if verdict.headline and verdict.headline[0].startswith("reliability"):
        return verdict.headline[:1]
    if verdict.status is Status.VOID:
        return verdict.reasons[:1] or ["the run does not count"]
    if verdict.status is Status.COMPLETE:
        made = f"{words.counted(verdict.blocks, 'block')}, {words.counted(verdict.runs, 'run')}"
        return [f"{made}; a table judges nothing"]
    if verdict.status is Status.INCONCLUSIVE:
        gates = _with_status(verdict, Status.INCONCLUSIVE)
        return [_open_question(g) for g in gates] or verdict.reasons[:1]
    said = Status.GO if verdict.status is Status.PARTIAL else verdict.status
    gates = _with_status(verdict, said)
    return [gate_sentence(g) for g in gates] or verdict.reasons[:1]


def why(verdict: Verdict, most: Optional[int] = None) -> str:
    """The clauses as one sentence; no more than `most` of them, and how many are left out."""
    said = clauses(verdict)
    rest = len(said) - most if most is not None and len(said) > most + 1 else 0
    return _sentence([*said[: len(said) - rest], f"and {rest} more"] if rest else said)


def beside(verdict: Verdict) -> list[str]:
    """What must be read with the status and is not in `why` yet."""
    told = why(verdict)
    return [line for line in verdict.headline if line not in told]


def _sentence(said: list[str]) -> str:
    text = "; ".join(clause.rstrip(".") for clause in said)
    return (text or "no gate was declared") + "."
