"""The cell no gate on a centre can see: treat alone is 30 % slower in a tenth of its runs.

Its mean is 2.6 % lower, its Hodges-Lehmann centre hardly moves. `before` lets the centre's interval
decide alone, read off the judge's own verdicts; `now` is the judge. What neither can see are the
experiments in which no run of treat happened to be slow; they are counted beside.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.experiment import look_counts
from harness.judge import judge
from harness.model import Status
from harness.truth.experiment import FACTS, PLANS, Plan, bench, conduct, experiment_for, figures
from harness.truth.looking import LOOKING
from harness.truth.measure import CHUNK, Workers
from harness.truth.worlds import SLOW_TREAT

PLANS_SEEN = (Plan(10, 10), Plan(10, 40), Plan(30, 30), Plan(40, 40))
_GUARD = 0.98


@dataclass
class Passed:
    """How many of `runs` experiments passed a guard of 2 %; `unseen`: no slow run before the verdict."""

    runs: int = 0
    before: int = 0
    now: int = 0
    unseen: int = 0


def slow_mode(workers: Workers, runs: int) -> dict[Plan, Passed]:
    work = [(workers.seed, range(first, min(first + CHUNK, runs))) for first in range(0, runs, CHUNK)]
    table = {plan: Passed() for plan in PLANS_SEEN}
    for part in workers.map("slow mode", _chunk, work):
        for plan, found in part.items():
            for name, count in vars(found).items():
                setattr(table[plan], name, getattr(table[plan], name) + count)
    return table


def _chunk(work: tuple[int, range]) -> dict[Plan, Passed]:
    seed, reps = work
    table = {plan: Passed() for plan in PLANS_SEEN}
    for rep in reps:
        order = rep % PLANS
        slower, slow_treat = figures(SLOW_TREAT, seed, rep)
        for plan, passed in table.items():
            bench(plan, order).fill(slower, slow_treat, 1.0)
            found = conduct("guard", plan, order, LOOKING["Pocock"])
            passed.runs += 1
            passed.before += _centre_passes(plan, order)
            passed.now += found.status is Status.GO
            passed.unseen += found.status is Status.GO and not slow_treat[: found.blocks].any()
    return table


def _centre_passes(plan: Plan, order: int) -> bool:
    """Whether the first interval of the centre that decides lets the guard pass."""
    experiment = experiment_for("guard", plan, order)
    for look in look_counts(experiment.design):
        (gate,) = judge(experiment, bench(plan, order).blocks[:look], FACTS).gates
        if gate.low is not None and gate.low >= _GUARD:
            return True
        if gate.high is not None and gate.high < _GUARD:
            return False
    return False
