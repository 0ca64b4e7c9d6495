"""What looking early saves: blocks spent by several looks, and by one look of equal error and power.

Two fixed designs are searched for, both by simulation and both with the error that the planned looks
share. One knows the effect: the fewest blocks that answer *this* question as often as the looks do.
Nobody knows the effect beforehand, so the other is the plan a person would have to make: the fewest
blocks with the power of the looks where it is hard, at the effect that the looks find in about 80 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from harness.model import Status
from harness.truth.experiment import Plan, experiment_for
from harness.truth.looking import LOOKING, planned_error
from harness.truth.measure import Cell, Table, Tally, Workers
from harness.truth.questions import QUESTIONS, Question
from harness.truth.worlds import WORLDS

LOOKS = Plan(10, 40)
ECONOMY_WORLDS = ("0.5 %", "1 %", "2 %", "heavy tails")
RULES = tuple(name for name in LOOKING if name != "unpaid")
LEAST_BLOCKS = 6
MOST_POWER = 0.99  # asked of a fixed design; more would be a question of the last few experiments
LEAST_POWER = 0.05  # below it there is nothing to save
_HARD = 0.80
_DISTANCES = (0.5, 0.6, 0.7, 0.8, 1.0, 1.2)  # from the bound, in sigma


def error_of_looks() -> float:
    return planned_error(experiment_for("guard", LOOKS, 0).design)


def rules_table(workers: Workers, runs: int) -> Table:
    """Every way to share the error, in every question of the economy's worlds."""
    cells = [
        Cell(question.name, ratio, world, LOOKS, rule)
        for rule in RULES
        for world in ECONOMY_WORLDS
        for question in QUESTIONS.values()
        for ratio in question.effects.values()
    ]
    return workers.table("rules of looking", cells, runs)


@dataclass(frozen=True)
class Fixed:
    """A fixed design that matches `looks` in `cell`; `blocks` None when even as many as
    the looks may take do not."""

    cell: Cell
    looks: Tally
    power: float
    blocks: int | None


@dataclass(frozen=True)
class Planned:
    """The fixed design of a person who does not know the effect, for a question in a world. Its
    `error` and that of the looks are the rates of false GO (false NO-GO for `same`) on the bound."""

    fixed: Fixed
    error: float
    error_of_looks: float


@dataclass(frozen=True)
class Economy:
    knowing: list[Fixed]
    planned: dict[tuple[str, str], Planned]


def economy(workers: Workers, runs: int, rules: Table) -> Economy:
    """`rules` is the `rules_table` of as many runs."""
    answered = {
        cell: tally
        for cell, tally in rules.items()
        if cell.looking == "Pocock" and power(cell, tally) >= LEAST_POWER
    }
    return Economy(_match(workers, "fixed, knowing the effect", answered, runs), _planned(workers, runs, rules))


def power(cell: Cell, tally: Tally, extended: bool = False) -> float:
    """The share of right answers among the experiments that the A/A control let stand; 0 on a bound,
    where no answer is right."""
    right = QUESTIONS[cell.question].right(cell.ratio)
    standing = 1 - tally.share(Status.VOID, extended)
    return 0.0 if right is None or not standing else tally.share(right, extended) / standing


def _match(workers: Workers, name: str, looks: Table, runs: int) -> list[Fixed]:
    """For each cell the fewest blocks, an even number, with which one look has the cell's power."""
    error = error_of_looks()
    wanted = {cell: min(power(cell, tally), MOST_POWER) for cell, tally in looks.items()}
    # Invariant: `low` is too few (or below the least), `high` is enough (or beyond the most).
    low = dict.fromkeys(looks, LEAST_BLOCKS // 2 - 1)
    high = dict.fromkeys(looks, LOOKS.most // 2 + 1)
    while True:
        trial = {cell: (low[cell] + high[cell]) // 2 for cell in looks if high[cell] - low[cell] > 1}
        if not trial:
            break
        asked = {
            cell: Cell(cell.question, cell.ratio, cell.world, Plan(2 * half, 2 * half, error))
            for cell, half in trial.items()
        }
        table = workers.table(name, list(asked.values()), runs)
        for cell, half in trial.items():
            enough = power(cell, table[asked[cell]]) >= wanted[cell]
            (high if enough else low)[cell] = half
    most = LOOKS.most // 2
    return [
        Fixed(cell, tally, wanted[cell], 2 * high[cell] if high[cell] <= most else None)
        for cell, tally in looks.items()
    ]


def _planned(workers: Workers, runs: int, rules: Table) -> dict[tuple[str, str], Planned]:
    hard = _hard_cells(workers, runs)
    matched = _match(workers, "fixed, for a hard effect", hard, runs)
    error = error_of_looks()
    on_bound = [
        (fixed, Cell(fixed.cell.question, bound_of(fixed.cell), fixed.cell.world, Plan(fixed.blocks, fixed.blocks, error)))
        for fixed in matched
        if fixed.blocks is not None
    ]
    table = workers.table("errors of the fixed designs", [cell for _, cell in on_bound], runs)
    planned = {}
    for fixed, cell in on_bound:
        wrong = Status.NO_GO if cell.question == "same" else Status.GO
        looks = rules[cell._replace(plan=LOOKS)]
        planned[cell.world, cell.question] = Planned(fixed, table[cell].share(wrong), looks.share(wrong))
    return planned


def _hard_cells(workers: Workers, runs: int) -> Table:
    """For each world and question the effect that the looks find in about 80 %."""
    groups = {
        (world, question.name): [
            Cell(question.name, _bound(question) * math.exp(k * WORLDS[world].sigma), world, LOOKS) for k in _DISTANCES
        ]
        for world in ECONOMY_WORLDS
        for question in QUESTIONS.values()
    }
    table = workers.table("hard effects", [cell for group in groups.values() for cell in group], runs)

    def hardest(group: Sequence[Cell]) -> Cell:
        return min(group, key=lambda cell: abs(power(cell, table[cell]) - _HARD))

    return {(cell := hardest(group)): table[cell] for group in groups.values()}


def bound_of(cell: Cell) -> float:
    """The bound above which the distances of hard effects count."""
    return _bound(QUESTIONS[cell.question])


def _bound(question: Question) -> float:
    bound = question.high if question.high is not None else question.low
    assert bound is not None
    return bound
