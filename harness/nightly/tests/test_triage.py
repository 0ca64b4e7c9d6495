"""What becomes of a gate in each case, and of the night."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.experiment import Gate, load_experiment, parse_experiment
from harness.experiment.as_file import as_file
from harness.experiment.source import ExperimentError
from harness.model import AaVerdict, GateVerdict, Status, Verdict
from harness.nightly.junit import junit
from harness.nightly.night import Night
from harness.nightly.page import page
from harness.nightly.stages import confirm, screen
from harness.nightly.triage import GateOutcome, Outcome, answer, confirmed, is_suspicious, outcomes

PROJECT = Path(__file__).resolve().parents[3]
SLOWER = Gate(metric="a.ops_per_s", no_go_if="ratio < 0.96")
BIGGER = Gate(metric="a.rss_idle_kb", no_go_if="ratio > 1.04")


def found(status: Status = Status.INCONCLUSIVE, estimate: Any = 1.0, **more: Any) -> GateVerdict:
    return GateVerdict("a.ops_per_s", "a.ops_per_s", "treat", "base", "no_go_if ratio < 0.96", "guard", status, estimate, **more)


@pytest.mark.parametrize(
    "gate, estimate, suspicious",
    [
        (SLOWER, 1.2, False),
        (SLOWER, 1.0, False),
        (SLOWER, 0.985, False),
        (SLOWER, 0.975, True),
        (SLOWER, 0.5, True),
        (BIGGER, 0.9, False),
        (BIGGER, 1.015, False),
        (BIGGER, 1.025, True),
        (SLOWER, None, True),
        (SLOWER, 0.0, True),
    ],
)
def test_halfway_to_the_bound_is_suspicious_and_what_has_no_centre_is(gate: Gate, estimate: Any, suspicious: bool) -> None:
    assert is_suspicious(gate, found(estimate=estimate), 0.5) is suspicious


@pytest.mark.parametrize(
    "status, estimate, outcome",
    [
        (Status.GO, 0.99, Outcome.CLEARED),
        (Status.NO_GO, 0.9, Outcome.REGRESSED),
        (Status.INCONCLUSIVE, 0.97, Outcome.CLEARED),  # the centre is inside the bound
        (Status.INCONCLUSIVE, 0.95, Outcome.UNDECIDED),  # beyond it, but not the interval; or an objection
        (Status.VOID, None, Outcome.VOID),
    ],
)
def test_only_an_interval_beyond_the_bound_confirms(status: Status, estimate: Any, outcome: Outcome) -> None:
    assert confirmed(SLOWER, found(status, estimate)) is outcome
    assert confirmed(SLOWER, found(status, estimate), copies_differ=True) is Outcome.VOID


def verdict(gates: list[GateVerdict], aa: list[AaVerdict] = []) -> Verdict:
    return Verdict("n", Status.GO, [], gates, aa, [], 5, 0, 0, 1, 1)


def test_a_first_stage_never_says_no_go() -> None:
    (made,) = outcomes([SLOWER], verdict([found(Status.NO_GO, 0.5)]), [SLOWER.metric], verdict([found(Status.GO, 1.0)]))
    assert made.outcome is Outcome.CLEARED
    assert answer([made], None, False) is Status.GO


def test_a_suspect_that_the_second_stage_could_not_judge_is_void_and_not_passed() -> None:
    (made,) = outcomes([SLOWER], verdict([found(Status.NO_GO, 0.5)]), [SLOWER.metric], verdict([]))
    assert made.outcome is Outcome.VOID and answer([made], None, False) is Status.VOID


def test_a_control_that_sees_a_difference_voids_its_gate_alone() -> None:
    other = Gate(metric="b.ops_per_s", no_go_if="ratio < 0.96")
    second = verdict([found(Status.NO_GO, 0.5), found(Status.GO, 1.0)], [AaVerdict("a.ops_per_s", 0.9, 0.8, 0.95, ok=False)])
    made = outcomes([SLOWER, other], verdict([found(), found()]), [SLOWER.metric, other.metric], second)
    assert [gate.outcome for gate in made] == [Outcome.VOID, Outcome.CLEARED]


ALL = list(Outcome)


def test_the_worst_gate_is_the_night(  # every pair of outcomes, with and without failed runs
) -> None:
    for a, b, failures, partial in product(ALL, ALL, (None, Status.NO_GO, Status.VOID), (False, True)):
        gates = [GateOutcome("g", "a.x", "r", outcome, found()) for outcome in (a, b)]
        status = answer(gates, failures, partial)
        if Outcome.REGRESSED in (a, b) or failures is Status.NO_GO:
            assert status is Status.NO_GO
        elif Outcome.VOID in (a, b) or failures is Status.VOID:
            assert status is Status.VOID
        elif Outcome.UNDECIDED in (a, b):
            assert status is Status.INCONCLUSIVE
        else:
            assert status is (Status.PARTIAL if partial else Status.GO)


def test_the_real_nightly_has_the_lanes_of_the_scoreboard_and_a_guard_on_each() -> None:
    nightly = load_experiment(PROJECT / "experiments/nightly.yaml")
    board = load_experiment(PROJECT / "experiments/scoreboard.yaml")
    assert {lane: w.copy(update={"without": []}) for lane, w in board.workloads.items()} == nightly.workloads
    assert {f"{lane}.{w.figure}" for lane, w in board.workloads.items()} <= {gate.metric for gate in nightly.gates}


def test_stages_are_files_that_read_back_as_they_are_and_differ_by_night() -> None:
    nightly = load_experiment(PROJECT / "experiments/nightly.yaml")
    first = screen(nightly, "2026-01-09")
    assert parse_experiment(as_file(first, "harness gate")) == first and not first.has_aa
    second = confirm(nightly, "2026-01-09", ["larson.ops_per_s", "idle_held.rss_idle_kb"])
    assert parse_experiment(as_file(second, "harness gate")) == second and second.has_aa
    assert list(second.workloads) == ["larson", "idle_held"] and len(second.gates) == 2
    assert second.design.confidence == pytest.approx(1 - 2 * 0.05 / 2)
    assert len({first.design.seed, second.design.seed, screen(nightly, "2026-01-10").design.seed}) == 3


@pytest.mark.parametrize(
    "section, words",
    [
        ("{screen_blocks: 4}", "4 blocks give no 90 % interval"),
        ("{suspicious: 2}", "no share of the way"),
        ("{error: 0}", "no rate of false alarms"),
        ("{confirm_blocks: 4}", "cannot confirm 2 gates"),
        ("{blocks: 5}", "unknown key 'blocks'"),
    ],
)
def test_a_nightly_that_cannot_work_is_refused_with_its_line(section: str, words: str) -> None:
    text = (
        "id: n\nquestion: q\narms: {base: a, treat: b}\nworkloads: {l: {program: p}}\n"
        "gates:\n  - {metric: l.ops_per_s, no_go_if: 'ratio < 0.9'}\n  - {metric: l.rss_kb, no_go_if: 'ratio > 1.1'}\n"
    )
    parse_experiment(f"{text}nightly: {{}}\n")
    with pytest.raises(ExperimentError, match=words) as told:
        parse_experiment(f"{text}nightly: {section}\n")
    assert "experiment.yaml:8:" in str(told.value)


@pytest.mark.parametrize("gate", ["go_if: 'ratio >= 1'", "same_within: 0.02", "no_go_if: 'treat > 5'"])
def test_a_nightly_gate_is_a_guard_on_a_ratio(gate: str) -> None:
    text = "id: n\nquestion: q\narms: {base: a, treat: b}\nworkloads: {l: {program: p}}\nnightly: {}\n"
    with pytest.raises(ExperimentError, match="a nightly gate is a guard on a ratio"):
        parse_experiment(f"{text}gates: [{{metric: l.ops_per_s, {gate}}}]\n")


def test_two_gates_of_one_name_are_refused() -> None:
    text = "id: n\nquestion: q\narms: {base: a, treat: b}\nworkloads: {l: {program: p}}\nnightly: {}\n"
    gate = "{metric: l.ops_per_s, no_go_if: 'ratio < 0.9'}"
    with pytest.raises(ExperimentError, match="two gates are called l.ops_per_s"):
        parse_experiment(f"{text}gates: [{gate}, {gate}]\n")


def made_night(status: Status, **more: Any) -> Night:
    gates = [GateOutcome(f"a.{o}", "a.ops_per_s", "no_go_if ratio < 0.96", o, found(), found(note='<&"\x1b[31m]]>')) for o in Outcome]
    return replace(Night("nightly", "2026-01-09", "scale, commit abc", "scale, commit def", 0.05, status, gates), **more)


def test_junit_counts_what_it_holds_and_is_xml_whatever_a_workload_printed() -> None:
    suite = ElementTree.fromstring(junit(made_night(Status.NO_GO, remarks=["x\x00y"]))).find("testsuite")
    assert suite is not None
    counts = {name: int(suite.get(name, "-1")) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": len(Outcome) + 1, "failures": 1, "errors": 1, "skipped": 1}
    assert len(suite.findall("testcase")) == counts["tests"]


@pytest.mark.parametrize("status, element", [(Status.NO_GO, "failure"), (Status.VOID, "error"), (Status.GO, None)])
def test_junit_is_red_when_only_the_runs_are(status: Status, element: Any) -> None:
    """A CI system that reads the XML alone must not see green when the status is not."""
    root = ElementTree.fromstring(junit(made_night(status, gates=[], remarks=["treat crashed"])))
    assert [e.tag for e in root.iter() if e.tag in ("failure", "error")] == ([element] if element else [])


def test_the_page_has_the_answer_first_and_the_bad_gates_above_the_good() -> None:
    text = page(made_night(Status.NO_GO))
    lines = text.splitlines()
    assert lines[0] == "# nightly, 2026-01-09" and lines[2].startswith("> **NO-GO**")
    order = [text.index(f"| a.{o}") for o in (Outcome.REGRESSED, Outcome.VOID, Outcome.UNDECIDED, Outcome.CLEARED, Outcome.PASSED)]
    assert order == sorted(order)
