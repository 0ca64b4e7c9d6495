"""Two runs side by side: ratios beside ratios, where these may be put side by side at all.

Absolute figures of two runs are never compared, because days and machines differ more than allocators do.
Ratios inside each run may be, if both runs did the same work on the same machine; otherwise the
comparison is refused with what differs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, List, Mapping, Tuple

from harness.errors import UserError
from harness.model import TREAT
from harness.report import words
from harness.report.arms import describe_arm, identity
from harness.report.load import RunData, experiment_value
from harness.run.machine import STEADY
from harness.tables.choice import Choice
from harness.tables.ratios import Ratio, ratio_of
from harness.tables.sheet import Cell, Column, Sheet, hidden, word
from harness.tables.source import run_name

# What a lane does, as the experiment has it; figures and headings are only how it is shown.
_WORK = ("program", "command", "args", "env", "threads")


def compare(a: RunData, b: RunData, choice: Choice, against: str) -> Sheet:
    """One row a lane, metric and arm that both runs have."""
    _require_comparable(a, b)
    lanes = [lane for lane in choice.lanes_of(a) if lane in b.workloads()]
    _refuse(a, b, [text for lane in lanes for text in _work_differs(a, b, lane)])
    if not lanes:
        raise UserError(f"{a.root} and {b.root}: have no lane in common")
    metrics, others = choice.metrics_by_lane(a), choice.metrics_by_lane(b)
    rows = []
    for lane in lanes:
        for metric in (m for m in metrics[lane] if m in others[lane]):
            for arm in _arms(a, b, choice, against):
                left, right = (ratio_of(data, lane, metric, arm, against) for data in (a, b))
                if left.value is not None or right.value is not None:
                    rows.append(_row(lane, metric, arm, left, right))
    if not rows:
        raise UserError(f"{a.root} and {b.root}: have no ratio in common; name lanes, metrics and arms that both have")
    columns = (
        Column("lane", "lane", right=False),
        Column("metric", "metric", right=False),
        Column("arm", "arm", right=False),
        *_columns("a", run_name(a)),
        *_columns("b", run_name(b)),
        Column("apart", "intervals", right=False),
    )
    return Sheet((a.experiment_id, f"{run_name(a)} {run_name(b)}"), _caption(a, b, against), columns, tuple(rows))


def notes(a: RunData, b: RunData, against: str) -> List[str]:
    """What differs and does not forbid the comparison, but must be read with it."""
    told = []
    for lane in sorted(set(a.workloads()) ^ set(b.workloads())):
        told.append(f"lane {lane} is only in {run_name(a if lane in a.workloads() else b)}")
    if identity(a, against) != identity(b, against):
        told.append(f"{against} is not the same library in both; a ratio may differ because of it")
    changed = [p for p, digest in _programs(a).items() if _programs(b).get(p, digest) != digest]
    if changed:
        told.append(f"built anew between the runs, perhaps changed: {', '.join(sorted(changed))}")
    return told


def _require_comparable(a: RunData, b: RunData) -> None:
    if a.root.resolve() == b.root.resolve():
        raise UserError(f"{a.root}: is named twice; give two runs")
    found = []
    if a.manifest.get("schema") != b.manifest.get("schema"):
        found.append(f"schema: {a.manifest.get('schema')} and {b.manifest.get('schema')}")
    left, right = (data.manifest.get("machine") or {} for data in (a, b))
    found += [f"machine, {name}: {left.get(name)} and {right.get(name)}" for name in STEADY if left.get(name) != right.get(name)]
    _refuse(a, b, found)


def _work_differs(a: RunData, b: RunData, lane: str) -> List[str]:
    left, right = (_lane(data, lane) for data in (a, b))
    return [f"lane {lane}, {key}: {_shown(left.get(key))} and {_shown(right.get(key))}" for key in _WORK if left.get(key) != right.get(key)]


def _refuse(a: RunData, b: RunData, differences: List[str]) -> None:
    if differences:
        told = "".join(f"\n    {text}" for text in differences)
        raise UserError(f"{_place(a.root)} and {_place(b.root)} cannot be compared, for they differ in:{told}")


def _lane(data: RunData, lane: str) -> Mapping[str, Any]:
    return dict((experiment_value(data.manifest, "workloads", {}) or {}).get(lane) or {})


def _programs(data: RunData) -> Mapping[str, str]:
    return dict(data.manifest.get("programs_sha256") or {})


def _arms(a: RunData, b: RunData, choice: Choice, against: str) -> List[str]:
    for data in (a, b):
        if against not in data.arms():
            raise UserError(f"{data.root}: has no arm {against} to compare with")
    chosen = choice if choice.arms or TREAT not in a.arms() or TREAT not in b.arms() else Choice(arms=(TREAT,))
    return [arm for arm in chosen.arms_of(a) if arm != against and arm in b.arms()]


def _columns(key: str, run: str) -> Tuple[Column, ...]:
    return (Column(key, run), Column(f"{key} low", None), Column(f"{key} high", None), Column(f"{key} blocks", None))


def _row(lane: str, metric: str, arm: str, left: Ratio, right: Ratio) -> Tuple[Cell, ...]:
    apart = are_apart(left, right)
    cells = [word(lane), Cell(metric, words.metric_words(metric)), word(arm)]
    for found in (left, right):
        cells += [Cell(found.value, found.text()), hidden(found.low), hidden(found.high), hidden(found.n)]
    return (*cells, Cell(None if apart is None else int(apart), "" if apart is None else "apart" if apart else "overlap"))


def are_apart(left: Ratio, right: Ratio) -> bool | None:
    """Whether the intervals have no point in common; None where one is missing. Intervals that overlap do
    not show that the ratios are equal."""
    if left.low is None or left.high is None or right.low is None or right.high is None:
        return None
    return left.high < right.low or right.high < left.low


def _caption(a: RunData, b: RunData, against: str) -> str:
    arms = [f"{run_name(d)}: {describe_arm(d, TREAT)}, {describe_arm(d, against)}" for d in (a, b) if TREAT in d.arms()]
    return f"{a.experiment_id} beside {b.experiment_id}: ratios to {against} inside each run" + (f" ({'; '.join(arms)})" if arms else "")


def _shown(value: Any) -> str:
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _place(path: Path) -> str:
    return "/".join(path.parts[-2:])
