"""The table of a made-up run whose every ratio is known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import pytest

from harness.errors import UserError
from harness.experiment import parse_experiment
from harness.model import MEASURED, WARMUP, BlockRecord, RunRecord, Status, Verdict
from harness.report.publication import project_root
from harness.scoreboard.board import Board, idle_logs, make_board, peak_logs, speed_logs
from harness.scoreboard.figures import geometric_mean, larger_is_better, ratio_of
from harness.scoreboard.plot import Point, draw, frontier, points
from harness.scoreboard.publish import publish_scoreboard
from harness.scoreboard.text import scoreboard_text

TEXT = """id: scoreboard
question: How fast?
kind: table
arms: {base: scale}
references: [{allocator: glibc}, {allocator: mimalloc}, {allocator: limit}]
workloads:
  zeta: {program: bench_ssot, threads: 1, figure: ops_per_cpu_s}
  alpha: {program: bench_mt_remote, threads: 4, without: [limit], figure: ops_per_s}
  script: {command: [lua5.4, x.lua], threads: 1, figure: cpu_s}
  suite: {command: [x], group: mimalloc-bench, without: [limit], figure: wall_s}
design: {blocks: 6, warmup: 1, seed: 1}
"""
LANES = {"zeta": "ops_per_cpu_s", "alpha": "ops_per_s", "script": "cpu_s", "suite": "wall_s"}
# Figures of each arm in each lane, and its peak in MiB.
FIGURES: Dict[str, Dict[str, float]] = {
    "zeta": {"base": 120.0, "glibc": 40.0, "mimalloc": 100.0, "limit": 150.0},
    "alpha": {"base": 90.0, "glibc": 45.0, "mimalloc": 100.0},
    "script": {"base": 2.0, "glibc": 2.5, "mimalloc": 3.0, "limit": 1.8},
    "suite": {"base": 4.0, "glibc": 4.0, "mimalloc": 8.0},
}
PEAK = {"base": 100.0, "glibc": 50.0, "mimalloc": 200.0, "limit": 100.0}

Change = Callable[[RunRecord], None]


def blocks(change: Optional[Change] = None, count: int = 6) -> List[BlockRecord]:
    """Every block has a speed of its own, which no ratio inside a block may show."""
    made = []
    for index in range(count + 1):
        drift = 1 + 0.2 * index
        runs = []
        for lane, figure in LANES.items():
            for position, (arm, value) in enumerate(FIGURES[lane].items()):
                value = value * drift if larger_is_better(figure) else value / drift
                metrics = {figure: value if index else 1e9, "peak_rss_kb": PEAK[arm] * 1024}
                if lane == "alpha":
                    metrics["rss_idle_kb"] = PEAK[arm] * 512
                run = RunRecord(index, MEASURED if index else WARMUP, position, lane, arm, "t", metrics=metrics)
                if change is not None:
                    change(run)
                runs.append(run)
        made.append(BlockRecord("key", index, MEASURED if index else WARMUP, 0, runs))
    return made


def manifest(**changes: Any) -> Dict[str, Any]:
    return {
        "experiment_text": TEXT,
        "started_utc": "2026-01-09T10:00:00Z",
        "quick": True,
        "command": ["tools/scoreboard", "--quick", "--allocator", "mi3=/home/somebody/lib.so"],
        "git": {"commit": "0123456789ab", "dirty": False},
        "machine": {"cpus": 2, "kernel": "6.1"},
        "references": {"mimalloc": {"version": "2.0.9"}, "glibc": {"version": "5.3.0-0-g54eaed"}},
        "arm_facts": [],
        "warnings": [],
        **changes,
    }


def board(change: Optional[Change] = None, count: int = 6, **changes: Any) -> Board:
    where = Path("/nowhere/results/scoreboard/20260109T100000Z-abc")
    return make_board(where, parse_experiment(TEXT), blocks(change, count), manifest(**changes))


def row(made: Board, lane: str) -> Any:
    return next(r for r in made.rows if r.lane == lane)


@pytest.mark.parametrize("name", ["ops_per_s", "ops_per_cpu_s", "iterations_per_2s", "requests_per_s", "mfrees_per_s"])
def test_rates_are_better_when_larger(name: str) -> None:
    assert larger_is_better(name)


@pytest.mark.parametrize("name", ["cpu_s", "wall_s", "alloc_ms", "ns_per_op", "peak_rss_kb", "burst_ns_per_object"])
def test_costs_are_better_when_smaller(name: str) -> None:
    assert not larger_is_better(name)


def test_lanes_stand_as_written_in_their_groups() -> None:
    made = board()
    assert [r.lane for r in made.rows] == ["zeta", "alpha", "script", "suite"]
    assert made.groups == ["one thread", "several threads", "real programs", "mimalloc-bench"]


def test_ratios_are_taken_inside_blocks_and_turned_so_that_more_is_better() -> None:
    made = board()
    for lane, best, ratio in (("zeta", "mimalloc", 1.2), ("alpha", "mimalloc", 0.9), ("script", "glibc", 1.25), ("suite", "glibc", 1.0)):
        found = row(made, lane)
        assert found.best == best
        assert (found.ratio.value, found.ratio.low, found.ratio.high) == pytest.approx((ratio,) * 3), lane
        assert found.ratio.n == 6  # the warm-up block, with its absurd figures, is not among them
    assert [row(made, lane).ratio.reading for lane in ("zeta", "alpha", "suite")] == ["ahead", "behind", "open"]


def test_a_yardstick_is_never_the_best_reference() -> None:
    found = row(board(), "zeta")
    assert found.values["limit"] > found.values["mimalloc"] and found.best == "mimalloc"


def test_a_reference_whose_settings_are_not_proved_is_no_best_reference() -> None:
    made = board(arm_facts=[{"arm": "mimalloc", "problems": ["preset has no effect"]}, {"arm": "glibc", "problems": []}])
    assert {r.best for r in made.rows} == {"glibc"}


def test_geometric_means_count_each_lane_once() -> None:
    made = board()
    wanted = (1.2 * 0.9 * 1.25 * 1.0) ** 0.25
    found = made.against_best(None)
    assert found is not None and (found.value, found.low, found.high) == pytest.approx((wanted,) * 3)
    alone = made.against_best("several threads")
    assert alone is not None and alone.value == pytest.approx(0.9)


def test_a_mean_has_the_spread_of_its_blocks() -> None:
    steady = {b: 0.0 for b in range(8)}
    shaky = {b: (-1) ** b * 0.2 for b in range(8)}
    found = geometric_mean([steady, shaky], 0.05)
    assert found is not None and found.low is not None and found.high is not None
    assert found.low == pytest.approx(math.exp(-0.1)) and found.high == pytest.approx(math.exp(0.1))
    apart = geometric_mean([{1: 0.2}, {2: 0.4}], 0.05)  # no block in common
    assert apart is not None and apart.value == pytest.approx(math.exp(0.3)) and apart.low is None


def test_five_blocks_give_an_interval_and_four_do_not() -> None:
    five, four = ratio_of([0.1] * 5, 0.05), ratio_of([0.1] * 4, 0.05)
    assert five is not None and five.reading == "ahead"
    assert four is not None and four.low is None and four.reading == "too few blocks"
    assert ratio_of([], 0.05) is None


def test_allocators_are_multiples_of_hz3_and_have_none_where_they_did_not_run() -> None:
    made = board()
    assert made.relative("mimalloc", "one thread", speed_logs) == pytest.approx(100 / 120)
    assert made.relative("limit", "one thread", speed_logs) == pytest.approx(150 / 120)
    assert made.relative("limit", None, speed_logs) is None
    assert made.relative("glibc", None, peak_logs) == pytest.approx(100 / 50)  # how good: half the memory
    assert made.relative("mimalloc", None, idle_logs) == pytest.approx(100 / 200)


def lose(lane: str, arm: str, most: int = 99) -> Change:
    left = [most]

    def change(run: RunRecord) -> None:
        if (run.workload, run.arm, run.kind) == (lane, arm, MEASURED) and left[0] > 0:
            left[0] -= 1
            run.counts, run.reasons = False, ["remote fallback 0.4 %"]

    return change


def test_runs_that_do_not_count_take_their_partner_along_and_are_told() -> None:
    made = board(lose("alpha", "mimalloc", most=1))
    found = row(made, "alpha")
    assert found.ratio.n == 5 and found.note == "mimalloc: 1 of 6 runs did not count (remote fallback 0.4 %)"
    assert "- alpha: mimalloc: 1 of 6 runs did not count" in scoreboard_text(made, None)


def test_a_lane_in_which_hz3_has_no_figure_says_so_and_leaves_the_means() -> None:
    made = board(lose("alpha", "base"))
    assert row(made, "alpha").ratio is None and row(made, "alpha").best is None
    found = made.against_best(None)
    assert found is not None and found.value == pytest.approx((1.2 * 1.25 * 1.0) ** (1 / 3))
    assert "no figure" in scoreboard_text(made, None)


def test_a_reference_without_figures_in_a_lane_cannot_be_its_best() -> None:
    assert row(board(lose("alpha", "mimalloc")), "alpha").best == "glibc"


def test_the_text_has_what_a_reader_needs() -> None:
    text = scoreboard_text(board(), None)
    assert "| all | 4 | 1.078 [1.078, 1.078] | 2 | 1 | 1 |" in text
    assert "| zeta | speed per CPU second | 120" not in text  # medians drift with the blocks
    assert "1.200 [1.200, 1.200] | **ahead**" in text and "0.900 [0.900, 0.900] | behind" in text
    assert "limit (not for use)" in text and "| glibc | 5.3.0 |" in text
    assert "100.0 MiB | 200.0 MiB | 50.0 MiB glibc" in text  # peak: hz3's, the best reference's, the smallest
    assert "50.0 MiB | 100.0 MiB | 25.0 MiB glibc" in text  # idle
    assert "tools/scoreboard --quick --allocator" in text


def test_a_void_run_says_so_at_the_top() -> None:
    void = Verdict("scoreboard", Status.VOID, ["alpha: no run of base counts"], [], [], [], 6, 90, 0, 1, 1)
    assert "**VOID**: this table is not complete. alpha: no run of base counts" in scoreboard_text(board(), void)
    assert "VOID" not in scoreboard_text(board(), None)


def test_the_frontier_is_what_nothing_beats_on_both_counts() -> None:
    a, b, c, d = Point("a", 1.0, 1.0), Point("b", 0.8, 0.5), Point("c", 0.7, 0.9), Point("d", 1.2, 3.0)
    assert frontier([a, b, c, d]) == [b, a, d]


def test_the_plot_leaves_yardsticks_out_and_needs_two_allocators() -> None:
    assert [p.arm for p in points(board(), idle=False)] == ["base", "glibc", "mimalloc"]
    figure = draw(board())
    assert figure is not None and len(figure.axes) == 2

    def alone(run: RunRecord) -> None:
        run.counts = run.arm == "base"

    assert draw(board(alone)) is None


def write(made: Board, dest: Path, where: Path) -> Path:
    return publish_scoreboard(made, None, where, dest)


def test_publishing_keeps_the_older_one_and_no_path_of_the_machine(tmp_path: Path) -> None:
    where = tmp_path / "results/scoreboard/20260109T100000Z-abc"
    where.mkdir(parents=True)
    dest = tmp_path / "published"
    table = write(board(), dest, where)
    first = {name: (dest / name).read_bytes() for name in ("scoreboard.md", "scoreboard.svg", "scoreboard.png")}
    assert b"/home" not in first["scoreboard.md"] and b"mi3=" in first["scoreboard.md"]
    write(board(), dest, where)  # the same run again: the same bytes
    assert {name: (dest / name).read_bytes() for name in first} == first
    second = make_board(tmp_path / "20260110T100000Z-def", parse_experiment(TEXT), blocks(), manifest())
    write(second, dest, where)
    older = dest / "scoreboard/older/20260109T100000Z-abc"
    assert {name: (older / name).read_bytes() for name in first} == first
    assert "20260110T100000Z-def" in table.read_text()
    assert not list(dest.glob(".*"))
    assert project_root(where) == tmp_path


def test_a_table_of_someone_else_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "scoreboard.md").write_text("mine\n")
    with pytest.raises(UserError, match="names no run"):
        write(board(), tmp_path, tmp_path)
    assert (tmp_path / "scoreboard.md").read_text() == "mine\n"


def test_a_run_without_base_is_no_scoreboard() -> None:
    text = TEXT.replace("arms: {base: scale}", "arms: {other: scale}")
    with pytest.raises(UserError, match="no arm base"):
        make_board(Path("x"), parse_experiment(text), blocks(), manifest())


def test_the_records_make_the_same_board_after_json() -> None:
    copied = [BlockRecord.from_json(json.loads(json.dumps(b.to_json()))) for b in blocks()]
    again = make_board(Path("20260109T100000Z-abc"), parse_experiment(TEXT), copied, manifest())
    assert scoreboard_text(again, None) == scoreboard_text(board(), None)
