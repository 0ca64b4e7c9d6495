"""From the noise of a lane to what a plan can find: noise floor, smallest effect, the chance of an answer.

The noise of a pair is read back from the interval that the judge itself would give base's copy; so heavy
tails count as they will count. All figures are of the last look, where the plan knows most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Optional

import numpy as np

from harness.experiment import Experiment, Gate, lane_look_counts, look_alphas
from harness.forecast.past import Past
from harness.judge.control import FLOOR_ALPHA, gate_margin
from harness.judge.gates import gate_kind
from harness.judge.stats import estimate, minimal_detectable_effect
from harness.model import Plan

LEAST_PAIRS = 6  # of base and its copy, to speak of noise at all
_NORMAL = NormalDist()
_ALPHA = 0.05  # at which the noise is read back
_DRAWS, _SEED = 4000, 7


@dataclass(frozen=True)
class GateForecast:
    """Fractions: 0.013 is 1.3 %. All None where the lane has no past, or the gate no ratio. `answers` is the
    chance that a guard (or `same_within`) says GO when the arms are equal, `blocks` how many it takes for
    the margin to rise above the noise floor."""

    gate: str
    kind: str
    pairs: int = 0
    noise: Optional[float] = None
    floor: Optional[float] = None
    mde: Optional[float] = None
    margin: Optional[float] = None
    answers: Optional[float] = None
    blocks: Optional[int] = None

    @property
    def below_floor(self) -> bool:
        return bool(self.margin and self.floor and self.margin < self.floor)


@dataclass(frozen=True)
class Forecast:
    """`seconds` are those up to each look, None while a lane's time is unknown; `unknown` are those lanes."""

    runs: int
    looks: Sequence[int]
    seconds: Optional[list[float]]
    unknown: Sequence[str]
    gates: list[GateForecast] = field(default_factory=list)


def forecast(experiment: Experiment, plan: Plan, past: Past) -> Forecast:
    a_run = {lane: past.lanes[lane].seconds_a_run for lane in experiment.workloads}
    unknown = [lane for lane, seconds in a_run.items() if seconds is None]
    seconds = None if unknown else [_until(plan, look, {k: v or 0.0 for k, v in a_run.items()}) for look in plan.looks]
    gates = [_gate(experiment, gate, past) for gate in experiment.gates]
    return Forecast(past.runs, plan.looks, seconds, unknown, gates)


def _until(plan: Plan, look: int, a_run: dict[str, float]) -> float:
    from harness.plan import blocks_until

    return sum(a_run[slot.workload] for block in blocks_until(plan, look) for slot in block.slots)


def _gate(experiment: Experiment, gate: Gate, past: Past) -> GateForecast:
    kind = "exact" if gate.exact_within is not None else gate_kind(gate)
    name = gate.id or gate.metric
    logs = past.lanes[gate.lane].logs.get(gate.key, [])
    if kind in ("exact", "absolute") or len(logs) < LEAST_PAIRS:
        return GateForecast(name, kind, len(logs))
    half = estimate(logs, _ALPHA, gate.statistic).half_width
    if half is None:
        return GateForecast(name, kind, len(logs))
    noise = half * math.sqrt(len(logs)) / _z(_ALPHA)
    counts = lane_look_counts(experiment, gate.lane)
    n, alpha = counts[-1], look_alphas(experiment.design, counts)[-1]
    error = noise / math.sqrt(n)
    floor, margin = _z(FLOOR_ALPHA) * error, gate_margin(gate)
    return GateForecast(
        gate=name,
        kind=kind,
        pairs=len(logs),
        noise=math.expm1(noise),
        floor=math.expm1(floor),
        mde=math.expm1(minimal_detectable_effect(_z(alpha) * error, alpha)),
        margin=None if margin is None else math.expm1(margin),
        answers=_answers(kind, margin, noise, n, alpha),
        blocks=math.ceil(n * (floor / margin) ** 2) if margin and margin < floor else None,
    )


def _answers(kind: str, margin: Optional[float], noise: float, n: int, alpha: float) -> Optional[float]:
    """The chance of GO for equal arms, by drawing experiments: the gate's interval and that of base's copy
    must both keep to the margin, and they share base. A target is reached by an effect only, of which
    nothing is known; it has no chance of its own."""
    if kind not in ("guard", "same") or margin is None:
        return None
    if noise == 0:
        return 1.0
    draws = np.random.default_rng(_SEED)
    runs = draws.normal(0.0, noise / math.sqrt(2), (_DRAWS, 3, n))
    treat, copy = runs[:, 1] - runs[:, 0], runs[:, 2] - runs[:, 0]
    reach = _z(alpha) * (1 + 1 / (2 * n))  # wider for small n, as Student's is, by about so much
    gate, control = (d.std(axis=1, ddof=1) / math.sqrt(n) * reach for d in (treat, copy))
    low, far = treat.mean(axis=1) - gate, np.abs(treat.mean(axis=1)) + gate
    held = (low > -margin if kind == "guard" else far < margin) & (np.abs(copy.mean(axis=1)) + control < margin)
    return float(held.mean())


def _z(alpha: float) -> float:
    return _NORMAL.inv_cdf(1 - alpha)
