"""Several values of one flag are drawn as an answer to it, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.model import BlockRecord, RunRecord, Status
from harness.report import response_plot
from harness.report.canvas import style, to_svg
from harness.report.load import RunData
from harness.report.response import responses
from harness.report.tests.synthetic import KEY, make_verdict, speed_gate

FLAG = "HZ3_REFILL_BATCH"


def record(value: int, **more: Any) -> dict[str, Any]:
    return {"flags": {FLAG: value, "HZ3_STATS": 1, **more}, "options": {"lto": False}}


def data_of(root: Path, records: dict[str, dict[str, Any]], speed: dict[str, float], blocks: int = 8) -> RunData:
    made = []
    for index in range(blocks):
        runs = [RunRecord(index, "measured", 0, "small", arm, "", metrics={"ops_per_s": 1e6 * factor * (1 + index / 1000)})
                for arm, factor in speed.items()]  # fmt: skip
        made.append(BlockRecord(KEY, index, "measured", 0, runs))
    manifest = {"arms": {arm: {"record": entry} for arm, entry in records.items()}}
    return RunData(root, manifest, None, None, tuple(made))


SWEEP = {"base": record(32), "b8": record(8), "b16": record(16), "b128": record(128)}
SPEED = {"base": 1.0, "b8": 0.8, "b16": 0.9, "b128": 1.1}


def test_the_values_of_a_flag_in_order_with_base_among_them(tmp_path: Path) -> None:
    (found,) = responses(data_of(tmp_path, SWEEP, SPEED))
    assert (found.flag, found.metric, found.base_value) == (FLAG, "small.ops_per_s", 32)
    assert [point.value for point in found.points] == [8, 16, 32, 128]
    assert [point.ratio for point in found.points] == pytest.approx([0.8, 0.9, 1.0, 1.1])
    assert found.points[0].low is not None and found.points[2].low is None


def test_an_arm_that_differs_in_more_than_the_flag_is_no_point(tmp_path: Path) -> None:
    records = {**SWEEP, "b128": record(128, HZ3_STATS=0), "lto": {**record(64), "options": {"lto": True}}}
    (found,) = responses(data_of(tmp_path, records, {**SPEED, "lto": 2.0}))
    assert [point.arm for point in found.points] == ["b8", "b16", "base"]


def test_two_values_are_a_comparison_and_no_curve(tmp_path: Path) -> None:
    few = {arm: SWEEP[arm] for arm in ("base", "b8")}
    assert responses(data_of(tmp_path, few, {"base": 1.0, "b8": 0.8})) == []


def test_what_was_gated_is_drawn_where_something_was(tmp_path: Path) -> None:
    data = data_of(tmp_path, SWEEP, SPEED)
    verdict = make_verdict(Status.GO, [speed_gate(metric="small.ops_per_s"), speed_gate(metric="small.no_such_s")])
    (found,) = responses(RunData(data.root, data.manifest, None, verdict, data.blocks))
    assert found.metric == "small.ops_per_s"


@pytest.mark.parametrize("narrow", (False, True))
def test_the_drawing_says_its_figures(tmp_path: Path, narrow: bool) -> None:
    found = responses(data_of(tmp_path, SWEEP, SPEED))
    assert "8 gives 0.800, 16 gives 0.900, 32 gives 1.000, 128 gives 1.100" in response_plot.alt_of(found)
    with style():
        svg = to_svg(response_plot.draw(found, narrow), "x")
    assert FLAG in svg and ">128<" in svg
