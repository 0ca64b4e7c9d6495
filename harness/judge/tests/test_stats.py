"""The estimator against scipy, against enumeration, and against its own promises."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from harness.judge.stats import (
    blocks_needed,
    estimate,
    minimal_detectable_effect,
    sign_distribution,
    signed_rank_distribution,
    walsh_averages,
)

steady = settings(deadline=None, derandomize=True, max_examples=60)  # no clock, no luck

SAMPLE = [0.3, -0.1, 0.8, 0.5, 1.3, -0.4, 0.7, 0.9, 0.2, 1.1]

numbers = st.lists(
    st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 6)), min_size=5, max_size=25
)


@pytest.mark.parametrize("n", range(1, 11))
def test_the_null_distribution_is_that_of_all_sign_patterns(n: int) -> None:
    counts = np.zeros(n * (n + 1) // 2 + 1)
    for signs in itertools.product((0, 1), repeat=n):
        counts[sum(rank * sign for rank, sign in zip(range(1, n + 1), signs))] += 1
    assert signed_rank_distribution(n) == pytest.approx(counts / 2**n)


@pytest.mark.parametrize("n", [5, 10, 25, 50])
def test_tail_probabilities_are_those_of_scipy(n: int) -> None:
    """scipy's exact one-sided p-value of a sample whose rank sum is t is P(T <= t)."""
    cumulative = np.cumsum(signed_rank_distribution(n))
    for negatives in (1, 2, n // 2):
        x = np.arange(1, n + 1, dtype=float)
        x[negatives - 1] *= -1  # T = total - negatives, so that P(T' <= negatives) is asked for
        found: Any = scipy_stats.wilcoxon(x, alternative="greater", mode="exact")
        assert cumulative[negatives] == pytest.approx(found.pvalue, rel=1e-9)


def test_published_critical_values() -> None:
    """Largest t with P(T <= t) <= alpha, as in the usual tables of the signed-rank test."""
    table = {(10, 0.05): 10, (10, 0.025): 8, (15, 0.05): 30, (20, 0.025): 52, (20, 0.05): 60}
    for (n, alpha), critical in table.items():
        cumulative = np.cumsum(signed_rank_distribution(n))
        assert cumulative[critical] <= alpha < cumulative[critical + 1]


@steady
@given(numbers, st.sampled_from([0.05, 0.025, 0.0125]))
def test_the_interval_is_the_set_of_centres_that_the_test_does_not_reject(
    x: list[float], alpha: float
) -> None:
    """Duality: shift the data just inside and just outside each end and ask the exact test."""
    values = np.unique(np.array(x))  # distinct, so that the test has no ties at most shifts
    found = estimate(list(values), alpha)
    if len(values) < 5 or found.low is None or found.high is None:
        return
    tail = np.cumsum(signed_rank_distribution(len(values)))

    def p_greater(centre: float) -> float:
        """Chance of so many Walsh averages at or below `centre`: T counts those above it."""
        return float(tail[int(np.sum(walsh_averages(values) < centre))])

    assert p_greater(found.low - 1e-9) <= alpha
    assert p_greater(found.low + 1e-9) > alpha
    mirrored = estimate(list(-values), alpha)
    assert mirrored.low == pytest.approx(-found.high)


def test_a_worked_example() -> None:
    found = estimate(SAMPLE, 0.05)
    pairs = [(a + b) / 2 for i, a in enumerate(SAMPLE) for b in SAMPLE[i:]]
    assert found.value == pytest.approx(float(np.median(pairs)))
    assert (found.low, found.high) == (
        pytest.approx(sorted(pairs)[10]),  # critical value 10 for n = 10: the 11th of 55
        pytest.approx(sorted(pairs)[-11]),
    )


@steady
@given(numbers)
def test_swapping_the_arms_inverts_the_answer(x: list[float]) -> None:
    for statistic in ("hodges-lehmann", "median"):
        a = estimate(x, 0.05, statistic)
        b = estimate([-v for v in x], 0.05, statistic)
        assert a.low is not None and a.high is not None
        assert (b.value, b.low, b.high) == pytest.approx((-a.value, -a.high, -a.low), abs=1e-12)


@steady
@given(numbers, st.floats(-3, 3), st.floats(0.1, 10))
def test_shift_and_scale_carry_over(x: list[float], shift: float, scale: float) -> None:
    a = estimate(x, 0.05)
    b = estimate([scale * v + shift for v in x], 0.05)
    assert a.low is not None and a.high is not None
    expected = tuple(scale * v + shift for v in (a.value, a.low, a.high))
    assert (b.value, b.low, b.high) == pytest.approx(expected, abs=1e-9)


@steady
@given(numbers, st.randoms(use_true_random=False))
def test_the_order_of_blocks_does_not_matter(x: list[float], rng: Any) -> None:
    shuffled = list(x)
    rng.shuffle(shuffled)
    assert estimate(shuffled, 0.05) == estimate(x, 0.05)


@steady
@given(numbers)
def test_a_smaller_error_never_narrows_the_interval(x: list[float]) -> None:
    for statistic in ("hodges-lehmann", "median"):
        wide, narrow = estimate(x, 0.0125, statistic), estimate(x, 0.05, statistic)
        assert narrow.low is not None and narrow.high is not None
        assert narrow.low <= narrow.value <= narrow.high
        if wide.low is not None and wide.high is not None:
            assert wide.low <= narrow.low and narrow.high <= wide.high


@steady
@given(st.floats(-5, 5), st.integers(5, 30))
def test_identical_differences_give_a_point(value: float, n: int) -> None:
    found = estimate([value] * n, 0.05)
    assert (found.value, found.low, found.high) == (value, value, value)


def test_mostly_identical_differences_stay_a_point() -> None:
    found = estimate([0.0] * 9 + [0.7], 0.05)  # the 11th largest of 55 averages is still 0
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_too_few_pairs_give_no_interval() -> None:
    assert estimate([1.0, 2, 3, 4], 0.05).low is None
    assert estimate([1.0, 2, 3, 4, 5], 0.05).low == 1.0
    assert estimate([1.0, 2, 3, 4, 5], 0.05, "median").high == 5.0
    assert estimate([1.0, 2, 3, 4, 5, 6], 0.0125).low is None
    assert estimate([1.0], 0.05).half_width is None


def test_nonsense_is_refused() -> None:
    for bad in ([], [float("nan")], [1.0, float("inf")]):
        with pytest.raises(ValueError, match="at least one number"):
            estimate(bad, 0.05)
    with pytest.raises(ValueError, match="unknown statistic"):
        estimate([1.0], 0.05, "mean")


def test_sign_test_depth_is_the_binomial_one() -> None:
    assert sign_distribution(10) == pytest.approx(scipy_stats.binom.pmf(range(11), 10, 0.5))
    found = estimate(list(range(1, 21)), 0.05, "median")  # P(B <= 5) = .0207, P(B <= 6) = .0577
    assert (found.low, found.high) == (6.0, 15.0)


def test_detectable_effect_and_blocks_needed() -> None:
    mde = minimal_detectable_effect(0.01, 0.05)
    assert mde == pytest.approx(0.01 * (1.6449 + 0.8416) / 1.6449, rel=1e-3)
    assert blocks_needed(10, 0.01, mde, 0.05) == 1  # enough already, but undecided
    assert blocks_needed(10, 0.01, mde / 2, 0.05) == 30  # half the effect, four times the blocks
    assert blocks_needed(10, 0.01, 0.0, 0.05) is None
    assert blocks_needed(10, 0.01, 1e-6, 0.05) is None


@pytest.mark.parametrize("contaminated", [False, True], ids=["normal", "contaminated"])
@pytest.mark.parametrize("n", [10, 20])
def test_a_90_percent_interval_covers_90_percent(n: int, contaminated: bool) -> None:
    """20 000 simulated experiments, standard error 0.2 points; at n = 10 the exact value is 91.6 %
    because the rank sum is discrete."""
    rng = np.random.default_rng(20260109 + n)
    runs = 0.01 * rng.normal(size=(20_000, 2, n))
    if contaminated:
        hit = rng.random(runs.shape) < 0.15
        runs = runs + hit * rng.exponential(0.05, size=runs.shape)
    differences = runs[:, 0] - runs[:, 1]
    i, j = np.triu_indices(n)
    walsh = np.sort((differences[:, i] + differences[:, j]) / 2, axis=1)
    first = estimate(list(differences[0]), 0.05)
    depth = int(np.searchsorted(walsh[0], first.low)) + 1  # where `estimate` cuts at this n
    assert walsh[0, -depth] == pytest.approx(first.high)
    covered = float(np.mean((walsh[:, depth - 1] <= 0) & (walsh[:, -depth] >= 0)))
    assert 0.88 <= covered <= 0.92
