"""Numbers of a verdict as they are stored and said.

Logs become ratios here and nowhere else, rounded to 12 digits: exp(log(x)) differs from x in the
last bits, and a bound of 0.98 must compare equal to a measured ratio of 0.98.
"""

from __future__ import annotations

import math
from typing import Optional, overload


@overload
def ratio(log: float) -> float: ...
@overload
def ratio(log: None) -> None: ...
@overload
def ratio(log: Optional[float]) -> Optional[float]: ...
def ratio(log: Optional[float]) -> Optional[float]:
    """exp(log), rounded; None stays None."""
    return None if log is None else tidy(math.exp(log))


def tidy(value: float) -> float:
    """`value` to 12 significant digits."""
    return float(f"{value:.12g}")


def fraction(log: float) -> str:
    """A log difference as a signed change: "+3.1 %"."""
    return f"{math.expm1(log) * 100:+.2g} %"


def percent(value: float) -> str:
    """0.0213 as "2.1 %"."""
    return f"{value * 100:.2g} %"


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
