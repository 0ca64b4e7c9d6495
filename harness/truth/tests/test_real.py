"""Real experiments against the truth: what is made of a file, how answers are scored, and going on."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from harness.experiment import Experiment, ExperimentError, TruthCase, load_experiment, parse_experiment
from harness.model import AA, BASE, TREAT, Status
from harness.plan import make_plan
from harness.truth.cases import effect_experiment, rounds
from harness.truth.log import Log, Said, made_of
from harness.truth.real_document import Real, Score, faults, real_text, rounds_csv, score

PROJECT = Path(__file__).resolve().parents[3]

TEXT = """\
id: known
question: Is what is known found?
arms: {base: plain, treat: quick, third: hollow}
workloads:
  load: {program: fake_load, args: [ok]}
  other: {program: fake_load, args: [ok]}
gates:
  - {metric: load.ops_per_s, same_within: 0.1}
  - {metric: other.ops_per_s, no_go_if: "ratio < 0.9"}
design: {blocks: 6, warmup: 0, seed: 5}
truth:
  effect: load.ops
  cases:
    equal: {what: base twice, lanes: [load], answer: GO, rounds: 3}
    twice: {what: twice as fast, arm: treat, lanes: [load], answer: NO-GO, rounds: 2}
"""


@pytest.fixture(scope="module")
def published() -> Experiment:
    return load_experiment(PROJECT / "experiments" / "truth.yaml")


def test_the_file_has_the_cases_it_promises(published: Experiment) -> None:
    """Slowdowns of 0, 1, 3 and 10 %, memory kept, a rare crash, and forty experiments on equal arms."""
    assert published.truth is not None
    cases = published.truth.cases
    assert {"equal", "other", "slow1", "slow3", "slow10", "keeps", "crashes"} == set(cases)
    assert cases["equal"].arm is None and cases["equal"].rounds >= 40
    assert cases["crashes"].rare and all(case.rounds >= 20 for case in cases.values())
    flags = [arm.flags for arm in published.arms.values()]
    assert all("HZ3_DEFECT_EVERY" in found for found in flags)


def test_no_variant_of_the_catalogue_has_a_defect() -> None:
    assert "DEFECT" not in (PROJECT / "hz3" / "variants.yaml").read_text(encoding="utf-8")
    for path in (PROJECT / "experiments").glob("*.yaml"):
        assert path.name == "truth.yaml" or "HZ3_DEFECT" not in path.read_text(encoding="utf-8"), path


def test_every_round_is_an_experiment_of_its_own() -> None:
    made = list(rounds(parse_experiment(TEXT)))
    assert [(one.case, one.number) for one in made] == [("equal", 1), ("twice", 1), ("equal", 2), ("twice", 2), ("equal", 3)]
    assert len({make_plan(one.experiment).key for one in made}) == len(made)
    equal, twice = made[0].experiment, made[1].experiment
    assert equal.kind == "aa" and equal.arm_ids == [BASE, TREAT] and equal.arms[TREAT] == equal.arms[BASE]
    assert twice.kind == "ab" and twice.arm_ids == [BASE, TREAT, AA] and twice.arms[TREAT].variant == "quick"
    assert list(twice.workloads) == ["load"] and [gate.lane for gate in twice.gates] == ["load"]
    assert list(rounds(parse_experiment(TEXT), most=1)) == made[:2]
    again = list(rounds(parse_experiment(TEXT)))
    assert [make_plan(one.experiment).key for one in again] == [make_plan(one.experiment).key for one in made]


def test_the_size_of_the_defects_is_counted_for_every_arm() -> None:
    table = effect_experiment(parse_experiment(TEXT))
    assert table is not None and table.kind == "table" and table.arm_ids == [BASE, TREAT, "third"] and list(table.workloads) == ["load"]


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("arm: treat", "arm: tret", "'tret' is no arm beside base; did you mean 'treat'?"),
        ("arm: treat", "arm: base", "'base' is no arm beside base"),
        ("lanes: [load], answer: NO-GO", "lanes: [lod], answer: NO-GO", "unknown lane 'lod'; did you mean 'load'?"),
        ("answer: NO-GO", "answer: VOID", "expected one of GO, NO-GO"),
        ("rounds: 2", "rounds: 0", "0 rounds; use 1 or more"),
        ("effect: load.ops", "effect: lod.ops", "unknown lane in 'lod.ops'"),
        ("rounds: 2", "rouds: 2", "unknown key 'rouds'; did you mean 'rounds'?"),
    ],
)
def test_mistakes_are_named(old: str, new: str, message: str) -> None:
    with pytest.raises(ExperimentError) as told:
        parse_experiment(TEXT.replace(old, new))
    assert message in str(told.value)


# --- scores


def said(status: Status, case: str = "case", number: int = 1, failed: int = 0) -> Said:
    return Said(case, number, status, 8, 24, 2, failed, 1.5, "b1", {"speed": 0.97})


SLOW = TruthCase(what="slower", arm="treat", lanes=["load"], answer="NO-GO")
SAME = TruthCase(what="the same", arm="third", lanes=["load"], answer="GO")
EQUAL = TruthCase(what="base twice", lanes=["load"], answer="GO")
RARE = TruthCase(what="crashes", arm="treat", lanes=["load"], answer="NO-GO", rare=True)
ALL = [said(status) for status in (Status.GO, Status.NO_GO, Status.INCONCLUSIVE, Status.VOID)]


@pytest.mark.parametrize("case, expected", [(SLOW, Score(4, 1, 1)), (SAME, Score(4, 1, 1)), (EQUAL, Score(4, 1, 3)), (RARE, Score(0, 0, 0))])
def test_answers_are_scored(case: TruthCase, expected: Score) -> None:
    """Undecided is neither right nor wrong, but of equal arms the only right one."""
    assert score(case, ALL) == expected


def test_a_rare_failure_is_asked_for_only_where_it_happened() -> None:
    assert score(RARE, [*ALL, said(Status.NO_GO, failed=1), said(Status.GO, failed=2)]) == Score(2, 1, 1)


def real(found: list[Said], case: TruthCase) -> Real:
    experiment = parse_experiment(TEXT)
    assert experiment.truth is not None
    truth = experiment.truth.copy(update={"cases": {"case": case}})
    return Real(experiment.copy(update={"truth": truth}), {"base": 1.0, "treat": 1.03}, found, "b1", 20, "harness truth --real")


def test_what_luck_allows_is_no_fault_and_what_it_does_not_is() -> None:
    right = [said(Status.NO_GO, number=n) for n in range(1, 20)]
    assert faults(real([*right, said(Status.GO, number=20)], SLOW)) == []
    missed = faults(real([*right[:14], *(said(Status.INCONCLUSIVE, number=n) for n in range(15, 21))], SLOW))
    assert missed == ["case: found in 14 of 20 experiments only"]
    wrong = faults(real([*right[:14], *(said(Status.GO, number=n) for n in range(15, 21))], SLOW))
    assert wrong[0] == "case: 6 of 20 experiments answered wrongly, the limit is 5.0 %"
    invented = [said(Status.VOID if n <= 6 else Status.INCONCLUSIVE, number=n) for n in range(1, 41)]
    assert faults(real(invented[6:], EQUAL)) == [] and faults(real(invented, EQUAL)) != []


def test_table_and_csv_hold_every_round() -> None:
    shown = real([said(Status.NO_GO, number=n) for n in (2, 1)], SLOW)
    text = real_text(shown)
    assert "| case | slower | NO-GO | 2 | 0 | 2 | 0 | 0 | 2 of 2" in text and "18 of 20 rounds are still to be made" in text
    assert "| case | 1.0300 | speed | 0.9700 |" in text
    rows = list(csv.DictReader(io.StringIO(rounds_csv(shown))))
    assert [row["round"] for row in rows] == ["1", "2"] and rows[0]["speed"] == "0.97" and rows[0]["status"] == "NO-GO"


# --- the log


def test_a_torn_line_is_made_anew_and_the_rest_is_kept(tmp_path: Path) -> None:
    log = Log(tmp_path)
    first, second = said(Status.GO), said(Status.VOID, number=2)
    log.append(first)
    log.append(second)
    log.path.write_bytes(log.path.read_bytes()[:-20])
    assert log.read() == [first]
    log.append(second)
    assert Log(tmp_path).read() == [first, second]


def test_verdicts_on_other_builds_are_not_mixed_in(tmp_path: Path) -> None:
    found = [said(Status.GO), replace(said(Status.GO, number=2), builds="b0")]
    with pytest.raises(Exception, match="holds verdicts on other builds"):
        made_of(found, "b1", tmp_path)
    assert list(made_of(found[:1], "b1", tmp_path)) == [("case", 1)]
