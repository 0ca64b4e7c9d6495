"""Worlds: what a machine does to the figures of runs, as logs of how much slower a run was.

Every world is the same for all arms, so the true effect stays the one that was put in; `slow_treat`
alone is the arm's own doing. Rows are blocks, columns the runs of a block in the order of time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Draw = Callable[[np.random.Generator, int, int], Floats]

SLOW = math.log(1.3)  # a slow mode takes 30 % longer …
SLOW_SHARE = 0.1  # … in a tenth of the runs
DRIFT = math.log(1.3)  # a ramp's climb over 40 blocks: half an hour of warming up
DRIFT_BLOCKS = 40
WALK_STEP = 0.03  # from block to block: 19 % after 40 blocks


@dataclass(frozen=True)
class World:
    """`sigma` is the noise of one run; `slow_treat` the share of treat's runs in its slow mode."""

    name: str
    text: str
    sigma: float
    draw: Draw
    slow_treat: float = 0.0


def _normal(sigma: float) -> Draw:
    return lambda rng, blocks, runs: rng.normal(0.0, sigma, (blocks, runs))


def _heavy(sigma: float) -> Draw:
    """A neighbour disturbs 15 % of the runs, by an exponential time of five sigma."""

    def draw(rng: np.random.Generator, blocks: int, runs: int) -> Floats:
        disturbed = rng.random((blocks, runs)) < 0.15
        late = rng.exponential(5 * sigma, (blocks, runs))
        return rng.normal(0.0, sigma, (blocks, runs)) + disturbed * late

    return draw


def _modes(sigma: float) -> Draw:
    def draw(rng: np.random.Generator, blocks: int, runs: int) -> Floats:
        slow = rng.random((blocks, runs)) < SLOW_SHARE
        return rng.normal(0.0, sigma, (blocks, runs)) + slow * SLOW

    return draw


def _ramp(sigma: float) -> Draw:
    """Every run is a little slower than the one before it, inside blocks as well."""

    def draw(rng: np.random.Generator, blocks: int, runs: int) -> Floats:
        time = np.arange(blocks * runs).reshape(blocks, runs)
        return rng.normal(0.0, sigma, (blocks, runs)) + DRIFT * time / (DRIFT_BLOCKS * runs)

    return draw


def _walk(sigma: float) -> Draw:
    """The machine wanders from block to block; the arms of a block share it."""

    def draw(rng: np.random.Generator, blocks: int, runs: int) -> Floats:
        steps = rng.normal(0.0, WALK_STEP, (blocks, 1))
        return rng.normal(0.0, sigma, (blocks, runs)) + np.cumsum(steps, axis=0)

    return draw


WORLDS = {
    world.name: world
    for world in (
        World("0.5 %", "normal noise of 0.5 % a run", 0.005, _normal(0.005)),
        World("1 %", "normal noise of 1 % a run", 0.01, _normal(0.01)),
        World("2 %", "normal noise of 2 % a run", 0.02, _normal(0.02)),
        World("heavy tails", "noise of 1 %, and 15 % of runs exponentially later by 5 %", 0.01, _heavy(0.01)),
        World("two modes", "noise of 1 %, and a tenth of all runs, whatever the arm, 30 % slower", 0.01, _modes(0.01)),
        World("ramp", "noise of 1 % on a machine that gets 30 % slower in 40 blocks, run by run", 0.01, _ramp(0.01)),
        World("walk", "noise of 1 % on a machine that wanders by 3 % from block to block", 0.01, _walk(0.01)),
    )
}

SLOW_TREAT = World("slow treat", "noise of 0.5 %, and a tenth of treat's runs 30 % slower", 0.005, _normal(0.005), SLOW_SHARE)
