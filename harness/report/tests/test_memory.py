"""When memory was back, and the curves that a publication keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.report.curves_file import curves_csv, read_curves
from harness.report.given_back import given_back
from harness.report.load import load_run
from harness.report.series import POINTS_PER_PHASE, ArmCurves, LaneCurves, axis_of, lane_curves, layout
from harness.report.tests.conftest import MakeRun


def lane_of(*levels: list[float], phases: tuple[tuple[str, int, float], ...]) -> LaneCurves:
    """A lane of one arm: `levels` are the ends of each phase's straight line."""
    spans = layout(tuple((phase, cycle) for phase, cycle, _ in phases), np.array([seconds for *_, seconds in phases]))
    values = np.concatenate([np.linspace(*ends, POINTS_PER_PHASE) for ends in levels])
    return LaneCurves("idle", spans, (ArmCurves("base", 1, axis_of(spans), values, values, values),), 0)


def test_the_clock_begins_where_the_burst_ends() -> None:
    lane = lane_of([0, 100], [100, 100], [100, 0], phases=(("burst", 1, 0.2), ("held", 1, 3.0), ("joined", 1, 1.0)))
    (back,) = given_back(lane)
    half, most = back.points
    assert half is not None and most is not None
    assert half.seconds == pytest.approx(3.5, abs=0.01) and most.seconds == pytest.approx(3.9, abs=0.01)
    assert (half.rss_mib, most.rss_mib) == (50, pytest.approx(10))
    assert lane.spans[2].start < half.x < most.x < 1


def test_the_rise_counts_from_the_start_of_the_run() -> None:
    """Later cycles begin on what the first one kept; that is not back."""
    lane = lane_of(
        [10, 110], [110, 60], [60, 110], [110, 70],
        phases=(("burst", 1, 1.0), ("idle", 1, 1.0), ("burst", 2, 1.0), ("idle", 2, 1.0)),
    )  # fmt: skip
    first, second = given_back(lane)
    assert first.points[0] is not None and first.points[0].seconds == pytest.approx(1.0)
    assert first.points[1] is None and second.points == (None, None)
    assert second.end_mib == 70


def test_a_lane_that_never_rises_has_nothing_to_give_back() -> None:
    assert given_back(lane_of([5, 5.5], phases=(("", 0, 1.0),))) == []


def test_a_lane_without_a_burst_counts_from_its_peak() -> None:
    (back,) = given_back(lane_of([0, 100], [100, 0], phases=(("up", 1, 1.0), ("down", 1, 2.0))))
    assert back.points[0] is not None and back.points[0].seconds == pytest.approx(1.0)


def test_the_table_stands_under_the_curves(reported: Path) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    header = next(line for line in text.splitlines() if "50 % back after" in line)
    assert "90 % back after" in header
    rows = [line for line in text.split(header)[1].splitlines() if line.startswith("| ")][1:6]
    base = next(row for row in rows if row.startswith("| base: s61 |"))
    stock = next(row for row in rows if row.startswith("| mimalloc (stock) |"))
    assert "not in this cycle" in base  # 132 of 430 MiB stay: half is back, nine tenths are not
    assert stock.count("not in this cycle") == 2


def test_curves_are_the_same_from_their_file(run_dir: MakeRun, tmp_path: Path) -> None:
    data = load_run(run_dir())
    lane = lane_curves(data, "idle")
    assert lane is not None
    path = tmp_path / "curves.csv"
    path.write_text(curves_csv([lane]), encoding="utf-8")
    again = read_curves(path, "idle")
    assert again is not None and again.spans == lane.spans and again.left_out == lane.left_out
    for ours, theirs in zip(lane.arms, again.arms, strict=True):
        assert (ours.arm, ours.runs) == (theirs.arm, theirs.runs)
        for name in ("x", "median", "low", "high"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    assert read_curves(path, "small") is None


@pytest.mark.parametrize("damage", ["lane,arm\nidle,base\n", "cut", "words"])
def test_a_damaged_file_of_curves_is_named(run_dir: MakeRun, tmp_path: Path, damage: str) -> None:
    lane = lane_curves(load_run(run_dir()), "idle")
    assert lane is not None
    text = curves_csv([lane])
    path = tmp_path / "curves.csv"
    path.write_text({"cut": text[: len(text) // 2], "words": text.replace(",0.", ",zero", 3)}.get(damage, damage))
    with pytest.raises(UserError, match="curves.csv: is no table of curves"):
        read_curves(path, "idle")
