"""The experiments of `harness truth --real`: many short ones, made from one file of known defects.

Each is an experiment of its own: base against one arm, the lanes and gates of its case, and a seed that
comes from the file's, the case and the round. So every round has another order of runs and another
padding, as a person's next experiment would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Optional

from harness.build.arms import BuiltArm
from harness.experiment import Experiment, TruthCase
from harness.model import AA, BASE, TREAT
from harness.run.prepare import AA_KIND, Prepared, arm_facts

EFFECT_BLOCKS = 2


@dataclass(frozen=True)
class Round:
    """The `number`th experiment (from 1) of a case."""

    case: str
    number: int
    experiment: Experiment


def rounds(experiment: Experiment, most: Optional[int] = None) -> Iterator[Round]:
    """All experiments, a round of every case before the next: a table of half of them is one of all
    cases. `most` caps the rounds of each."""
    assert experiment.truth is not None
    cases = experiment.truth.cases
    last = max(case.rounds for case in cases.values())
    for number in range(1, last + 1):
        for name, case in cases.items():
            if number <= min(case.rounds, most or case.rounds):
                yield Round(name, number, _one(experiment, name, case, number))


def _one(experiment: Experiment, name: str, case: TruthCase, number: int) -> Experiment:
    """Equal arms are an A/A experiment, whose treat is base once more."""
    digest = hashlib.sha256(f"{experiment.design.seed}:{name}:{number}".encode()).hexdigest()
    base = experiment.arms[BASE]
    return experiment.copy(
        update={
            "id": f"{experiment.id}-{name}",
            "question": f"{case.what} (round {number})",
            "kind": "ab" if case.arm else AA_KIND,
            "arms": {BASE: base, TREAT: experiment.arms[case.arm] if case.arm else base},
            "difference": None,
            "references": [],
            "evidence": {},
            "workloads": {lane: lanes for lane, lanes in experiment.workloads.items() if lane in case.lanes},
            "gates": [gate for gate in experiment.gates if gate.lane in case.lanes],
            "design": experiment.design.copy(update={"seed": int(digest[:8], 16)}),
            "quick": None,
            "nightly": None,
            "truth": None,
        }
    )


def effect_experiment(experiment: Experiment) -> Optional[Experiment]:
    """The table that says how large the defects are: every arm once and again."""
    effect = experiment.truth.effect if experiment.truth else None
    if effect is None:
        return None
    lane = effect.partition(".")[0]
    return experiment.copy(
        update={
            "id": f"{experiment.id}-effect",
            "kind": "table",
            "references": [],
            "evidence": {},
            "difference": None,
            "workloads": {lane: experiment.workloads[lane]},
            "gates": [],
            "design": experiment.design.copy(update={"blocks": EFFECT_BLOCKS, "max_blocks": EFFECT_BLOCKS, "warmup": 0, "aa": False}),
            "quick": None,
            "nightly": None,
            "truth": None,
        }
    )


def cut_out(prepared: Prepared, experiment: Experiment, arm: Optional[str]) -> Prepared:
    """What was built for the whole file, as `experiment` needs it; `arm` stands as treat, base if None.
    A table has every arm under its own name."""
    built: Mapping[str, BuiltArm] = {name: prepared.built[name] for name in experiment.arms}
    if experiment.kind != "table":
        built = {BASE: prepared.built[BASE], TREAT: replace(prepared.built[arm or BASE], arm=TREAT)}
    if experiment.has_aa:
        built = {**built, AA: prepared.built[BASE]}
    return replace(
        prepared,
        experiment=experiment,
        built=built,
        peers={},
        lanes={lane: prepared.lanes[lane] for lane in experiment.workloads},
        sources={name: built[name].library.path for name in experiment.arm_ids},
        facts=arm_facts(experiment, built, {}),
    )
