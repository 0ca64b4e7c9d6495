"""The controls by themselves: the noise floor, the A/A check, position effects, rounding."""

from __future__ import annotations

import math

import pytest

from harness.judge import Pairs, judge
from harness.judge.control import check_aa, position_note
from harness.judge.stats import estimate
from harness.judge.tests.synthetic import FACTS, Noise, demo, records
from harness.judge.text import percent, ratio
from harness.model import ArmFacts, Status

SPREAD = [0.004, -0.003, 0.001, -0.005, 0.002, 0.006, -0.001, 0.003, -0.002, 0.000]


def pairs_of(logs: list[float], first: bool = True) -> Pairs:
    """Pairs with these log-ratios; the arm runs first in every other one."""
    order = [first == (i % 2 == 0) for i in range(len(logs))]
    return Pairs([1000 * math.exp(x) for x in logs], [1000.0] * len(logs), order)


def test_the_floor_is_the_wider_of_bias_and_uncertainty() -> None:
    half = estimate(SPREAD, 0.025).half_width
    assert half is not None
    assert check_aa("m", pairs_of(SPREAD), 0.02, 1).floor == pytest.approx(half)
    steady = check_aa("m", pairs_of([0.008] * 10), math.log(2), 1)
    assert steady.floor == pytest.approx(0.008) and steady.verdict.ok


def test_with_too_few_pairs_the_floor_is_all_that_was_seen() -> None:
    found = check_aa("m", pairs_of(SPREAD[:5]), 0.02, 1)
    assert found.floor == pytest.approx((0.004 + 0.005) / 2)
    assert found.verdict.ok and found.verdict.low is None


def test_the_error_of_the_control_is_shared_among_its_metrics() -> None:
    """Ten pairs of one sign reject at 2^-10 a side: enough alone, not among ten metrics."""
    logs = [0.02 + x for x in SPREAD]
    assert not check_aa("m", pairs_of(logs), 0.02, 1).verdict.ok
    assert check_aa("m", pairs_of(logs), 0.02, 10).verdict.ok


@pytest.mark.parametrize(
    "bias, margin, ok",
    [(0.0009, 0.0, True), (0.002, 0.0, False), (0.004, 0.02, True), (0.006, 0.02, False),
     (0.009, 0.7, True), (0.011, 0.7, False)],
)  # fmt: skip
def test_what_counts_as_a_trifle_follows_the_margin(bias: float, margin: float, ok: bool) -> None:
    assert check_aa("m", pairs_of([bias] * 10), margin, 1).verdict.ok == ok


def test_no_figures_no_control() -> None:
    assert not check_aa("m", Pairs(), 0.02, 1).verdict.ok
    assert not check_aa("m", Pairs([0.0], [1.0], [True]), 0.02, 1).verdict.ok
    assert check_aa("m", Pairs(), 0.02, 1).floor is None


def test_position_effects_are_said_when_they_matter() -> None:
    def with_effect(effect: float) -> str:
        logs = [(effect if i % 2 == 0 else -effect) + x / 100 for i, x in enumerate(SPREAD)]
        return position_note(pairs_of(logs), logs)

    assert with_effect(0.03).startswith("running first changes it by +3 %")
    assert with_effect(-0.03).startswith("running first changes it by -3 %")
    assert with_effect(0.0005) == ""  # beyond doubt, but a trifle
    assert position_note(pairs_of(SPREAD), SPREAD) == ""


def test_logs_come_back_as_the_ratios_they_were() -> None:
    for thousandths in range(1, 3000):
        value = thousandths / 1000
        assert ratio(math.log(value)) == value
    assert ratio(None) is None


def test_percentages_read_well() -> None:
    assert [percent(x) for x in (0.0213, 0.5, 0.00012)] == ["2.1 %", "50 %", "0.012 %"]


def test_a_guard_broken_between_equal_arms_is_void_even_with_few_blocks() -> None:
    """With 6 blocks a 99 % interval does not exist, yet the gate at 90 % would say NO-GO."""
    experiment = demo(
        ("id: demo", "id: demo\nkind: aa"),
        ("base: s61, treat: s62", "base: s61"),
        ("blocks: 10", "blocks: 6"),
    )
    blocks = records(experiment, Noise(2, 0.002).figures({"ops": 0.95}))
    verdict = judge(experiment, blocks, [FACTS[0], ArmFacts("treat", "b" * 64)])
    assert [a.ok for a in verdict.aa] == [True, True]
    assert [g.status for g in verdict.gates] == [Status.INCONCLUSIVE, Status.VOID]
