"""A night in which nothing has changed is red in at most 5 %, however many lanes there are and however
noisy they are; one in which a lane has become much worse is red."""

from __future__ import annotations

import math
from typing import List, Sequence

import numpy as np
import pytest
from scipy.stats import binom

from harness.experiment import Gate
from harness.judge.gates import evaluate_gate
from harness.judge.pairs import Pairs
from harness.model import Status, Verdict
from harness.nightly.triage import Outcome, answer, outcomes, suspected

LANES, SCREEN, CONFIRM, ERROR = 38, 5, 20, 0.05


def gates(bound: float) -> List[Gate]:
    return [Gate(metric=f"lane{i}.ops_per_s", no_go_if=f"ratio < {bound}") for i in range(LANES)]


def pairs(noise: np.random.Generator, blocks: int, spread: float, shift: float) -> Pairs:
    """Treat over base with heavy tails: Student's t with 3 degrees of freedom, as shared machines have."""
    logs = math.log(shift) + spread * noise.standard_t(3, blocks)
    first = [i % 2 == 0 for i in range(blocks)]
    return Pairs(arm=list(1e6 * np.exp(logs)), against=[1e6] * blocks, first=first)


def stage(asked: Sequence[Gate], alpha: float, blocks: int, noise: np.random.Generator, spread: float, worse: dict) -> Verdict:
    found = [evaluate_gate(g, pairs(noise, blocks, spread, worse.get(g.lane, 1.0)), alpha) for g in asked]
    return Verdict("n", Status.GO, [], found, [], [], blocks, 0, 0, 1, 1)


def night(noise: np.random.Generator, bound: float, spread: float, worse: dict) -> tuple[Status, List[Outcome]]:
    asked = gates(bound)
    first = stage(asked, 0.05, SCREEN, noise, spread, worse)
    names = suspected(asked, first, 0.5)
    kept = [gate for gate in asked if gate.metric in names]
    second = stage(kept, ERROR / len(kept), CONFIRM, noise, spread, worse) if kept else None
    found = outcomes(asked, first, names, second)
    return answer(found, None, partial=False), [gate.outcome for gate in found]


@pytest.mark.parametrize("bound, spread", [(0.97, 0.03), (0.97, 0.15), (0.9999, 0.03)])
def test_an_equal_night_is_red_in_at_most_five_per_cent(bound: float, spread: float) -> None:
    """The last bound is as good as none: then all that the correction promises is needed."""
    nights = 400
    noise = np.random.default_rng(20260109)
    red = sum(night(noise, bound, spread, {})[0] is Status.NO_GO for _ in range(nights))
    # So many or more red nights would happen in one of a thousand tests if the rate were 5 %.
    assert red <= binom.ppf(0.999, nights, ERROR)


def test_without_the_correction_the_same_nights_would_be_red_often() -> None:
    """The simulation can fail: five per cent a gate is a third of all nights and more."""
    noise = np.random.default_rng(20260109)
    red = 0
    for _ in range(60):
        asked = gates(0.9999)
        red += any(g.status is Status.NO_GO for g in stage(asked, ERROR, CONFIRM, noise, 0.03, {}).gates)
    assert red > 30


def test_one_lane_that_lost_a_tenth_is_found_and_no_other_is_blamed() -> None:
    noise = np.random.default_rng(20260109)
    found = [night(noise, 0.97, 0.02, {"lane7": 0.90}) for _ in range(40)]
    assert sum(status is Status.NO_GO and made[7] is Outcome.REGRESSED for status, made in found) >= 38
    blamed = sum(outcome is Outcome.REGRESSED for _, made in found for i, outcome in enumerate(made) if i != 7)
    assert blamed <= binom.ppf(0.999, len(found), ERROR)
