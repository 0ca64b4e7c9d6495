"""Whole experiments, simulated by the hundred: how often does the judge err, and does it see?

Each simulated experiment goes through the real plan, records and judge. All seeds are fixed, so the
counts are facts of the code, not of luck; the limits leave room for another numpy's random streams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from harness.experiment import Experiment, parse_experiment
from harness.judge import estimate, judge, next_look
from harness.judge.tests.synthetic import FACTS, Noise
from harness.model import BlockRecord, RunRecord, Status, Verdict
from harness.plan import blocks_until, make_plan

RUNS = 400

TEXT = """\
id: sim
question: Is treat any different?
arms: {base: s61, treat: s62}
workloads: {w: {program: bench_ssot}}
gates:
GATES
design: {blocks: 10, max_blocks: 20, warmup: 0, seed: 5}
"""

TARGET = '  - {metric: w.ns, go_if: "ratio < 1"}'
GUARD = '  - {metric: w.ns, no_go_if: "ratio > 1.02"}'


def experiment_with(*gates: str, design: str = "") -> Experiment:
    text = TEXT.replace("GATES", "\n".join(gates))
    return parse_experiment(text.replace("blocks: 10, max_blocks: 20", design) if design else text)


def simulate(experiment: Experiment, noise: Noise, effect: float) -> Verdict:
    """Runs one experiment as the harness does: block by block, judged at the looks, until decided.
    `effect` multiplies the time of treat."""
    plan = make_plan(experiment)
    blocks: list[BlockRecord] = []
    look = plan.looks[0]
    while True:
        for block in blocks_until(plan, look)[len(blocks) :]:
            runs = [
                RunRecord(block.index, block.kind, slot.position, slot.workload, slot.arm, "",
                          {"ns": 1e6 * noise.factor() * (effect if slot.arm == "treat" else 1.0)})
                for slot in block.slots
            ]  # fmt: skip
            blocks.append(BlockRecord(plan.key, block.index, block.kind, block.env_pad, runs))
        verdict = judge(experiment, blocks, FACTS)
        following = next_look(experiment, verdict)
        if following is None:
            return verdict
        look = following


def outcomes(
    experiment: Experiment, effect: float, noise: Callable[[int], Noise], runs: int = RUNS
) -> tuple[Counter[Status], list[Counter[Status]]]:
    """Statuses of the experiment, and of each gate, over the simulated runs."""
    whole: Counter[Status] = Counter()
    gates: list[Counter[Status]] = [Counter() for _ in experiment.gates]
    for seed in range(runs):
        verdict = simulate(experiment, noise(seed), effect)
        whole[verdict.status] += 1
        for count, gate in zip(gates, verdict.gates):
            count[gate.status] += 1
    return whole, gates


@pytest.mark.parametrize("contaminated", [False, True], ids=["normal", "contaminated"])
def test_equal_arms_are_rarely_told_apart(contaminated: bool) -> None:
    """A/A, 400 experiments with two looks: false GO of a target, false NO-GO of a guard, and even
    the NO-GO of a target that asks for any gain at all, each in at most 5 %."""
    experiment = experiment_with(TARGET, GUARD)
    whole, (target, guard) = outcomes(
        experiment, 1.0, lambda seed: Noise(1000 + seed, 0.01, contaminated)
    )
    assert target[Status.GO] <= 0.05 * RUNS
    assert target[Status.NO_GO] <= 0.05 * RUNS
    assert guard[Status.NO_GO] <= 0.05 * RUNS
    assert whole[Status.GO] <= 0.05 * RUNS and whole[Status.NO_GO] <= 0.05 * RUNS
    assert whole[Status.VOID] <= 0.03 * RUNS  # the A/A control errs in 1 % a look
    assert sum(whole.values()) == RUNS


def test_at_the_margin_a_guard_passes_in_at_most_5_percent() -> None:
    """The hardest case for a guard: treat is slower by exactly the margin."""
    _, (guard,) = outcomes(experiment_with(GUARD), 1.02, lambda seed: Noise(2000 + seed))
    assert guard[Status.GO] <= 0.05 * RUNS
    assert guard[Status.NO_GO] <= 0.05 * RUNS


def test_a_slowdown_of_3_percent_breaks_a_guard_of_2() -> None:
    """With 40 blocks and 1 % noise the interval is about 0.4 % to either side."""
    experiment = experiment_with(GUARD, design="blocks: 40")
    whole, _ = outcomes(experiment, 1.03, lambda seed: Noise(3000 + seed), runs=60)
    assert whole[Status.NO_GO] >= 0.9 * 60 and whole[Status.GO] == 0


def test_a_slowdown_of_3_percent_never_passes_even_with_few_blocks() -> None:
    whole, _ = outcomes(experiment_with(GUARD), 1.03, lambda seed: Noise(4000 + seed), runs=100)
    assert whole[Status.GO] == 0


def test_equal_arms_pass_a_guard_of_2_percent_with_enough_blocks() -> None:
    experiment = experiment_with(GUARD, design="blocks: 20")
    whole, _ = outcomes(experiment, 1.0, lambda seed: Noise(5000 + seed), runs=60)
    assert whole[Status.GO] >= 0.9 * 60 and whole[Status.NO_GO] == 0


def test_a_large_gain_is_seen_at_the_first_look() -> None:
    experiment = experiment_with('  - {metric: w.ns, go_if: "ratio <= 0.5"}')
    for seed in range(20):
        verdict = simulate(experiment, Noise(6000 + seed, 0.02), 0.3)
        assert (verdict.status, verdict.look) == (Status.GO, 1)


def test_unpaid_looks_err_too_often_and_paid_ones_do_not() -> None:
    """Truth on the bound, looks at 10, 20, 30, 40 pairs. Taking the first unpaid interval that
    excludes the bound errs in about twice the promised 5 % a side; a quarter each does not."""
    naive = paid = 0
    for seed in range(RUNS):
        noise = Noise(7000 + seed)
        logs = [noise.factor() - noise.factor() for _ in range(40)]
        looks = [logs[:count] for count in (10, 20, 30, 40)]
        naive += any((estimate(x, 0.05).high or 0) < 0 for x in looks)
        paid += any((estimate(x, 0.05 / 4).high or 0) < 0 for x in looks)
    assert naive > 0.075 * RUNS
    assert paid <= 0.05 * RUNS
