"""The four forms of a table; each is a function of a run and a choice.

    medians  rows lanes and metrics, columns arms
    arms     the same, and beside each arm its ratio to one arm: "off, boundary, + ledger, all"
    ab       base, treatment, their ratio with its interval, and the gate's answer where one asked
    cycles   rows arms, columns cycles: memory at the end of a phase, cycle by cycle
"""

from __future__ import annotations

from typing import Callable, Dict, List, Optional, Tuple

from harness.errors import UserError
from harness.experiment.source import nearest
from harness.model import TREAT
from harness.report import words
from harness.report.arms import describe_arm
from harness.report.load import RunData
from harness.tables.choice import Choice
from harness.tables.ratios import CONFIDENCE, ratio_of
from harness.tables.sheet import Cell, Column, Sheet, hidden, word
from harness.tables.source import run_name

_LEAD = (Column("lane", "lane", right=False), Column("metric", "metric", right=False))
_CYCLE_STEM = "rss_idle_kb"

Form = Callable[[RunData, Choice, str], Sheet]


def medians(data: RunData, choice: Choice, against: str) -> Sheet:
    arms = choice.arms_of(data)
    columns = (*_LEAD, *(Column(arm, describe_arm(data, arm)) for arm in arms))
    rows = tuple((*_lead(lane, m), *(_median(data, lane, arm, m) for arm in arms)) for lane, m in _lines(data, choice))
    return _sheet(data, "medians", columns, rows)


def arms(data: RunData, choice: Choice, against: str) -> Sheet:
    """An arm's ratio stands in its own cell for people, in columns of its own for programs."""
    _require(data, against)
    shown = choice.arms_of(data)
    columns = list(_LEAD)
    for arm in shown:
        columns.append(Column(arm, describe_arm(data, arm)))
        if arm != against:
            columns += [Column(f"{arm}/{against}{tail}", None) for tail in ("", " low", " high")]
    rows = []
    for lane, metric in _lines(data, choice):
        cells = [*_lead(lane, metric)]
        for arm in shown:
            cell = _median(data, lane, arm, metric)
            if arm == against:
                cells.append(cell)
                continue
            found = ratio_of(data, lane, metric, arm, against)
            text = cell.text if found.value is None else f"{cell.text}; {found.text()}"
            cells += [Cell(cell.value, text), hidden(found.value), hidden(found.low), hidden(found.high)]
        rows.append(tuple(cells))
    caption = f"medians; after the semicolon the ratio to {against} in the same blocks [{_INTERVAL}]"
    return _sheet(data, caption, tuple(columns), tuple(rows))


def ab(data: RunData, choice: Choice, against: str) -> Sheet:
    _require(data, against)
    chosen = choice.arms or (TREAT,)
    judged = [arm for arm in Choice(arms=chosen).arms_of(data) if arm != against]
    several = len(judged) > 1
    columns = (
        *_LEAD,
        Column("arm", "arm" if several else None, right=False),
        Column("base", describe_arm(data, against)),
        Column("treat", "the arm" if several else describe_arm(data, judged[0]) if judged else "treat"),
        Column("ratio", f"ratio [{_INTERVAL}]"),
        Column("low", None),
        Column("high", None),
        Column("confidence", None),
        Column("blocks", "blocks"),
        Column("gate", "gate", right=False),
    )
    rows = []
    for lane, metric in _lines(data, choice):
        for arm in judged:
            found = ratio_of(data, lane, metric, arm, against)
            both = (_median(data, lane, against, metric), _median(data, lane, arm, metric))
            if both[0].value is None and both[1].value is None:
                continue
            bounds = (hidden(found.low), hidden(found.high), hidden(found.confidence))
            ratio = Cell(found.value, found.text())
            rows.append((*_lead(lane, metric), word(arm), *both, ratio, *bounds, Cell(found.n, str(found.n)), word(found.status)))
    return _sheet(data, f"{' and '.join(judged)} against {against}", columns, tuple(rows))


def cycles(data: RunData, choice: Choice, against: str) -> Sheet:
    stems = choice.metrics or (_CYCLE_STEM,)
    numbers = {(lane, stem): data.cycles(lane, stem) for lane in choice.lanes_of(data) for stem in stems}
    last = max((cycle for found in numbers.values() for cycle in found), default=0)
    if last == 0:
        raise UserError(f"{data.root}: no lane has {' or '.join(stems)} by cycle; the burst workloads mark cycles, see --form medians")
    columns = (
        *_LEAD,
        Column("arm", "arm", right=False),
        *(Column(f"cycle_{cycle}", f"cycle {cycle}") for cycle in range(1, last + 1)),
    )
    rows = []
    for (lane, stem), found in numbers.items():
        for arm in choice.arms_of(data) if found else []:
            cells = [_median(data, lane, arm, f"{stem}@{cycle}") for cycle in range(1, last + 1)]
            if any(cell.value is not None for cell in cells):
                rows.append((*_lead(lane, stem), Cell(arm, describe_arm(data, arm)), *cells))
    return _sheet(data, "medians by cycle", columns, tuple(rows))


FORMS: Dict[str, Form] = {"medians": medians, "arms": arms, "ab": ab, "cycles": cycles}

_INTERVAL = f"{CONFIDENCE:.0%} interval".replace("%", " %")


def _sheet(data: RunData, what: str, columns: Tuple[Column, ...], rows: Tuple[Tuple[Cell, ...], ...]) -> Sheet:
    if not rows:
        raise UserError(f"{data.root}: nothing to show; no measured run that counts has these figures")
    measured = len({run.block for run in data.measured()})
    run = (data.experiment_id, run_name(data))
    return Sheet(run, f"{run[0]} ({run[1]}, {words.counted(measured, 'block')}): {what}", columns, rows)


def _lines(data: RunData, choice: Choice) -> List[Tuple[str, str]]:
    return [(lane, metric) for lane, metrics in choice.metrics_by_lane(data).items() for metric in metrics]


def _lead(lane: str, metric: str) -> Tuple[Cell, Cell]:
    return word(lane), Cell(metric, words.metric_words(metric))


def _median(data: RunData, lane: str, arm: str, metric: str) -> Cell:
    value: Optional[float] = data.median(lane, arm, metric)
    return Cell(value, words.quantity(metric, value))


def _require(data: RunData, arm: str) -> None:
    if arm not in data.arms():
        raise UserError(f"{data.root}: has no arm {arm} to compare with; {nearest(arm, data.arms())}")

