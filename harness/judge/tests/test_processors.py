"""A machine that moves its processors together and apart, as a host does with its guests."""

from __future__ import annotations

import pytest

from harness.judge import judge
from harness.judge.processors import distance, moved, states, states_note
from harness.judge.tests.synthetic import FACTS, Figures, Noise, demo, records
from harness.model import RunRecord, Status

NEAR, FAR = 98.0, 300.0
SPEED = (("small.ops, no_go_if", "small.ops_per_s, no_go_if"),)


def run(before: float, after: float = 0.0) -> RunRecord:
    metrics = {"handover_ns": before, "handover_after_ns": after}
    return RunRecord(1, "measured", 0, "l", "a", "", {k: v for k, v in metrics.items() if v})


def machine(far_of: dict[str, set[int]], told: bool = True, factor: float = 3.0, seed: int = 5) -> Figures:
    """`far_of[arm]`: the blocks in which the processors lay far apart while the arm ran, which made
    it `factor` times as slow."""
    noise = Noise(seed, 0.004)

    def of(lane: str, arm: str, block: int) -> dict[str, float]:
        far = block in far_of.get(arm, set())
        figures = {"rss_kb": (400 if arm == "treat" else 1000) * noise.factor(), "wall_s": 1.0}
        figures["ops_per_s"] = 1e6 * noise.factor() / (factor if far else 1.0)
        if told:
            here = FAR if far else NEAR
            figures |= {"handover_ns": here * noise.factor(), "handover_after_ns": here * noise.factor()}
        return figures

    return of


def test_a_block_counts_only_where_the_machine_stood_still() -> None:
    assert not moved("ops_per_s", [run(98, 97), run(101, 120)])
    assert moved("ops_per_s", [run(98, 97), run(300, 301)])
    assert moved("ops_per_s", [run(98, 300), run(300, 300)]), "within a run is as bad as between runs"
    assert not moved("ops_per_s", [run(0), run(300)]), "what was not measured proves nothing"
    assert not moved("rss_held_kb", [run(98), run(300)]), "memory does not feel it"
    assert distance([run(98, 99), run(100)]) == 99 and distance([run(0)]) is None


def test_states_are_told_apart() -> None:
    assert states([300, 98, 305, 101]) == [[1, 3], [0, 2]]
    assert states([None, 98.0, None]) == [[1], [0, 2]]
    assert states([]) == []
    assert states_note([300, 98, 305, 101]) == (
        "the machine's processors lay apart by 101 ns in 2 blocks, 305 ns in 2 blocks"
    )
    assert states_note([98, 99, 120]) == "" == states_note([None, 98])


def test_arms_in_different_states_do_not_make_a_loss() -> None:
    far = {"treat": {2, 5, 8}, "aa": {3}}
    blind = judge(demo(*SPEED), records(demo(*SPEED), machine(far, told=False)), FACTS).gates[1]
    assert blind.status != Status.GO, "the figures alone look like a loss"
    gate = judge(demo(*SPEED), records(demo(*SPEED), machine(far)), FACTS).gates[1]
    assert gate.status == Status.GO and gate.n == 7
    assert "3 blocks set aside: the machine moved its processors within them" in gate.note


def test_a_state_that_all_arms_share_is_no_second_mode_of_theirs() -> None:
    together = {arm: {1, 4, 6, 9} for arm in ("base", "treat", "aa")}
    blind = judge(demo(*SPEED), records(demo(*SPEED), machine(together, told=False)), FACTS).gates[1]
    assert "has two modes" in blind.note
    gate = judge(demo(*SPEED), records(demo(*SPEED), machine(together)), FACTS).gates[1]
    assert gate.status == Status.GO and gate.n == 10
    assert "two modes" not in gate.note and "98 ns in 6 blocks" in gate.note


def test_a_mode_of_the_arms_own_is_still_seen() -> None:
    own = machine({}, factor=1.0)

    def slow_at_times(lane: str, arm: str, block: int) -> dict[str, float]:
        figures = own(lane, arm, block)
        if arm == "treat" and block in (2, 7):
            figures["ops_per_s"] /= 1.5
        return figures

    gate = judge(demo(*SPEED), records(demo(*SPEED), slow_at_times), FACTS).gates[1]
    assert "treat has two modes" in gate.note and gate.status != Status.GO


def test_a_machine_that_never_rests_decides_nothing() -> None:
    restless = machine({"base": set(range(20)), "treat": set()})
    verdict = judge(demo(*SPEED), records(demo(*SPEED), restless), FACTS)
    assert verdict.gates[1].status == Status.VOID
    assert "moved its processors within every block" in verdict.gates[1].note


@pytest.mark.parametrize("set_aside", [2, 4])
def test_blocks_set_aside_unbalance_no_order(set_aside: int) -> None:
    """That the blocks left have more of one order is chance, not a broken plan."""
    experiment = demo(*SPEED)
    blocks = records(experiment, machine({}))
    base_first = []
    for block in blocks:
        at = {r.arm: r for r in block.runs if r.workload == "small"}
        if block.kind == "measured" and at["base"].position < at["treat"].position:
            base_first.append(at["treat"])
    for treat in base_first[:set_aside]:
        treat.metrics["handover_ns"] = FAR
    gate = judge(experiment, blocks, FACTS).gates[1]
    assert gate.status != Status.VOID, gate.note
