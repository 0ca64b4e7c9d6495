"""Reliability: a failed run decides before any figure does.

Prevents the accident that an arm which crashes in every third run is run again until it passes. A
signal, a wrong status, damaged memory, a refused allocation or a time-out in a gated lane ends the
experiment without a GO: as NO-GO where the arm compared against is clean, else as VOID, because
then the lane or the machine may be at fault. What the harness itself spoilt, or a person
interrupted, is no finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Optional

from harness.experiment import Experiment
from harness.judge.text import plural
from harness.model import AA, BASE, Failure, RunRecord, Status


@dataclass(frozen=True)
class Reliability:
    """`status` is NO-GO, VOID, or None where no arm of a gated lane failed; `findings` has a line
    for every lane and arm that failed, `others` for those that decide nothing."""

    status: Optional[Status]
    findings: list[str]
    others: list[str]


@dataclass(frozen=True)
class _Tally:
    """The attempts of one arm in one lane."""

    lane: str
    arm: str
    tries: int
    failures: Sequence[Failure]

    def __str__(self) -> str:
        kinds = Counter(failure.text for failure in self.failures)
        how = "; ".join(text if n == 1 else f"{text} ({n} times)" for text, n in kinds.items())
        return f"{self.arm} failed in {len(self.failures)} of {plural(self.tries, 'run')}: {how}"


def reliability(experiment: Experiment, attempts: Iterable[RunRecord]) -> Reliability:
    """`attempts` are all runs made, of complete blocks and of others, each once."""
    tallies = _tallies(attempts)
    status: Optional[Status] = None
    findings: dict[str, None] = {}
    for gate in experiment.gates:
        against = _with_copy(experiment, gate.against)
        bad = [t for t in tallies if t.lane == gate.lane and t.arm in (gate.arm, *against)]
        failed = {t.arm for t in bad if t.failures}
        if not failed:
            continue
        clean = experiment.kind != "aa" and not failed & set(against)
        status = Status.NO_GO if clean and status is not Status.VOID else Status.VOID
        findings.update(dict.fromkeys(_sentence(gate.lane, [t for t in bad if t.failures], clean)))
    told = {(t.lane, t.arm) for t in tallies if any(_names(f, t) for f in findings)}
    others = [
        f"lane {t.lane}: {t}" for t in tallies if t.failures and (t.lane, t.arm) not in told
    ]
    return Reliability(status, list(findings), others)


def unreliable(experiment: Experiment, attempts: Sequence[RunRecord]) -> bool:
    """Whether running on would teach nothing more: an arm of a gated lane hung, or failed in every
    one of three runs or more. A hang costs one time-out, not one in every block."""
    for tally in _tallies(attempts):
        gates = [gate for gate in experiment.gates if gate.lane == tally.lane]
        arms = {a for g in gates for a in (g.arm, *_with_copy(experiment, g.against))}
        if tally.arm not in arms or not tally.failures:
            continue
        hung = any(failure.kind.value == "timeout" for failure in tally.failures)
        if hung or len(tally.failures) == tally.tries >= 3:
            return True
    return False


def _with_copy(experiment: Experiment, arm: str) -> list[str]:
    """The copy of base is base: its failures are base's."""
    return [arm, AA] if arm == BASE and AA in experiment.arm_ids else [arm]


def _tallies(attempts: Iterable[RunRecord]) -> list[_Tally]:
    runs: dict[tuple[str, str], list[RunRecord]] = {}
    for run in attempts:
        if run.failure is None or run.failure.kind.of_the_arm:
            runs.setdefault((run.workload, run.arm), []).append(run)
    return [
        _Tally(lane, arm, len(made), [r.failure for r in made if r.failure is not None])
        for (lane, arm), made in sorted(runs.items())
    ]


def _sentence(lane: str, failed: Sequence[_Tally], clean: bool) -> list[str]:
    how = "; ".join(str(tally) for tally in failed)
    rest = "the arm it is compared with is clean" if clean else "so the lane itself may be at fault"
    return [f"reliability, lane {lane}: {how}; {rest}"]


def _names(finding: str, tally: _Tally) -> bool:
    return finding.startswith(f"reliability, lane {tally.lane}:") and str(tally) in finding
