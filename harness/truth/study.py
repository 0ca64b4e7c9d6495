"""Everything `harness truth` measures, and the error rates in it."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Status
from harness.truth.economy import Economy, economy, rules_table
from harness.truth.experiment import Plan
from harness.truth.measure import Cell, Table, Tally, Workers
from harness.truth.questions import QUESTIONS
from harness.truth.rates import too_high
from harness.truth.slow_mode import PLANS_SEEN, Passed, slow_mode
from harness.truth.worlds import SLOW_TREAT, WORLDS

ONE_LOOK = Plan(10, 10)
LOOKS = Plan(10, 40, extend=True)


@dataclass(frozen=True)
class Study:
    """`runs` experiments in every cell of `verdicts` and in the slow mode's, half as many elsewhere."""

    seed: int
    runs: int
    verdicts: Table
    slow: dict[Plan, Passed]
    slow_target: dict[Plan, Tally]
    rules: Table
    economy: Economy

    @property
    def economy_runs(self) -> int:
        return fewer(self.runs)


@dataclass(frozen=True)
class ErrorRate:
    """How often a cell gave a wrong answer of one kind; `extended` after the extension."""

    cell: Cell
    status: Status
    extended: bool
    count: int
    runs: int

    @property
    def share(self) -> float:
        return self.count / self.runs


def fewer(runs: int) -> int:
    return max(1, runs // 2)


def study(workers: Workers, runs: int) -> Study:
    verdicts = workers.table("verdicts", verdict_cells(), runs)
    slow = slow_mode(workers, runs)
    target = workers.table("slow mode, target", [slow_target_cell(plan) for plan in PLANS_SEEN], runs)
    rules = rules_table(workers, fewer(runs))
    found = economy(workers, fewer(runs), rules)
    slow_target = {cell.plan: tally for cell, tally in target.items()}
    return Study(workers.seed, runs, verdicts, slow, slow_target, rules, found)


def slow_target_cell(plan: Plan) -> Cell:
    """Treat is 3 % faster but for its slow mode, which leaves its mean 0.3 % faster."""
    return Cell("target", 1.03, SLOW_TREAT.name, plan)


def verdict_cells() -> list[Cell]:
    return [
        Cell(question.name, ratio, world, plan)
        for question in QUESTIONS.values()
        for world in WORLDS
        for ratio in question.effects.values()
        for plan in (ONE_LOOK, LOOKS)
    ]


def effect_label(cell: Cell) -> str:
    """How the tables name the cell's true ratio."""
    return next(label for label, ratio in QUESTIONS[cell.question].effects.items() if ratio == cell.ratio)


def error_rates(table: Table) -> list[ErrorRate]:
    """Every wrong answer of every cell, those never given too."""
    return [
        ErrorRate(cell, status, extended, (tally.extended if extended else tally.statuses)[status], tally.runs)
        for cell, tally in table.items()
        for extended in ((False, True) if cell.plan.extend else (False,))
        for status in QUESTIONS[cell.question].wrong(cell.ratio)
    ]


def faults(table: Table) -> list[ErrorRate]:
    """The rates that are above their limit beyond doubt, worst first."""
    rates = error_rates(table)
    found = [rate for rate in rates if too_high(rate.count, rate.runs, len(rates))]
    return sorted(found, key=lambda rate: -rate.share)
