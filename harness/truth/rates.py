"""Counts as rates: the exact binomial interval, and when a rate is more than luck above its limit."""

from __future__ import annotations

LIMIT = 0.05  # of false GO, and of false NO-GO
SURE = 0.05  # the chance that a table without a fault is said to have one


def interval(count: int, runs: int) -> tuple[float, float]:
    """The 95 % interval of Clopper and Pearson (1934)."""
    from scipy.stats import beta  # heavy, and only tables need it

    low = float(beta.ppf(0.025, count, runs - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, runs - count)) if count < runs else 1.0
    return low, high


def too_high(count: int, runs: int, checks: int = 1, limit: float = LIMIT) -> bool:
    """Whether a true rate of `limit` or less would show `count` or more of `runs` so seldom that it
    is out of the question, though `checks` such rates are looked at."""
    from scipy.stats import binom

    return bool(binom.sf(count - 1, runs, limit) < SURE / checks)


def percent(share: float) -> str:
    """0.0423 as "4.2 %"; what rounds to none or all, but is not, says so."""
    if 0 < share < 0.0005:
        return "< 0.1 %"
    if 0.9995 <= share < 1:
        return "> 99.9 %"
    return f"{share * 100:.1f} %"
