"""A failed run is never rolled again into a GO: what it makes of the verdict, and what it does not."""

from __future__ import annotations

import pytest

from harness.experiment import Experiment
from harness.judge import judge, unreliable
from harness.judge.judge import all_attempts
from harness.judge.tests.synthetic import FACTS, constant, demo, records
from harness.model import (
    BlockRecord,
    Circumstances,
    EarlierRun,
    Failure,
    FailureKind,
    RunRecord,
    Status,
    Verdict,
)

GOOD = constant({"rss_kb": 0.4})
CRASH = Failure(FailureKind.SIGNAL, "it was ended by signal 11")


def crashed(blocks: list[BlockRecord], arm: str, lane: str, *where: int, how: Failure = CRASH) -> list[BlockRecord]:
    for block in blocks:
        for run in block.runs:
            if (run.arm, run.workload) == (arm, lane) and run.block in where:
                run.failure, run.counts, run.reasons, run.metrics = how, False, [how.text], {}
    return blocks


def verdict_on(blocks: list[BlockRecord], experiment: Experiment | None = None, **around: object) -> Verdict:
    return judge(experiment or demo(), blocks, FACTS, Circumstances(**around))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [kind for kind in FailureKind if kind.of_the_arm])
def test_treat_fails_where_base_is_clean_is_no_go(kind: FailureKind) -> None:
    how = Failure(kind, "it went wrong")
    verdict = verdict_on(crashed(records(demo(), GOOD), "treat", "small", 2, 5, 8, how=how))
    assert verdict.status == Status.NO_GO and verdict.exit_status == 1
    assert verdict.reasons[0] == verdict.headline[0] == (
        "reliability, lane small: treat failed in 3 of 11 runs: it went wrong (3 times); "
        "the arm it is compared with is clean"
    )


def test_one_crash_in_the_warm_up_is_enough() -> None:
    assert verdict_on(crashed(records(demo(), GOOD), "treat", "small", 0)).status == Status.NO_GO


@pytest.mark.parametrize("arm", ["base", "aa"])
def test_a_failure_of_base_or_of_its_copy_is_void(arm: str) -> None:
    verdict = verdict_on(crashed(records(demo(), GOOD), arm, "small", 4))
    assert verdict.status == Status.VOID
    assert f"{arm} failed in 1 of 11 runs" in verdict.headline[0]
    assert verdict.headline[0].endswith("so the lane itself may be at fault")


def test_both_arms_failing_is_void() -> None:
    blocks = crashed(crashed(records(demo(), GOOD), "base", "small", 4), "treat", "small", 4, 5)
    assert verdict_on(blocks).status == Status.VOID


def test_a_void_lane_outweighs_a_no_go_lane() -> None:
    blocks = crashed(crashed(records(demo(), GOOD), "treat", "idle", 1), "base", "small", 1)
    assert verdict_on(blocks).status == Status.VOID


def test_a_lane_without_a_gate_decides_nothing_but_is_told() -> None:
    experiment = demo(("  small:", "  other: {program: bench_dist}\n  small:"))
    verdict = verdict_on(crashed(records(experiment, GOOD), "treat", "other", 3), experiment)
    assert verdict.status == Status.GO
    assert "lane other: treat failed in 1 of 11 runs: it was ended by signal 11" in verdict.reasons


def test_a_crash_in_a_block_that_was_never_completed_counts() -> None:
    """Crash, Ctrl-C, the same command again: the crash stays."""
    blocks = records(demo(), GOOD)
    lost = RunRecord(3, "measured", 1, "small", "treat", "2026-01-09T00:00:00Z", counts=False, failure=CRASH)
    assert verdict_on(blocks).status == Status.GO
    verdict = verdict_on(blocks, attempts=[lost])
    assert verdict.status == Status.NO_GO
    assert "treat failed in 1 of 12 runs" in verdict.headline[0]


def test_what_stands_in_the_blocks_and_in_the_log_counts_once() -> None:
    blocks = crashed(records(demo(), GOOD), "treat", "small", 2)
    log = [RunRecord.from_json(run.to_json()) for block in blocks for run in block.runs]
    assert len(all_attempts(blocks, Circumstances(attempts=log))) == len(log)
    again = RunRecord.from_json(log[0].to_json())
    assert len(all_attempts(blocks, Circumstances(attempts=[*log, again]))) == len(log) + 1


@pytest.mark.parametrize("kind", [FailureKind.HARNESS, FailureKind.INTERRUPTED])
def test_what_the_harness_or_a_person_did_is_no_finding(kind: FailureKind) -> None:
    lost = RunRecord(3, "measured", 1, "small", "treat", "", counts=False, failure=Failure(kind, "-"))
    assert verdict_on(records(demo(), GOOD), attempts=[lost] * 5).status == Status.GO


def test_failures_before_the_first_look_decide_only_if_asked() -> None:
    blocks = crashed(records(demo(), GOOD), "treat", "small", 1)[:3]
    verdict = verdict_on(blocks)
    assert verdict.status == Status.NO_GO and verdict.blocks == 2
    assert verdict.reasons[-1] == "unfinished: 2 of 10 blocks; run it again to go on"


def test_a_hang_or_three_failures_out_of_three_make_more_blocks_pointless() -> None:
    hang = Failure(FailureKind.TIMEOUT, "it was stopped at its time limit after 600 s")
    blocks = records(demo(), GOOD)
    assert not unreliable(demo(), [run for block in crashed(blocks, "treat", "small", 0, 1) for run in block.runs])
    one = crashed(records(demo(), GOOD), "treat", "small", 0, how=hang)
    assert unreliable(demo(), [run for block in one for run in block.runs])
    three = crashed(records(demo(), GOOD), "treat", "small", 0, 1, 2)[:3]
    assert unreliable(demo(), [run for block in three for run in block.runs])
    two = crashed(records(demo(), GOOD), "treat", "small", 0, 2)[:3]
    assert not unreliable(demo(), [run for block in two for run in block.runs])


def test_an_aa_experiment_with_a_failed_run_is_void() -> None:
    text = ("id: demo", "id: demo\nkind: aa"), ("arms: {base: s61, treat: s62}", "arms: {base: s61}")
    experiment = demo(*text)
    verdict = verdict_on(crashed(records(experiment, GOOD), "treat", "small", 2), experiment)
    assert verdict.status == Status.VOID


def test_left_out_gates_make_a_go_partial_and_leave_a_no_go() -> None:
    verdict = verdict_on(records(demo(), GOOD), dropped_gates=["speed"])
    assert verdict.status == Status.PARTIAL and verdict.exit_status == 6
    assert verdict.headline == ["partial: 2 of 3 gates were asked; left out by --only: speed"]
    worse = records(demo(), constant({"rss_kb": 0.4, "ops": 0.9}))
    assert verdict_on(worse, dropped_gates=["speed"]).status == Status.NO_GO


def test_earlier_runs_of_the_plan_are_told() -> None:
    earlier = [EarlierRun("a", "INCONCLUSIVE"), EarlierRun("b", None)]
    verdict = verdict_on(records(demo(), GOOD), earlier=earlier)
    assert verdict.status == Status.GO
    assert verdict.headline == ["run 3 of this plan; earlier ones: INCONCLUSIVE, never finished"]
