"""The promise of 5 % in a subset of the published table, and that the table notices a broken promise.

Seeds are fixed, so the counts are facts of the code. A cell of 300 experiments whose true rate is 5 %
shows 15 of them, and 26 or more once in 200 times; one of 150 shows 7 or 8. The limit (`rates.too_high`, paid
for the number of rates looked at) leaves room for that and no more.
"""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import pytest

from harness.cli import main
from harness.experiment import Design
from harness.experiment.looks import crossing
from harness.model import Status
from harness.truth.command import write
from harness.truth.csv_files import cells_csv, looks_csv
from harness.truth.document import truth_text
from harness.truth.economy import LOOKS as PLANNED_LOOKS
from harness.truth.economy import _match, power, rules_table
from harness.truth.experiment import PLANS, Plan, bench, conduct, experiment_for, figures
from harness.truth.looking import LOOKING
from harness.truth.measure import Cell, Tally, Workers
from harness.truth.questions import QUESTIONS
from harness.truth.rates import interval, percent, too_high
from harness.truth.slow_mode import slow_mode
from harness.truth.study import LOOKS, ONE_LOOK, Study, error_rates, faults, study
from harness.truth.worlds import SLOW, SLOW_TREAT, WORLDS

PROJECT = Path(__file__).resolve().parents[3]
HARD = [("target", 1.02, "1 %"), ("guard", 0.98, "heavy tails"), ("same", 1.02, "ramp"), ("same", 1 / 1.02, "two modes")]


def quiet(seed: int = 7, jobs: int = 1) -> Workers:
    return Workers(seed, jobs, io.StringIO())


# --- the promise


@pytest.mark.parametrize(("question", "ratio", "world"), HARD)
def test_errors_keep_to_5_percent_where_that_is_hardest(question: str, ratio: float, world: str) -> None:
    """On a bound, at the planned looks and after an extension."""
    table = quiet().table("", [Cell(question, ratio, world, LOOKS)], 150)
    assert faults(table) == []
    assert all(tally.statuses[Status.INCONCLUSIVE] > 100 for tally in table.values())


def test_a_judge_that_does_not_pay_for_its_looks_is_caught() -> None:
    """Four looks at 5 % each err in about 11 %."""
    cells = [Cell("target", 1.02, "1 %", PLANNED_LOOKS, looking) for looking in ("Pocock", "unpaid")]
    found = faults(quiet().table("", cells, 300))
    assert found and {rate.cell.looking for rate in found} == {"unpaid"}
    assert all(rate.share > 0.08 for rate in found)


def test_a_judge_without_the_tail_objection_is_caught_by_the_slow_mode() -> None:
    """`before` is that judge: the centre alone."""
    table = slow_mode(quiet(), 40)
    one, looks, _, forty = table.values()
    assert looks.before >= 30 and forty.before >= 36
    assert forty.now <= 6
    assert one.now == one.unseen  # all that passes is what could not be seen
    assert all(passed.unseen <= passed.now <= passed.before for passed in table.values())


# --- what is right


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        ("guard", ["NO-GO", None, "GO", "GO", "GO"]),
        ("target", ["NO-GO", "NO-GO", "NO-GO", None, "GO"]),
        ("same", ["NO-GO", None, "GO", None, "NO-GO"]),
    ],
)
def test_the_right_answer_of_every_question(question: str, answers: list[str | None]) -> None:
    asked = QUESTIONS[question]
    assert list(asked.effects) == ["-3 %", "-margin", "0", "+margin", "+3 %"]
    right = [asked.right(ratio) for ratio in asked.effects.values()]
    assert [None if status is None else status.value for status in right] == answers
    for ratio, answer in zip(asked.effects.values(), right):
        assert len(asked.wrong(ratio)) == (2 if answer is None else 1)
        assert answer not in asked.wrong(ratio)


def test_the_gates_of_the_questions_are_their_bounds() -> None:
    """Without noise to speak of, the judge's answer off the bounds is the right one."""
    for name, question in QUESTIONS.items():
        for ratio in question.effects.values():
            right = question.right(ratio)
            if right is None:
                continue
            slower, slow_treat = figures(WORLDS["0.5 %"], 1, 0)
            bench(ONE_LOOK, 0).fill(slower / 50, slow_treat, ratio)
            assert conduct(name, ONE_LOOK, 0, LOOKING["Pocock"]).status is right


# --- the machinery


def test_the_same_seed_gives_the_same_table_on_any_number_of_processes() -> None:
    cells = [Cell("guard", 1.0, "2 %", LOOKS), Cell("same", 1.0, "walk", ONE_LOOK)]
    one, two, other = (quiet(seed, jobs).table("", cells, 50) for seed, jobs in ((3, 1), (3, 2), (4, 1)))
    assert one == two and one != other


def test_progress_says_how_long_it_takes() -> None:
    stream = io.StringIO()
    Workers(1, 1, stream).table("verdicts", [Cell("guard", 1.0, "1 %", ONE_LOOK)], 25)
    assert stream.getvalue().splitlines()[-1] == "verdicts: 2/2 parts, about 0 s left"


def test_designs_see_the_same_world_and_only_treat_the_effect() -> None:
    slower, slow_treat = figures(WORLDS["heavy tails"], 5, 9)
    again, _ = figures(WORLDS["heavy tails"], 5, 9)
    assert (slower == again).all() and not slow_treat.any()
    assert set(figures(SLOW_TREAT, 5, 9)[1]) == {0.0, SLOW}
    for plan in (ONE_LOOK, LOOKS):
        plain, scaled = [], []
        for ratio, into in ((1.0, plain), (1.5, scaled)):
            bench(plan, 2).fill(slower, slow_treat, ratio)
            into += [(run.arm, run.metrics["ops_per_cpu_s"]) for run in bench(plan, 2).blocks[3].runs]
        for (arm, before), (_, after) in zip(plain, scaled):
            assert after / before == pytest.approx(1.5 if arm == "treat" else 1.0)


def test_looks_end_as_a_run_ends() -> None:
    """Decided at a look, at the last one, or extended to twice the blocks."""
    ends = set()
    for rep in range(12):
        slower, slow_treat = figures(WORLDS["2 %"], 2, rep)
        bench(LOOKS, rep % PLANS).fill(slower, slow_treat, 1.0)
        found = conduct("guard", LOOKS, rep % PLANS, LOOKING["Pocock"])
        ends.add((found.blocks, found.extended_blocks))
        assert found.extended_blocks == (80 if found.status is Status.INCONCLUSIVE else found.blocks)
    assert len(ends) >= 3


@pytest.mark.parametrize("rule", ["Pocock", "equal shares", "O'Brien-Fleming"])
def test_every_rule_spends_what_the_planned_looks_may_spend(rule: str) -> None:
    counts = [10, 20, 30, 40]
    levels = LOOKING[rule](Design(blocks=10, max_blocks=40), counts)
    spent = crossing(counts, [NormalDist().inv_cdf(1 - level) for level in levels])
    if rule == "equal shares":
        assert 0.025 < spent < 0.035  # looks at the same data need less than separate ones
    else:
        assert spent == pytest.approx(0.04, abs=1e-6)
    assert LOOKING[rule](Design(blocks=10), [10]) == [pytest.approx(0.05)]


def test_obrien_and_fleming_spend_late() -> None:
    levels = LOOKING["O'Brien-Fleming"](Design(blocks=10, max_blocks=40), [10, 20, 30, 40])
    assert levels == sorted(levels) and levels[0] < 0.0001 and levels[-1] > 0.03


def test_the_fixed_design_found_is_the_smallest_with_that_power() -> None:
    workers = quiet()
    cell = Cell("target", 1.0, "2 %", PLANNED_LOOKS)
    looks = Tally(100)
    looks.statuses[Status.NO_GO], looks.statuses[Status.INCONCLUSIVE] = 80, 20
    (found,) = _match(workers, "", {cell: looks}, 60)
    assert found.blocks is not None and 8 <= found.blocks <= 24
    smaller, enough = (
        power(cell, next(iter(workers.table("", [cell._replace(plan=Plan(n, n, 0.04))], 60).values())))
        for n in (found.blocks - 2, found.blocks)
    )
    assert smaller < 0.8 <= enough


def test_power_is_of_the_experiments_that_the_control_let_stand() -> None:
    tally = Tally(100)
    tally.statuses.update({Status.GO: 45, Status.VOID: 10, Status.INCONCLUSIVE: 45})
    assert power(Cell("guard", 1.0, "1 %", ONE_LOOK), tally) == 0.5
    assert power(Cell("guard", 0.98, "1 %", ONE_LOOK), tally) == 0.0  # nothing is right on the bound


def test_rates() -> None:
    assert interval(0, 10) == (0.0, pytest.approx(0.3085, abs=1e-4))
    assert interval(10, 10) == (pytest.approx(0.6915, abs=1e-4), 1.0)
    assert interval(100, 2000) == (pytest.approx(0.0409, abs=1e-4), pytest.approx(0.0605, abs=1e-4))
    assert not too_high(15, 300) and too_high(30, 300)
    assert too_high(24, 300) and not too_high(24, 300, checks=400)
    assert [percent(x) for x in (0, 0.0001, 0.0512, 0.9999, 1)] == ["0.0 %", "< 0.1 %", "5.1 %", "> 99.9 %", "100.0 %"]


def test_a_fault_is_one_rate_of_one_kind() -> None:
    good, bad = Tally(2000), Tally(2000)
    bad.statuses[Status.GO] = 150
    cell = Cell("target", 1.02, "1 %", ONE_LOOK)
    table = {cell: bad, cell._replace(world="2 %"): good}
    (found,) = faults(table)
    assert (found.cell, found.status, found.share) == (cell, Status.GO, 0.075)
    assert len(error_rates(table)) == 4


# --- the document


@pytest.fixture(scope="module")
def small() -> Study:
    return study(quiet(), 2)


def test_the_document_is_the_same_each_time(small: Study, tmp_path: Path) -> None:
    once = {p.name: p.read_bytes() for p in write(small, tmp_path / "a", "tools/truth", "2026-01-09").parent.iterdir()}
    again = {p.name: p.read_bytes() for p in write(small, tmp_path / "b", "tools/truth", "2026-01-09").parent.iterdir()}
    assert once == again
    assert set(once) == {"truth.md", "cells.csv", "looks.csv", "truth.svg", "truth.png"}


def test_the_document_holds_every_cell_and_how_it_was_made(small: Study) -> None:
    text = truth_text(small, "python3 -m harness truth --runs 2", "2026-01-09")
    assert "python3 -m harness truth --runs 2" in text and "2026-01-09, seed 7" in text
    rows = list(csv.DictReader(io.StringIO(cells_csv(small))))
    assert len(rows) == 3 * 7 * 5 * 2
    for row in rows:
        assert sum(int(row[status]) for status in ("GO", "NO-GO", "INCONCLUSIVE", "VOID")) == 2
    assert len(list(csv.DictReader(io.StringIO(looks_csv(small))))) == 3 * 4 * 3 * 5


def test_a_fault_stands_at_the_top(small: Study) -> None:
    table = {cell: Tally(2000) for cell in small.verdicts}
    table[Cell("target", 1.02, "1 %", ONE_LOOK)].statuses[Status.GO] = 150
    text = truth_text(replace(small, runs=2000, verdicts=table), "", "")
    assert "**above the limit** — 2,000 made-up experiments in each of 210 cells: 1 of " in text
    assert "the worst 7.5 % [6.4, 8.7] (false GO, target, +margin, 1 %, one look of 10)" in text


@pytest.mark.parametrize(("wrong", "status"), [(0, 0), (150, 1)])
def test_the_exit_status_says_whether_the_promise_is_kept(
    small: Study, wrong: int, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = {cell: Tally(2000) for cell in small.verdicts}
    table[Cell("target", 1.02, "1 %", ONE_LOOK)].statuses[Status.GO] = wrong
    made = replace(small, runs=2000, verdicts=table)
    monkeypatch.setattr("harness.truth.command.study", lambda workers, runs: made)
    assert main(["truth", "--quick", "--to", str(tmp_path)]) == status
    told = capsys.readouterr()
    assert told.out == f"{tmp_path / 'truth.md'}\n"
    assert ("above 5 % beyond doubt" in told.err) == (status == 1)
    assert "python3 -m harness truth --quick" in (tmp_path / "truth.md").read_text()


def hear_ctrl_c() -> None:
    """Whatever the tests before have made the test process ignore."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_it_with_one_sentence(tmp_path: Path) -> None:
    """From the terminal it reaches every process of the group."""
    command = ["/usr/bin/python3", "-m", "harness", "truth", "--jobs", "2", "--to", str(tmp_path)]
    with subprocess.Popen(
        command, cwd=PROJECT, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=hear_ctrl_c
    ) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)
        try:
            _, told = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    assert first.startswith("verdicts: ")
    assert process.returncode == 130
    assert told.splitlines()[-1] == "harness: interrupted" and "Traceback" not in told
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--runs", "0"], ["--jobs", "0"], ["--seed", "-1"]])
def test_bad_numbers_are_bad_input(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["truth", *words, "--to", str(tmp_path)]) == 4
    assert "1 or more" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_rules_are_compared_in_the_same_experiments() -> None:
    assert {cell.looking for cell in rules_table(quiet(), 1)} == {"Pocock", "equal shares", "O'Brien-Fleming"}
    assert experiment_for("guard", PLANNED_LOOKS, 0).design.confidence == pytest.approx(0.9)
