"""The plan: reproducible, balanced at every length, extendable, and keyed by what matters."""

from __future__ import annotations

import json
import random
from collections import Counter
from itertools import combinations, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.experiment import Experiment, RunOptions, apply_options, parse_experiment
from harness.model import MEASURED, WARMUP, Block, Plan, json_text
from harness.plan import blocks_until, make_plan, order_balance, plan_key, williams_orders

steady = settings(deadline=None, derandomize=True, max_examples=60)  # no clock, no luck

TEXT = """\
id: s62
question: Does it halve idle RSS?
arms: {base: s61, treat: s62}
references: [{allocator: mimalloc}, {allocator: tcmalloc}]
workloads:
  idle: {program: bench_burst_idle, args: [1, 2], blocks: 12}
  small: {program: bench_ssot, args: [1]}
gates:
  - {metric: idle.rss_idle_kb, go_if: "ratio <= 0.5"}
design: {blocks: 10, max_blocks: 40, warmup: 2, seed: 20260109}
"""


@pytest.fixture
def experiment() -> Experiment:
    return parse_experiment(TEXT)


def orders_of(blocks: list[Block], lane: str) -> list[list[str]]:
    return [
        [slot.arm for slot in block.slots if slot.workload == lane]
        for block in blocks
        if any(slot.workload == lane for slot in block.slots)
    ]


def measured(plan: Plan) -> list[Block]:
    return [block for block in plan.blocks if block.kind == MEASURED]


def test_the_plan_is_a_function_of_the_seed(experiment: Experiment) -> None:
    again = make_plan(parse_experiment(TEXT))
    assert json_text(make_plan(experiment).to_json()) == json_text(again.to_json())
    other = make_plan(parse_experiment(TEXT.replace("20260109", "7")))
    assert [b.slots for b in other.blocks] != [b.slots for b in again.blocks]


def test_the_first_plan_of_this_seed_never_changes(experiment: Experiment) -> None:
    """A run that is resumed by a newer harness must find the same plan."""
    first = make_plan(experiment).blocks[2]
    assert [(s.workload, s.arm) for s in first.slots] == PINNED_SLOTS
    assert first.env_pad == PINNED_PAD


PINNED_SLOTS = [
    ("small", "aa"),
    ("small", "mimalloc"),
    ("small", "treat"),
    ("small", "tcmalloc"),
    ("small", "base"),
    ("idle", "treat"),
    ("idle", "tcmalloc"),
    ("idle", "aa"),
    ("idle", "base"),
    ("idle", "mimalloc"),
]
PINNED_PAD = 3826


def test_json_round_trip(experiment: Experiment) -> None:
    plan = make_plan(experiment)
    assert Plan.from_json(json.loads(json_text(plan.to_json()))) == plan


def test_records_of_another_version_are_refused(experiment: Experiment) -> None:
    data = make_plan(experiment).to_json()
    with pytest.raises(ValueError, match="schema 99, this harness reads 1"):
        Plan.from_json({**data, "schema": 99})
    with pytest.raises(ValueError, match="Plan: unknown key 'new'"):
        Plan.from_json({**data, "new": 1})


def test_every_block_runs_every_arm_of_a_lane_side_by_side(experiment: Experiment) -> None:
    for block in make_plan(experiment).blocks:
        lanes = [slot.workload for slot in block.slots]
        assert len([1 for a, b in zip(lanes, lanes[1:]) if a != b]) == len(set(lanes)) - 1
        for lane in set(lanes):
            slots = [slot for slot in block.slots if slot.workload == lane]
            assert sorted(s.arm for s in slots) == sorted(experiment.arm_ids)
            assert [s.position for s in slots] == list(range(len(slots)))


def test_warm_up_comes_first_and_looks_say_where_to_judge(experiment: Experiment) -> None:
    plan = make_plan(experiment)
    assert [b.kind for b in plan.blocks[:3]] == [WARMUP, WARMUP, MEASURED]
    assert plan.looks == [10, 20, 30, 40] and len(measured(plan)) == 40
    assert [b.index for b in plan.blocks] == list(range(42))
    assert [b.index for b in blocks_until(plan, 20)] == list(range(22))


def test_a_capped_lane_stops_early(experiment: Experiment) -> None:
    blocks = measured(make_plan(experiment))
    assert len(orders_of(blocks, "idle")) == 12 and len(orders_of(blocks, "small")) == 40
    assert all(len(orders_of([block], "idle")) == 1 for block in blocks[:12])


def test_a_longer_plan_begins_with_the_shorter_one(experiment: Experiment) -> None:
    short = make_plan(parse_experiment(TEXT.replace("max_blocks: 40", "max_blocks: 20")))
    assert make_plan(experiment).blocks[: len(short.blocks)] == short.blocks


def test_another_lane_does_not_reorder_the_lanes_there_are(experiment: Experiment) -> None:
    more = parse_experiment(TEXT.replace("gates:", "  lua: {command: lua}\ngates:"))
    mine, theirs = make_plan(experiment).blocks, make_plan(more).blocks
    assert orders_of(mine, "small") == orders_of(theirs, "small")


def test_padding_differs_between_blocks_and_stays_within_a_page(experiment: Experiment) -> None:
    pads = [block.env_pad for block in make_plan(experiment).blocks]
    assert all(0 <= pad < 4096 for pad in pads) and len(set(pads)) > 35


@steady
@given(st.integers(2, 9), st.integers(0, 2**32), st.integers(1, 60))
def test_any_two_arms_swap_order_every_two_blocks(arms: int, seed: int, blocks: int) -> None:
    names = [f"a{i}" for i in range(arms)]
    orders = list(islice(williams_orders(names, random.Random(seed)), blocks))
    for first, second in combinations(names, 2):
        assert abs(order_balance(orders, first, second)) == blocks % 2


@steady
@given(st.integers(1, 9), st.integers(0, 2**32), st.integers(1, 60))
def test_positions_are_balanced_at_every_length(arms: int, seed: int, blocks: int) -> None:
    names = [f"a{i}" for i in range(arms)]
    orders = list(islice(williams_orders(names, random.Random(seed)), blocks))
    for name in names:
        at = Counter(order.index(name) for order in orders)
        counts = [at[position] for position in range(arms)]
        # An odd number of arms has a middle position, which a row and its mirror share.
        assert max(counts) - min(counts) <= (1 if arms % 2 == 0 else 2)


@pytest.mark.parametrize("arms", range(2, 10))
def test_a_full_set_puts_every_arm_after_every_other_equally_often(arms: int) -> None:
    names = [f"a{i}" for i in range(arms)]
    rows = arms if arms % 2 == 0 else 2 * arms
    orders = list(islice(williams_orders(names, random.Random(1)), rows))
    follows = Counter(pair for order in orders for pair in zip(order, order[1:]))
    assert len(follows) == arms * (arms - 1) and set(follows.values()) == {rows // arms}
    for name in names:
        at = Counter(order.index(name) for order in orders)
        assert set(at.values()) == {rows // arms} and len(at) == arms


def test_over_seeds_every_arm_comes_first_about_equally_often() -> None:
    first = Counter(next(williams_orders(list("abcd"), random.Random(s)))[0] for s in range(2000))
    assert all(abs(count - 500) < 100 for count in first.values())


def test_the_key_covers_what_is_run_and_not_how_it_is_judged(experiment: Experiment) -> None:
    key = plan_key(experiment)
    judged = TEXT.replace("0.5", "0.4").replace("Does it halve", "Does it cut")
    assert plan_key(parse_experiment(judged)) == key
    for old, new in [
        ("20260109", "7"),
        ("args: [1, 2]", "args: [1, 3]"),
        ("treat: s62", "treat: s63"),
        ("blocks: 12", "blocks: 10"),
        ("max_blocks: 40", "max_blocks: 20"),
        ("{allocator: tcmalloc}", "{allocator: tcmalloc, preset: x}"),
        ("warmup: 2", "warmup: 1"),
    ]:
        assert plan_key(parse_experiment(TEXT.replace(old, new))) != key, old
    assert plan_key(experiment, quick=True) != key
    assert plan_key(apply_options(experiment, RunOptions(aa=True))) != key
