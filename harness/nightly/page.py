"""The night on one page of Markdown: the answer, what is wrong, then every gate in a row."""

from __future__ import annotations

from typing import List, Optional

from harness.model import GateVerdict, Status
from harness.nightly.night import Night
from harness.nightly.triage import GateOutcome, Outcome
from harness.report import words
from harness.report.document import Bullets, Callout, Document, Heading, Paragraph, Part, Table
from harness.report.markdown import to_markdown

_ORDER = (Outcome.REGRESSED, Outcome.VOID, Outcome.UNDECIDED, Outcome.CLEARED, Outcome.PASSED)


def sentence(night: Night) -> str:
    """The answer in one line."""
    if not night.gates:
        return night.remarks[0] if night.remarks else "nothing was measured"
    counted = [f"{len(night.with_outcome(o))} {o}" for o in _ORDER if night.with_outcome(o)]
    return f"{words.counted(len(night.gates), 'gate')}: {', '.join(counted)}"


def page(night: Night) -> str:
    parts: List[Part] = [
        Callout(night.status, sentence(night)),
        Paragraph(f"treat: {night.treat}; base: {night.base}. {_meaning(night.status)}"),
    ]
    if night.remarks:
        parts.append(Bullets(tuple(night.remarks)))
    if night.gates:
        parts += [Heading(2, "Gates"), _table(night), Paragraph(_paid(night))]
    if night.runs:
        listed = tuple(f"{stage}: {where}, {words.counted(night.blocks[stage], 'block')}" for stage, where in night.runs.items())
        parts += [Heading(2, "Runs"), Bullets(listed)]
    return to_markdown(Document(f"{night.experiment}, {night.night}", tuple(parts)))


def _table(night: Night) -> Table:
    rows = tuple(_row(gate) for outcome in _ORDER for gate in night.with_outcome(outcome))
    return Table(("gate", "rule", "outcome", "screen", "confirmation", "note"), rows, "lllrrl")


def _row(gate: GateOutcome) -> tuple[str, ...]:
    outcome = f"**{gate.outcome}**" if gate.outcome not in (Outcome.PASSED, Outcome.CLEARED) else str(gate.outcome)
    note = gate.decided_on.note if gate.outcome is not Outcome.PASSED else ""
    return (gate.gate, gate.rule, outcome, interval(gate.screen), interval(gate.confirm), note)


def interval(found: Optional[GateVerdict]) -> str:
    if found is None or found.estimate is None:
        return words.NONE if found is None else str(found.status)
    if found.low is None or found.high is None:
        return words.ratio(found.estimate)
    return f"{words.ratio(found.estimate)} [{words.ratio(found.low)}, {words.ratio(found.high)}]"


def _paid(night: Night) -> str:
    if not night.suspected:
        return "No gate was suspected, so nothing was confirmed, and nothing could be a false alarm."
    level = 1 - 2 * night.error / night.suspected
    return (
        f"Screen: 90 % intervals, which decide nothing. Confirmation: {words.counted(night.suspected, 'gate')} in fresh blocks, "
        f"each with a {level * 100:.4g} % interval, so that all together raise a false alarm in at most {night.error:.0%} of nights."
    )


def _meaning(status: Status) -> str:
    return {
        Status.GO: "No regression was confirmed.",
        Status.PARTIAL: "No regression was confirmed, but --only left gates out.",
        Status.NO_GO: "A regression was confirmed, or the treatment failed where base did not.",
        Status.INCONCLUSIVE: "A suspicion could be neither confirmed nor cleared; a quieter machine or more blocks may tell.",
    }.get(status, "The night proves nothing.")
