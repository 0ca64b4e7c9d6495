"""One made-up experiment, through the real plan, records, judge and looks.

Nothing of the judging is imitated: a bench holds the records of a plan, a world fills in the figures,
and the experiment goes on from look to look as `harness run` does, until the judge has decided or
the looks are over; then `--extend` doubles it once where the design asks for that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from harness.experiment import Experiment, look_counts, parse_experiment
from harness.judge import Levels, judge, next_look
from harness.model import TREAT, ArmFacts, BlockRecord, RunRecord, Status
from harness.plan import make_plan
from harness.truth.questions import QUESTIONS
from harness.truth.worlds import SLOW, Floats, World

FACTS = [ArmFacts("base", "b" * 64), ArmFacts("treat", "7" * 64), ArmFacts("aa", "b" * 64)]
ARMS = len(FACTS)
MOST_BLOCKS = 80  # figures drawn for every experiment, so that all designs see the same world
PLANS = 8  # orders of runs that the experiments take in turn

_KEY = "ops_per_cpu_s"
_TEXT = """\
id: truth
question: Does the judge find out?
arms: {{base: s61, treat: s62}}
workloads: {{w: {{program: bench_ssot}}}}
gates: [{{metric: w.ops_per_cpu_s, {rule}}}]
design: {{blocks: {blocks}, max_blocks: {most}, warmup: 0, seed: {seed}, confidence: {confidence!r}}}
"""


@dataclass(frozen=True)
class Plan:
    """The design of an experiment: first look, last planned look, error a side, and whether it is
    extended once when it ends INCONCLUSIVE."""

    blocks: int
    most: int
    error: float = 0.05
    extend: bool = False

    @property
    def text(self) -> str:
        if self.blocks == self.most:
            return f"one look of {self.blocks}"
        return "looks " + "/".join(str(n) for n in range(self.blocks, self.most + 1, self.blocks))


@dataclass(frozen=True)
class Outcome:
    """How the planned looks ended, and how it stood after the extension (the same without one)."""

    status: Status
    blocks: int
    extended: Status
    extended_blocks: int


@lru_cache(maxsize=None)
def experiment_for(question: str, plan: Plan, seed: int, extensions: int = 0) -> Experiment:
    rule, confidence = QUESTIONS[question].yaml, 1 - 2 * plan.error
    text = _TEXT.format(rule=rule, blocks=plan.blocks, most=plan.most, seed=seed, confidence=confidence)
    experiment = parse_experiment(text)
    return experiment.copy(update={"design": experiment.design.copy(update={"extensions": extensions})})


def figures(world: World, seed: int, rep: int) -> tuple[Floats, Floats]:
    """How much slower each run is, and how much more so each run of treat; logs."""
    rng = np.random.default_rng([seed, *world.name.encode(), rep])
    slower = world.draw(rng, MOST_BLOCKS, ARMS)
    return slower, SLOW * (rng.random(MOST_BLOCKS) < world.slow_treat)


class Bench:
    """The records of a plan, made once and filled again for every experiment."""

    def __init__(self, plan: Plan, seed: int) -> None:
        made = make_plan(experiment_for("guard", plan, seed, int(plan.extend)))  # gates change no plan
        self.blocks = [
            BlockRecord(
                made.key,
                block.index,
                block.kind,
                block.env_pad,
                [RunRecord(block.index, block.kind, s.position, s.workload, s.arm, "") for s in block.slots],
            )
            for block in made.blocks
        ]
        self._treat = np.array([[run.arm == TREAT for run in block.runs] for block in self.blocks])

    def fill(self, slower: Floats, slow_treat: Floats, ratio: float) -> None:
        """Gives every run its figure; `ratio` is the true effect."""
        n = len(self.blocks)
        logs = -slower[:n] + self._treat * (math.log(ratio) - slow_treat[:n, None])
        for block, row in zip(self.blocks, np.exp(logs).tolist()):
            for run, value in zip(block.runs, row):
                run.metrics = {_KEY: value}


@lru_cache(maxsize=None)
def bench(plan: Plan, seed: int) -> Bench:
    return Bench(plan, seed)


def conduct(question: str, plan: Plan, seed: int, levels: Levels) -> Outcome:
    """Judges what stands on the bench of `plan` and `seed`, look by look."""
    blocks = bench(plan, seed).blocks
    experiment = experiment_for(question, plan, seed)
    look, following = 0, look_counts(experiment.design)[0]
    while following:
        look = following
        verdict = judge(experiment, blocks[:look], FACTS, levels=levels)
        following = next_look(experiment, verdict) or 0
    if not plan.extend or verdict.status is not Status.INCONCLUSIVE:
        return Outcome(verdict.status, look, verdict.status, look)
    again = judge(experiment_for(question, plan, seed, 1), blocks, FACTS, levels=levels)
    return Outcome(verdict.status, look, again.status, len(blocks))
