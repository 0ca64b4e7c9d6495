"""Exact gates: a count that repeats decides from two blocks, one that does not decides nothing."""

from __future__ import annotations

from typing import Mapping

import pytest

from harness.experiment import Experiment, ExperimentError, parse_experiment
from harness.experiment.figures import is_exact
from harness.judge import judge
from harness.judge.tests.synthetic import FACTS, Figures, records
from harness.model import Status, Verdict

TEXT = """\
id: exact
question: Are there more instructions?
arms: {base: s61, treat: s62}
workloads:
  count: {program: bench_ssot, under: cachegrind}
gates:
  - {metric: count.instructions_per_op, RULE, exact_within: 0.001}
design: {blocks: 2, warmup: 0, seed: 4}
"""
GUARD, TARGET, SAME = 'no_go_if: "ratio > 1.01"', 'go_if: "ratio <= 0.98"', "same_within: 0.004"


def experiment(rule: str = GUARD, blocks: int = 2) -> Experiment:
    return parse_experiment(TEXT.replace("RULE", rule).replace("blocks: 2", f"blocks: {blocks}"))


def counts(of_block: Mapping[str, float], drift: float = 0.0, padding: float = 0.0) -> Figures:
    """50 instructions times the arm's factor; `drift` grows from block to block in treat alone,
    `padding` in every arm."""

    def of(lane: str, arm: str, block: int) -> dict[str, float]:
        del lane
        value = 50.0 * of_block.get(arm, 1.0) * (1 + padding * block) * (1 + (drift * block if arm == "treat" else 0))
        return {"instructions_per_op": value, "wall_s": 0.01}

    return of


def verdict_of(asked: Experiment, figures: Figures) -> Verdict:
    return judge(asked, records(asked, figures), FACTS)


@pytest.mark.parametrize(
    "rule, factor, status",
    [
        (GUARD, 1.0, Status.GO),
        (GUARD, 1.008, Status.GO),
        (GUARD, 1.0095, Status.INCONCLUSIVE),  # the allowance reaches over the bound
        (GUARD, 1.03, Status.NO_GO),
        (TARGET, 0.9, Status.GO),
        (TARGET, 1.0, Status.NO_GO),
        (SAME, 1.0, Status.GO),
        (SAME, 1.01, Status.NO_GO),
    ],
)
def test_constant_counts_decide_from_two_blocks(rule: str, factor: float, status: Status) -> None:
    verdict = verdict_of(experiment(rule), counts({"treat": factor}))
    assert verdict.status == status, verdict.reasons
    (gate,) = verdict.gates
    assert gate.n == 2 and gate.confidence is None and gate.needs_blocks is None and gate.estimate == pytest.approx(factor)
    assert gate.low == pytest.approx(factor / 1.001) and gate.high == pytest.approx(factor * 1.001)


def test_what_all_arms_of_a_block_share_is_no_lack_of_repetition() -> None:
    assert verdict_of(experiment(), counts({}, padding=0.004)).status == Status.GO


@pytest.mark.parametrize("rule, factor", [(GUARD, 1.0), (GUARD, 1.05), (TARGET, 0.9), (SAME, 1.0)])
def test_a_count_that_does_not_repeat_decides_nothing(rule: str, factor: float) -> None:
    verdict = verdict_of(experiment(rule), counts({"treat": factor}, drift=0.0015))
    assert verdict.status == Status.INCONCLUSIVE
    assert "the ratio differs by +0.15 % among blocks, more than exact_within 0.001 allows" in verdict.gates[0].note


@pytest.mark.parametrize("rule, factor", [(GUARD, 1.0), (GUARD, 1.05), (TARGET, 0.9)])
def test_a_copy_of_base_with_another_count_lets_nothing_decide(rule: str, factor: float) -> None:
    verdict = verdict_of(experiment(rule), counts({"treat": factor, "aa": 1.002}))
    assert verdict.status == Status.INCONCLUSIVE
    assert "base's own copy is +0.2 % off base" in verdict.gates[0].note


def test_one_block_is_refused_and_a_time_beside_it_needs_its_five() -> None:
    with pytest.raises(ExperimentError, match="use at least 2"):
        experiment(blocks=1)
    both = TEXT.replace("RULE", GUARD).replace("design:", '  - {metric: count.ops, same_within: 0.1}\ndesign:')
    with pytest.raises(ExperimentError, match="use at least 5"):
        parse_experiment(both)


def test_without_the_allowance_the_usual_rule_holds() -> None:
    plain = parse_experiment(TEXT.replace("RULE", GUARD).replace(", exact_within: 0.001", "").replace("blocks: 2", "blocks: 5"))
    (gate,) = verdict_of(plain, counts({})).gates
    assert gate.confidence == 0.9 and (gate.low, gate.high) == (1.0, 1.0) and gate.status == Status.GO


def test_which_names_are_counts() -> None:
    exact = ("instructions", "instructions_per_op", "hw_instructions", "mmaps", "process_madvises", "minflt", "LINE.key", "rss_idle_kb@2")
    assert all(map(is_exact, exact))
    assert not any(map(is_exact, ("ops_per_s", "wall_s", "instructions_per_s", "ops_per_cpu_s", "burst_ns_per_object", "malloc_p99_ns")))
