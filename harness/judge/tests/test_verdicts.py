"""Every way a verdict can come out, from whole experiments with made-up runs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from harness.experiment import Experiment, look_alphas, look_counts, parse_experiment
from harness.judge import judge, next_look
from harness.judge.tests.synthetic import FACTS, TEXT, Noise, constant, demo, records
from harness.model import ArmFacts, BlockRecord, RunRecord, Status, Verdict, json_text

GO_FIGURES = {"rss_kb": 0.4, "ops": 1.0}


def verdict_of(experiment: Experiment, treat: dict[str, float], sigma: float = 0.005) -> Verdict:
    return judge(experiment, records(experiment, Noise(3, sigma).figures(treat)), FACTS)


def touched(blocks: list[BlockRecord], change: Callable[[RunRecord], None]) -> list[BlockRecord]:
    """The same records after `change` was let loose on every measured run."""
    for block in blocks:
        for run in block.runs:
            if block.kind == "measured":
                change(run)
    return blocks


# --- GO, NO-GO, INCONCLUSIVE


def test_target_reached_and_guard_kept_is_go() -> None:
    verdict = verdict_of(demo(), GO_FIGURES)
    assert verdict.status == Status.GO and verdict.exit_status == 0
    target, guard = verdict.gates
    assert (target.kind, target.status) == ("target", Status.GO)
    assert (guard.kind, guard.status) == ("guard", Status.GO)
    assert target.high is not None and target.high < 0.5
    assert target.n == 10 and target.confidence == pytest.approx(0.9)
    assert target.noise_floor is not None and 0 < target.noise_floor < 0.02
    assert target.mde is not None and 0 < target.mde < 0.02
    assert target.median_base == pytest.approx(1000, rel=0.01)
    assert target.median_treat == pytest.approx(400, rel=0.01)
    assert verdict.runs == 60 and verdict.blocks == 10 and verdict.disturbed_runs == 0


def test_a_broken_guard_is_no_go_whatever_the_target_says() -> None:
    verdict = verdict_of(demo(), {"rss_kb": 0.4, "ops": 0.9})
    assert [g.status for g in verdict.gates] == [Status.GO, Status.NO_GO]
    assert verdict.status == Status.NO_GO and verdict.exit_status == 1


def test_a_missed_target_is_no_go() -> None:
    verdict = verdict_of(demo(), {"rss_kb": 0.8, "ops": 1.0})
    assert verdict.status == Status.NO_GO and verdict.gates[0].status == Status.NO_GO


TWO_TARGETS = ('  - {metric: small.ops, no_go_if: "ratio < 0.98"}',
               '  - {metric: small.ops, go_if: "ratio >= 1.1"}')  # fmt: skip


def test_all_targets_must_hold() -> None:
    two = demo(TWO_TARGETS)
    assert verdict_of(two, {"rss_kb": 0.4, "ops": 1.2}).status == Status.GO
    assert verdict_of(two, {"rss_kb": 0.4, "ops": 1.1}).status == Status.INCONCLUSIVE
    missed = verdict_of(two, {"rss_kb": 0.4, "ops": 1.0})
    assert missed.status == Status.NO_GO and missed.exit_status == 1


def test_any_target_is_enough_where_the_experiment_says_so_and_the_missed_is_named() -> None:
    two = demo(TWO_TARGETS, ("design:", "any_target: true\ndesign:"))
    verdict = verdict_of(two, {"rss_kb": 0.4, "ops": 1.0})
    assert verdict.status == Status.GO
    assert verdict.headline == ["missed (any target was enough): small.ops"]
    assert verdict_of(two, {"rss_kb": 0.4, "ops": 1.1}).status == Status.INCONCLUSIVE
    assert verdict_of(two, {"rss_kb": 0.9, "ops": 1.0}).status == Status.NO_GO


def test_one_of_several_targets_must_hold_at_a_share_of_the_error() -> None:
    """Four targets of which one holds at 5 %, but not at a quarter of it."""
    gates = "\n".join(f'  - {{metric: small.m{i}, go_if: "ratio < 1"}}' for i in range(4))
    text = TEXT[: TEXT.index("gates:")] + f"gates:\n{gates}\nANY\ndesign: {{blocks: 10, seed: 11}}\n"
    rng = random.Random(5)
    edge = [-1, -2, -3, 4, 5, -6, -7, -8, -9, -10]  # rank sum 9 of 55: 3.2 % a side
    blocks: dict[str, dict[int, float]] = {
        f"m{i}": {b: 1 + 0.002 * (edge[b - 1] if i == 0 else rng.choice((-5, 5))) for b in range(1, 11)}
        for i in range(4)
    }

    def figures(lane: str, arm: str, block: int) -> dict[str, float]:
        noise = {"base": 0.0, "treat": 0.0, "aa": 0.0001 * (-1) ** block}.get(arm, 0.0)
        return {
            name: 1000 * ((by_block.get(block, 1.0) if arm == "treat" else 1.0) + noise)
            for name, by_block in blocks.items()
        }

    def judged(any_target: str) -> Verdict:
        experiment = parse_experiment(text.replace("ANY", any_target))
        return judge(experiment, records(experiment, figures), FACTS)

    assert judged("any_target: false").gates[0].status == Status.GO
    paid = judged("any_target: true")
    assert paid.gates[0].status == Status.INCONCLUSIVE and "(Holm)" in paid.gates[0].note
    assert paid.status == Status.INCONCLUSIVE


def test_an_interval_across_the_bound_is_inconclusive_and_asks_for_blocks() -> None:
    verdict = verdict_of(demo(), {"rss_kb": 0.4, "ops": 1.0}, sigma=0.03)
    guard = verdict.gates[1]
    assert guard.status == Status.INCONCLUSIVE == verdict.status and verdict.exit_status == 2
    assert guard.needs_blocks is not None and guard.needs_blocks >= 1
    assert f"needs about {guard.needs_blocks} more block" in guard.note


def test_an_estimate_on_the_bound_does_not_promise_that_blocks_help() -> None:
    figures = {block: 0.98 * (1.01 if block % 2 else 1 / 1.01) for block in range(12)}

    def ops(lane: str, arm: str, block: int) -> dict[str, float]:
        return {"rss_kb": 400.0 if arm == "treat" else 1000.0,
                "ops": 1000 * figures[block] if arm == "treat" else 1000.0}  # fmt: skip

    experiment = demo()
    gate = judge(experiment, records(experiment, ops), FACTS).gates[1]
    assert gate.status == Status.INCONCLUSIVE and gate.needs_blocks is None
    assert "the estimate lies on the bound" in gate.note


def test_more_noise_asks_for_more_blocks() -> None:
    experiment, needs = demo(), []
    for spread in (1.03, 1.06):

        def figures(lane: str, arm: str, block: int, s: float = spread) -> dict[str, float]:
            factor = (s if block % 2 else 1 / s) if arm == "treat" else 1.0
            return {"rss_kb": 400.0 if arm == "treat" else 1000.0, "ops": 1000 * factor}

        gate = judge(experiment, records(experiment, figures), FACTS).gates[1]
        assert gate.status == Status.INCONCLUSIVE and gate.needs_blocks is not None
        needs.append(gate.needs_blocks)
    assert needs[1] > 2 * needs[0]


@pytest.mark.parametrize(
    "ratio, status",
    [(1.0, Status.GO), (1.05, Status.NO_GO), (0.95, Status.NO_GO), (1.02, Status.INCONCLUSIVE)],
)
def test_same_within(ratio: float, status: Status) -> None:
    same = demo(('no_go_if: "ratio < 0.98"', "same_within: 0.02"))
    verdict = verdict_of(same, {"rss_kb": 0.4, "ops": ratio})
    gate = verdict.gates[1]
    assert (gate.kind, gate.status) == ("same", status)
    assert gate.bounds == [pytest.approx(1 / 1.02), 1.02]
    expected = {Status.GO: Status.GO, Status.NO_GO: Status.NO_GO}
    assert verdict.status == expected.get(status, Status.INCONCLUSIVE)


@pytest.mark.parametrize(
    "rule, status, arm",
    [
        ('go_if: "treat <= 410"', Status.GO, "treat"),
        ('go_if: "treat <= 390"', Status.NO_GO, "treat"),
        ('go_if: "treat <= 400"', Status.INCONCLUSIVE, "treat"),
        ('no_go_if: "base < 900"', Status.GO, "base"),
        ('no_go_if: "base > 900"', Status.NO_GO, "base"),
    ],
)
def test_absolute_gates(rule: str, status: Status, arm: str) -> None:
    verdict = verdict_of(demo(('go_if: "ratio <= 0.5"', rule)), GO_FIGURES)
    gate = verdict.gates[0]
    assert (gate.kind, gate.status, gate.arm, gate.against) == ("absolute", status, arm, None)
    assert gate.estimate == pytest.approx(400 if arm == "treat" else 1000, rel=0.01)
    assert gate.noise_floor is None


def test_absolute_gates_take_zeros() -> None:
    experiment = demo(('go_if: "ratio <= 0.5"', 'go_if: "treat <= 0"'))
    verdict = judge(experiment, records(experiment, constant({"rss_kb": 0.0})), FACTS)
    gate = verdict.gates[0]
    assert gate.status == Status.GO and (gate.estimate, gate.low, gate.high) == (0, 0, 0)


def test_counters_without_noise_decide_exactly_at_the_bound() -> None:
    experiment = demo(('no_go_if: "ratio < 0.98"', 'no_go_if: "ratio <= 0.98"'))
    blocks = records(experiment, constant({"rss_kb": 0.5, "ops": 0.98}))
    target, guard = judge(experiment, blocks, FACTS).gates
    assert (target.low, target.high, target.status) == (0.5, 0.5, Status.GO)
    assert (guard.low, guard.high, guard.status) == (0.98, 0.98, Status.NO_GO)
    strict = demo()
    guard = judge(strict, records(strict, constant({"rss_kb": 0.5, "ops": 0.98})), FACTS).gates[1]
    assert guard.status == Status.GO  # ratio < 0.98 does not hold at 0.98


def test_the_median_statistic_is_used_when_asked_for() -> None:
    plain = demo()
    median = demo(('go_if: "ratio <= 0.5"', 'go_if: "ratio <= 0.5", statistic: median'))
    blocks = records(plain, Noise(3, 0.02).figures(GO_FIGURES))
    a, b = judge(plain, blocks, FACTS).gates[0], judge(median, blocks, FACTS).gates[0]
    assert None not in (a.low, a.high, b.low, b.high) and (a.low, a.high) != (b.low, b.high)


# --- the noise floor


def test_a_difference_below_the_noise_floor_is_never_go() -> None:
    """treat is better by exactly 0.4 % in every block; the copy of base wanders by 1 %."""
    experiment = demo(('go_if: "ratio <= 0.5"', 'go_if: "ratio < 1"'))

    def figures(lane: str, arm: str, block: int) -> dict[str, float]:
        del lane
        factor = {"treat": 0.996, "aa": 1.01 if block % 2 else 0.99}.get(arm, 1.0)
        return {"rss_kb": 1000 * factor, "ops": 1000.0}

    gate = judge(experiment, records(experiment, figures), FACTS).gates[0]
    assert gate.high is not None and gate.high < 1  # without the floor this were a GO
    assert gate.status == Status.INCONCLUSIVE
    assert "-0.4 % is below the noise floor of 1 %" in gate.note
    assert gate.needs_blocks is not None and gate.needs_blocks > 10


def test_a_kept_guard_claims_no_difference_and_needs_no_floor() -> None:
    experiment = demo(('no_go_if: "ratio < 0.98"', 'no_go_if: "ratio < 0.9"'))
    gate = verdict_of(experiment, GO_FIGURES, sigma=0.02).gates[1]
    assert gate.status == Status.GO and gate.noise_floor is not None
    assert abs((gate.estimate or 0) - 1) < gate.noise_floor


def test_without_an_aa_arm_there_is_no_floor() -> None:
    experiment = demo(("seed: 11", "seed: 11, aa: false"))
    verdict = verdict_of(experiment, GO_FIGURES)
    assert verdict.status == Status.GO and verdict.aa == []
    assert verdict.gates[0].noise_floor is None


# --- looks


def test_each_look_pays_its_share() -> None:
    experiment = demo(("blocks: 10", "blocks: 10, max_blocks: 40"))
    blocks = records(experiment, Noise(3, 0.005).figures(GO_FIGURES), 20)
    verdict = judge(experiment, blocks, FACTS)
    assert (verdict.look, verdict.looks, verdict.blocks) == (2, 4, 20)
    (level,) = set(look_alphas(experiment.design, look_counts(experiment.design)))
    assert verdict.gates[0].confidence == pytest.approx(1 - 2 * level)


def test_blocks_between_looks_are_not_peeked_at() -> None:
    experiment = demo(("blocks: 10", "blocks: 10, max_blocks: 40"))
    blocks = records(experiment, Noise(3, 0.02).figures(GO_FIGURES), 17)
    at_ten = judge(experiment, blocks[:11], FACTS)
    later = judge(experiment, blocks, FACTS)
    assert later.gates == at_ten.gates and later.look == 1
    assert later.reasons[-1] == "7 blocks after the last look wait for the next"


def test_the_run_goes_on_only_while_undecided_and_within_the_plan() -> None:
    experiment = demo(("blocks: 10", "blocks: 10, max_blocks: 20"))
    unsure = Noise(3, 0.03).figures(GO_FIGURES)
    first = judge(experiment, records(experiment, unsure, 10), FACTS)
    assert first.status == Status.INCONCLUSIVE and next_look(experiment, first) == 20
    last = replace(first, look=2)
    assert next_look(experiment, last) is None
    for status in (Status.GO, Status.NO_GO, Status.VOID):
        assert next_look(experiment, replace(first, status=status)) is None
    unfinished = judge(experiment, records(experiment, unsure, 4), FACTS)
    assert next_look(experiment, unfinished) == 10


def test_a_capped_lane_pays_only_for_the_looks_at_which_its_data_grows() -> None:
    experiment = demo(
        ("blocks: 10", "blocks: 10, max_blocks: 40"),
        ("program: bench_burst_idle", "program: bench_burst_idle, blocks: 10"),
    )
    verdict = judge(experiment, records(experiment, Noise(3).figures(GO_FIGURES), 30), FACTS)
    target, guard = verdict.gates
    assert (target.n, guard.n) == (10, 30) and verdict.status == Status.GO
    assert target.confidence == pytest.approx(0.9)
    assert guard.confidence == pytest.approx(1 - 2 * look_alphas(experiment.design, [10, 20, 30, 40])[2])


# --- purity


def test_judging_is_a_function_of_the_records_in_any_order() -> None:
    experiment = demo()
    blocks = records(experiment, Noise(5).figures(GO_FIGURES))
    text = json_text(judge(experiment, blocks, FACTS).to_json())
    shuffled = [BlockRecord.from_json(b.to_json()) for b in blocks]
    random.Random(1).shuffle(shuffled)
    for block in shuffled:
        random.Random(2).shuffle(block.runs)
    assert json_text(judge(experiment, shuffled, list(reversed(FACTS))).to_json()) == text


def test_a_verdict_survives_json() -> None:
    verdict = verdict_of(demo(), GO_FIGURES)
    data = verdict.to_json()
    assert data["exit_status"] == 0 and data["status"] == "GO" and data["schema"] == 1
    assert Verdict.from_json(data) == verdict


def test_warm_up_blocks_are_never_judged() -> None:
    experiment = demo()
    blocks = records(experiment, constant(GO_FIGURES))
    before = judge(experiment, blocks, FACTS)
    for run in blocks[0].runs:
        run.metrics.clear()
    assert blocks[0].kind == "warmup" and judge(experiment, blocks, FACTS) == before


def test_statuses_have_the_documented_exit_codes() -> None:
    assert {s.value: s.exit_status for s in Status} == {
        "GO": 0, "NO-GO": 1, "INCONCLUSIVE": 2, "VOID": 3, "COMPLETE": 0, "PARTIAL": 6}  # fmt: skip


def test_gates_on_one_metric_get_different_ids() -> None:
    twice = demo(("metric: small.ops", "metric: idle.rss_kb"))
    assert [g.id for g in verdict_of(twice, GO_FIGURES).gates] == ["idle.rss_kb", "idle.rss_kb#2"]
    named = demo(("{metric: small.ops", "{id: speed, metric: small.ops"))
    assert verdict_of(named, GO_FIGURES).gates[1].id == "speed"


def test_disturbed_runs_are_counted_and_kept() -> None:
    experiment = demo()

    def disturb(run: RunRecord) -> None:
        if run.block % 5 == 0:
            run.disturbed.append("steal 30 ms")

    blocks = touched(records(experiment, constant(GO_FIGURES)), disturb)
    verdict = judge(experiment, blocks, FACTS)
    assert verdict.disturbed_runs == 12 and verdict.gates[0].n == 10
    assert "the machine disturbed 12 of 60 runs" in verdict.reasons


def test_third_arms_and_references_can_be_judged() -> None:
    experiment = demo(
        ("treat: s62}", "treat: s62, old: s60}\nreferences: [{allocator: mimalloc}]"),
        ("{metric: small.ops,", "{metric: small.ops, arm: treat, against: mimalloc,"),
    )
    facts = [*FACTS, ArmFacts("old", "0" * 64)]
    blocks = records(experiment, Noise(3, 0.005).figures(GO_FIGURES))
    verdict = judge(experiment, blocks, facts)
    assert verdict.status == Status.GO and verdict.gates[1].against == "mimalloc"
