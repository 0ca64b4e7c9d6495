"""The table of verdict against truth, as Markdown and CSV, and what in it is beyond doubt wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from harness.experiment import Experiment, TruthCase
from harness.model import Status
from harness.report.document import Callout, Code, Document, Heading, Paragraph, Table
from harness.report.markdown import to_markdown
from harness.report.words import counted
from harness.truth.log import Said
from harness.truth.rates import LIMIT, interval, percent, too_high

EFFECT = "effect.json"

_NONE = "–"
_OPPOSITE = {"GO": (Status.NO_GO,), "NO-GO": (Status.GO,)}


@dataclass(frozen=True)
class Real:
    """`effects` are the arms' counts in parts of base's; `said` may be of fewer rounds than `wanted`."""

    experiment: Experiment
    effects: dict[str, float]
    said: Sequence[Said]
    builds: str
    wanted: int
    command: str

    @property
    def cases(self) -> dict[str, TruthCase]:
        assert self.experiment.truth is not None
        return self.experiment.truth.cases

    def of(self, case: str) -> list[Said]:
        return sorted((one for one in self.said if one.case == case), key=lambda one: one.number)


@dataclass(frozen=True)
class Score:
    """Of `asked` experiments of a case `right` were answered rightly and `wrong` the other way round."""

    asked: int
    right: int
    wrong: int


def score(case: TruthCase, found: Sequence[Said]) -> Score:
    """Equal arms are right when no difference was invented: there is nothing to decide about them, so any
    decision, VOID included, is wrong. A rare failure can be found only where it happened; an experiment in
    which it did not is asked for nothing, and must not be wrong either."""
    if case.arm is None:
        calm = sum(one.status is Status.INCONCLUSIVE for one in found)
        return Score(len(found), calm, len(found) - calm)
    asked = [one for one in found if one.failed or not case.rare]
    right = sum(one.status.value == case.answer for one in asked)
    wrong = sum(one.status in _OPPOSITE[case.answer] for one in asked)
    return Score(len(asked), right, wrong)


def faults(real: Real) -> list[str]:
    """Sentences for what is beyond doubt: more than one in twenty answered wrongly, or a defect that must be
    found missed more often than that."""
    told = []
    for name, case in real.cases.items():
        found = score(case, real.of(name))
        if found.asked == 0:
            continue
        checks = 2 * len(real.cases)
        if too_high(found.wrong, found.asked, checks):
            told.append(f"{name}: {found.wrong} of {counted(found.asked, 'experiment')} answered wrongly, the limit is {percent(LIMIT)}")
        if case.answer == "NO-GO" and too_high(found.asked - found.right, found.asked, checks):
            told.append(f"{name}: found in {found.right} of {counted(found.asked, 'experiment')} only")
    return told


def real_text(real: Real) -> str:
    document = Document("Verdict against truth")
    bad = faults(real)
    missing = real.wanted - len(real.said)
    parts = f"; {missing} of {real.wanted} rounds are still to be made" if missing else ""
    text = "; ".join(bad) if bad else "no answer is wrong, and no defect missed, more often than luck allows"
    document.add(
        Paragraph(
            "Short real experiments on builds whose defects are known: compiled in on purpose by flags that only "
            f"`experiments/{real.experiment.id}.yaml` uses. How often does the lab say what is so?"
        ),
        Callout("above the limit" if bad else "within the limit", f"{text[0].upper()}{text[1:]}{parts}."),
        _table(real),
        Paragraph(
            "Right: the answer of the case; of equal arms, that no difference was invented (there is nothing to "
            "decide, so GO, NO-GO and VOID all count as wrong). Wrong: the opposite answer. With the 95 % interval of "
            "Clopper and Pearson. Of a rare failure only those experiments are asked in which a run failed."
        ),
        Heading(2, "What the gates saw"),
        _gates(real),
        Heading(2, "How it was made"),
        Code(real.command),
        Paragraph(_provenance(real)),
    )
    return to_markdown(document)


def _table(real: Real) -> Table:
    header = ("case", "what is so", "right answer", "experiments", "GO", "NO-GO", "undecided", "VOID", "right", "wrong", "blocks")
    rows = []
    for name, case in real.cases.items():
        found = real.of(name)
        scored = score(case, found)
        answers = [str(sum(one.status is status for one in found)) for status in (Status.GO, Status.NO_GO, Status.INCONCLUSIVE, Status.VOID)]
        blocks = f"{sum(one.blocks for one in found) / len(found):.1f}" if found else _NONE
        right = case.answer if case.arm else "no difference"
        shares = (_share(scored.right, scored.asked), _share(scored.wrong, scored.asked))
        rows.append((name, case.what, right, str(len(found)), *answers, *shares, blocks))
    return Table(header, tuple(rows), "lll" + "r" * 8)


def _share(count: int, asked: int) -> str:
    if asked == 0:
        return _NONE
    low, high = interval(count, asked)
    return f"{count} of {asked} [{low * 100:.0f}, {high * 100:.0f}] %"


def _gates(real: Real) -> Table:
    """The counted size of the defect beside the median of what the gates estimated."""
    rows = []
    for name, case in real.cases.items():
        found = real.of(name)
        gates = {gate: [one.estimates[gate] for one in found if gate in one.estimates] for one in found for gate in one.estimates}
        counted_ratio = real.effects.get(case.arm or "base")
        size = _NONE if counted_ratio is None else f"{counted_ratio:.4f}"
        for gate, values in gates.items() or {_NONE: []}.items():
            span = f"{min(values):.4f} … {max(values):.4f}" if values else _NONE
            rows.append((name, size, gate, f"{median(values):.4f}" if values else _NONE, span))
    effect = real.experiment.truth.effect if real.experiment.truth else None
    return Table(("case", f"counted: {effect or 'nothing'}", "gate", "median ratio", "all ratios"), tuple(rows), "lrlrr")


def _provenance(real: Real) -> str:
    runs = sum(one.runs for one in real.said)
    disturbed = sum(one.disturbed for one in real.said)
    minutes = sum(one.seconds for one in real.said) / 60
    return (
        f"Builds {real.builds}; {counted(len(real.said), 'experiment')}, {counted(runs, 'run')}, {disturbed} of them disturbed, "
        f"{minutes:.0f} minutes. Every round is a line of `rounds.csv`."
    )


def rounds_csv(real: Real) -> str:
    gates = sorted({gate for one in real.said for gate in one.estimates})
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["case", "round", "status", "blocks", "runs", "disturbed", "failed", "seconds", "builds", *gates, "why"])
    for name in real.cases:
        for one in real.of(name):
            ratios = [one.estimates.get(gate, "") for gate in gates]
            table.writerow([name, one.number, one.status.value, one.blocks, one.runs, one.disturbed, one.failed, one.seconds, one.builds, *ratios, one.why])
    return out.getvalue()
