"""Curves are aligned on phases, so the clock of a run never mixes one phase with another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.model import BlockRecord, RunRecord
from harness.report.load import RunData
from harness.report.series import POINTS_PER_PHASE, lane_curves
from harness.report.tests.synthetic import KEY

HEADER = "t_ms,rss_kb,vms_kb,pss_kb,uss_kb,lazyfree_kb,anon_huge_kb,phase,cycle\n"


def series(rows: list[tuple[float, int, str, int]]) -> str:
    return HEADER + "".join(f"{t},{mib * 1024},,,,,,{p},{c}\n" for t, mib, p, c in rows)


def data_of(root: Path, *texts: str, arm: str = "base") -> RunData:
    blocks = []
    for index, text in enumerate(texts):
        name = f"{index}.csv"
        (root / name).write_text(text)
        run = RunRecord(index, "measured", 0, "idle", arm, "", csv=name)
        blocks.append(BlockRecord(KEY, index, "measured", 0, [run]))
    return RunData(root, {}, None, None, tuple(blocks))


def two_phases(burst_ms: float) -> str:
    """100 MiB through the burst, 10 MiB through the idle phase, whatever the burst's length."""
    return series(
        [
            (0, 100, "burst", 1),
            (burst_ms, 100, "burst", 1),
            (burst_ms + 1, 10, "joined", 1),
            (burst_ms + 1000, 10, "joined", 1),
        ]
    )


def test_runs_of_unequal_speed_are_not_mixed_across_phases(tmp_path: Path) -> None:
    lane = lane_curves(data_of(tmp_path, two_phases(100), two_phases(400), two_phases(900)), "idle")
    assert lane is not None and lane.left_out == 0
    median = lane.arms[0].median
    # The first place of a phase is the last moment of the one before.
    assert np.all(median[: POINTS_PER_PHASE + 1] == 100)
    assert np.all(median[POINTS_PER_PHASE + 1 :] == 10)


def test_span_lengths_are_the_medians_of_the_runs(tmp_path: Path) -> None:
    lane = lane_curves(data_of(tmp_path, two_phases(100), two_phases(400), two_phases(900)), "idle")
    assert lane is not None
    assert [(s.phase, s.cycle, s.seconds) for s in lane.spans] == [
        ("burst", 1, pytest.approx(0.4)),
        ("joined", 1, pytest.approx(1.0)),
    ]
    assert (lane.spans[0].start, lane.spans[-1].end) == (0.0, pytest.approx(1.0))


def test_a_curve_does_not_jump_where_phases_meet(tmp_path: Path) -> None:
    rows = [(0, 2, "", 0), (10, 50, "burst", 1), (20, 90, "burst", 1), (30, 40, "joined", 1)]
    lane = lane_curves(data_of(tmp_path, series([*rows, (40, 20, "joined", 1)])), "idle")
    assert lane is not None
    curve = lane.arms[0].median
    assert (curve[0], curve[-1]) == (2, 20)  # from the mark that began the burst to the last row
    assert curve[POINTS_PER_PHASE - 1] == curve[POINTS_PER_PHASE] == 90


def test_a_short_phase_keeps_a_readable_width(tmp_path: Path) -> None:
    lane = lane_curves(data_of(tmp_path, two_phases(1)), "idle")
    assert lane is not None
    assert lane.spans[0].end - lane.spans[0].start > 0.2


def test_a_run_with_other_phases_is_left_out_and_counted(tmp_path: Path) -> None:
    odd = series([(0, 500, "burst", 1), (10, 500, "burst", 1)])
    lane = lane_curves(data_of(tmp_path, two_phases(100), two_phases(100), odd), "idle")
    assert lane is not None and lane.left_out == 1
    assert lane.arms[0].high.max() == 100


def test_a_workload_without_marks_is_one_span(tmp_path: Path) -> None:
    text = HEADER + "0,1024,,,,,,,\n50,2048,,,,,,,\n100,3072,,,,,,,\n"
    lane = lane_curves(data_of(tmp_path, text), "idle")
    assert lane is not None and len(lane.spans) == 1 and lane.spans[0].phase == ""
    assert lane.arms[0].median[0] == 1 and lane.arms[0].median[-1] == 3


@pytest.mark.parametrize("text", ["", HEADER, "nonsense\n1\n", HEADER + "0,1024,,,,,,burst,1\n"])
def test_an_empty_or_foreign_file_gives_no_curve(tmp_path: Path, text: str) -> None:
    assert lane_curves(data_of(tmp_path, text), "idle") is None


def test_a_missing_file_gives_no_curve(tmp_path: Path) -> None:
    data = data_of(tmp_path, two_phases(100))
    (tmp_path / "0.csv").unlink()
    assert lane_curves(data, "idle") is None
