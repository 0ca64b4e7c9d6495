"""The experiments that the two stages run, made from the one that was asked for.

Each is an experiment file of its own, written into the gate's folder: it can be read, planned and run
again by hand. The seed comes from the night and from what is compared, so that the same command goes on
with what it began, and another night has another plan.
"""

from __future__ import annotations

import hashlib
from typing import Sequence

from harness.errors import UserError
from harness.experiment import Design, Experiment, Nightly
from harness.experiment.options import apply_only

SCREEN, CONFIRM = "screen", "confirm"
_SCREEN_CONFIDENCE = 0.90


def settings(experiment: Experiment) -> Nightly:
    if experiment.nightly is None:
        raise UserError(f"{experiment.id}: has no section `nightly`; see experiments/nightly.yaml for one")
    return experiment.nightly


def screen(experiment: Experiment, night: str) -> Experiment:
    """Every lane in few blocks, base and treat only: the copy of base would cost a third of the time and
    no lane is decided here."""
    blocks = settings(experiment).screen_blocks
    return _stage(experiment, SCREEN, night, blocks, _SCREEN_CONFIDENCE, aa=False)


def confirm(experiment: Experiment, night: str, gates: Sequence[str]) -> Experiment:
    """The gates suspected, by name, and nothing else."""
    asked = settings(experiment)
    kept = [gate for gate in experiment.gates if (gate.id or gate.metric) in gates]
    cut = apply_only(experiment, list(dict.fromkeys(gate.lane for gate in kept)))
    cut = cut.copy(update={"gates": kept})
    confidence = 1 - 2 * float(asked.error) / len(kept)
    return _stage(cut, CONFIRM, night, asked.confirm_blocks, confidence, aa=True)


def _stage(experiment: Experiment, stage: str, night: str, blocks: int, confidence: float, aa: bool) -> Experiment:
    seed = int(hashlib.sha256(f"{experiment.design.seed}:{night}:{stage}".encode()).hexdigest()[:8], 16)
    design = Design(
        blocks=blocks,
        warmup=experiment.design.warmup,
        seed=seed,
        aa=aa,
        confidence=confidence,
        disturbed_most=float(experiment.design.disturbed_most),
    )
    question = f"{experiment.question} ({stage}, {night})"
    changed = {"id": f"{experiment.id}-{stage}", "question": question, "design": design, "quick": None, "nightly": None}
    return experiment.copy(update=changed)
