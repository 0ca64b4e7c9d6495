"""Made-up runs for the judge's tests: real plans, figures from a seeded noise model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional

import numpy as np

from harness.experiment import Experiment, parse_experiment
from harness.model import ArmFacts, BlockRecord, Plan, RunRecord
from harness.plan import blocks_until, make_plan

TEXT = """\
id: demo
question: Is treat smaller, and no slower?
arms: {base: s61, treat: s62}
workloads:
  idle: {program: bench_burst_idle}
  small: {program: bench_ssot}
gates:
  - {metric: idle.rss_kb, go_if: "ratio <= 0.5"}
  - {metric: small.ops, no_go_if: "ratio < 0.98"}
design: {blocks: 10, seed: 11}
"""

FACTS = [ArmFacts("base", "b" * 64), ArmFacts("treat", "7" * 64), ArmFacts("aa", "b" * 64)]

Figures = Callable[[str, str, int], Mapping[str, float]]  # (lane, arm, block) -> metrics


def demo(*changes: tuple[str, str]) -> Experiment:
    """The experiment of `TEXT` after textual replacements, each of which must apply."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return parse_experiment(text)


def records(
    experiment: Experiment, figures: Figures, blocks: Optional[int] = None
) -> list[BlockRecord]:
    """Block records of the experiment's own plan, to its first look unless `blocks` is given."""
    plan: Plan = make_plan(experiment)
    made = []
    for block in blocks_until(plan, plan.looks[0] if blocks is None else blocks):
        runs = [
            RunRecord(
                block=block.index,
                kind=block.kind,
                position=slot.position,
                workload=slot.workload,
                arm=slot.arm,
                started_utc="2026-01-09T00:00:00Z",
                metrics=dict(figures(slot.workload, slot.arm, block.index)),
            )
            for slot in block.slots
        ]
        made.append(BlockRecord(plan.key, block.index, block.kind, block.env_pad, runs))
    return made


class Noise:
    """Multiplicative noise with a given coefficient of variation per run. Contaminated noise adds,
    to 15 % of runs, an exponential slowdown of five times sigma, as a neighbour would."""

    def __init__(self, seed: int, sigma: float = 0.01, contaminated: bool = False) -> None:
        self._rng = np.random.default_rng(seed)
        self._sigma = sigma
        self._contaminated = contaminated

    def factor(self) -> float:
        log = self._rng.normal(0.0, self._sigma)
        if self._contaminated and self._rng.random() < 0.15:
            log += self._rng.exponential(5 * self._sigma)
        return float(np.exp(log))

    def figures(self, treat: Mapping[str, float]) -> Figures:
        """Metrics rss_kb and ops around 1000; `treat` multiplies those of arm treat."""

        def of(lane: str, arm: str, block: int) -> dict[str, float]:
            del lane, block
            return {
                name: 1000.0 * self.factor() * (treat.get(name, 1.0) if arm == "treat" else 1.0)
                for name in ("rss_kb", "ops")
            }

        return of


def constant(treat: Mapping[str, float], base: float = 1000.0) -> Figures:
    """Figures without any noise, as memory counters often are."""

    def of(lane: str, arm: str, block: int) -> dict[str, float]:
        del lane, block
        return {
            name: base * (treat.get(name, 1.0) if arm == "treat" else 1.0)
            for name in ("rss_kb", "ops")
        }

    return of
