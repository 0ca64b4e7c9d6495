"""The log only grows and survives what may happen to a file; the index follows it; changes are found
where there are some and not where there are none."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any, List
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import binom

from harness.errors import UserError
from harness.history import index, log
from harness.history.changes import LONGEST, changes
from harness.history.command import HistoryRequest, history
from harness.history.row import COLUMNS, Row, rows_of, work_key
from harness.history.view import series_of, sparkline
from harness.report.tests.synthetic import go_verdict


def row(n: int, ratio: Any = 1.0, **more: Any) -> Row:
    made = Row(f"2026-01-{n + 1:02d}T02:00:00Z", f"{n:040x}", f"run{n}", "nightly", "a.ops_per_s", ratio, None, None, "GO", "m", "w")
    return replace(made, **more)


def test_rows_come_back_as_they_were_and_the_file_only_grows(tmp_path: Path) -> None:
    path = tmp_path / "results" / "history.csv"
    first = [row(0, 1.0 / 3, low=0.3, high=0.4), row(0, None, gate="b,\"c\" d")]
    log.append(path, first)
    before = path.read_bytes()
    log.append(path, [row(1)])
    assert path.read_bytes().startswith(before)
    assert log.read(path) == [*first, row(1)]


def test_the_same_rows_are_told_once_and_an_extended_run_has_its_last_answer(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    log.append(path, [row(0)])
    text = path.read_bytes()
    log.append(path, [row(0)])
    assert path.read_bytes() == text
    log.append(path, [row(0, 0.9, status="NO-GO")])
    assert log.read(path) == [row(0, 0.9, status="NO-GO")]
    assert len(log.parse(path.read_text(), path)) == 2


def test_a_line_cut_short_is_no_row_and_does_no_harm_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    log.append(path, [row(0), row(1)])
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        log.append(path, [row(2)])
        found = log.read(path)
        assert log.parse(path.read_text(), path)[-1] == row(2) == found[-1]
        assert set(found) <= {row(0), row(1), row(2)}, length
        assert path.read_bytes().startswith(whole[:length][: whole[:length].rfind(b"\n") + 1])


def test_a_name_with_a_line_end_stays_one_line(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    log.append(path, [row(0, gate="a\nb"), row(1)])
    assert [found.gate for found in log.read(path)] == ["a b", "a.ops_per_s"]


def test_another_file_in_its_place_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="is no history of this harness"):
        log.append(path, [row(0)])
    assert path.read_text() == "a,b\n1,2\n"


def test_the_index_is_made_again_whenever_it_is_not_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    assert index.rows(path) == []
    log.append(path, [row(0), row(1, None, gate="b")])
    assert index.rows(path) == log.read(path)
    log.append(path, [row(2)])
    assert index.rows(path, "nightly", "a.ops_per_s") == [row(0), row(2)]
    assert index.rows(path, "other") == []
    base = path.with_suffix(".sqlite")
    base.write_bytes(b"not a database at all, and long enough to be looked into" * 40)
    assert index.rows(path) == log.read(path)
    base.unlink()
    assert len(index.rows(path)) == 3
    with sqlite3.connect(base) as asked:
        assert asked.execute("select count(*) from runs where ratio > 0.5").fetchone() == (2,)


MANIFEST = {
    "started_utc": "2026-01-09T02:00:00Z",
    "git": {"commit": "c" * 40, "dirty": True},
    "machine": {"cpus": 2, "kernel": "6", "load": [1]},
    "experiment": {"kind": "ab", "arms": {"base": {"variant": "a"}}, "workloads": {"idle": {"args": ["1"]}}},
}


def test_a_row_says_what_its_verdict_says() -> None:
    verdict = go_verdict()
    made = rows_of("r", verdict, MANIFEST)
    assert [(r.gate, r.ratio, r.low, r.high, r.status) for r in made] == [
        (g.id, g.estimate, g.low, g.high, g.status.value) for g in verdict.gates
    ]
    assert made[0].commit == "c" * 40 + "+" and made[0].time == MANIFEST["started_utc"]
    assert COLUMNS[:10] == ("time", "commit", "run", "experiment", "gate", "ratio", "low", "high", "status", "machine")


def test_load_is_not_the_machine_but_the_kernel_and_the_arguments_make_a_series() -> None:
    def first(machine: Any = {}, lane: Any = {"args": ["1"]}) -> Row:
        experiment = {**MANIFEST["experiment"], "workloads": {"idle": lane}, "design": {"blocks": len(lane)}}
        return rows_of("r", go_verdict(), {**MANIFEST, "machine": {**MANIFEST["machine"], **machine}, "experiment": experiment})[0]

    assert first().series == first(machine={"load": [9]}).series
    assert first().series != first(machine={"kernel": "7"}).series
    assert first().series != first(lane={"args": ["2"]}).series
    assert work_key({}, "a.b") != work_key({}, "a.c")


def test_a_step_is_found_where_it_is_and_by_how_much() -> None:
    noise = np.random.default_rng(1)
    values = np.exp(0.01 * noise.standard_normal(60))
    values[35:] *= 0.94
    (found,) = changes(list(values))
    assert abs(found.at - 35) <= 1 and found.ratio == pytest.approx(0.94, abs=0.01)


def test_two_steps_there_and_back_and_one_in_a_long_history() -> None:
    noise = np.random.default_rng(2)
    values = np.exp(0.01 * noise.standard_normal(60))
    values[20:40] *= 1.08
    assert [abs(change.at - at) <= 1 for change, at in zip(changes(list(values)), (20, 40))] == [True, True]
    long = np.exp(0.01 * noise.standard_normal(LONGEST + 50))
    long[-30:] *= 1.1
    (found,) = changes(list(long))
    assert abs(found.at - (len(long) - 30)) <= 1


def test_a_steady_history_has_no_change_in_about_99_of_100() -> None:
    """Heavy tails, drawn in one level: a few wild nights are no step."""
    noise = np.random.default_rng(3)
    alarms = sum(bool(changes(list(np.exp(0.02 * noise.standard_t(3, 30))))) for _ in range(100))
    assert alarms <= binom.ppf(0.999, 100, 0.01)


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 7, [1.0] * 40, [1.0, 1.1] * 3])
def test_what_is_too_short_or_does_not_move_has_none(values: List[float]) -> None:
    assert changes(values) == []


def test_seven_steady_nights_cannot_say_that_the_eighth_is_a_change() -> None:
    assert changes([1.0, 1.01, 0.99, 1.0, 1.01, 0.99, 1.0, 0.5]) == []


def test_the_line_of_blocks_goes_from_the_least_to_the_most() -> None:
    assert sparkline([1.0, 2.0, 4.0]).split()[0] == "▁▄█" or sparkline([1.0, 2.0, 4.0]).split()[0] == "▁▅█"
    assert sparkline([1.0, 1.0]).startswith("▁▁") and sparkline([]) == "no run of it gave a ratio"


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    noise = np.random.default_rng(4)
    ratios = [float(x) for x in np.exp(0.005 * noise.standard_normal(28))]
    ratios[15:] = [0.9 * x for x in ratios[15:]]
    log.append(tmp_path / log.NAME, [row(n, x, low=x - 0.01, high=x + 0.01) for n, x in enumerate(ratios)])
    log.append(tmp_path / log.NAME, [row(3, None, gate="b", status="VOID")])
    return tmp_path


def test_the_text_names_the_run_since_which_it_changed(kept: Path) -> None:
    text = history(HistoryRequest(kept, "nightly", "a.ops_per_s"))
    assert f"change: since {row(15).time}, {row(15).commit[:13]}: 1.0" in text or "change: since 2026-01-16" in text
    assert text.count("change:") == 1 and "28 runs" in text
    assert "no run of it gave a ratio" in history(HistoryRequest(kept, None, "b"))


def test_a_plot_is_drawn_and_nothing_to_show_is_a_sentence(kept: Path, tmp_path: Path) -> None:
    for name in ("out/a.svg", "out/a.png"):
        history(HistoryRequest(kept, None, None, plot=tmp_path / name))
    assert ElementTree.parse(tmp_path / "out/a.svg").getroot().tag.endswith("svg")
    assert (tmp_path / "out/a.png").read_bytes().startswith(b"\x89PNG")
    for request, words in (
        (HistoryRequest(kept, "nightli", None), "did you mean 'nightly'"),
        (HistoryRequest(kept, None, "a.ops"), "did you mean 'a.ops_per_s'"),
        (HistoryRequest(kept / "none", None, None), "there is no history yet"),
        (HistoryRequest(kept, None, None, plot=tmp_path / "a.jpg"), "ending in .svg or .png"),
        (HistoryRequest(kept, None, "b", plot=tmp_path / "a.svg"), "0 series have ratios"),
    ):
        with pytest.raises(UserError, match=words):
            history(request)


def test_series_do_not_mix_machines() -> None:
    assert len(series_of([row(0), row(1, machine="other"), row(2)])) == 2
