"""What disqualifies a gate or a whole run, what A/A and table experiments say, and evidence."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.experiment import Experiment
from harness.judge import judge
from harness.judge.tests.synthetic import FACTS, Figures, Noise, constant, demo, records
from harness.model import ArmFacts, RunRecord, Status, Verdict

GOOD = constant({"rss_kb": 0.4})


def void_reasons(
    change: Callable[[RunRecord], None], experiment: Experiment, facts: list[ArmFacts] = FACTS
) -> list[str]:
    blocks = records(experiment, GOOD)
    for block in blocks:
        if block.kind == "measured":
            for run in block.runs:
                change(run)
    verdict = judge(experiment, blocks, facts)
    assert verdict.status == Status.VOID and verdict.exit_status == 3
    return verdict.reasons


def is_run(run: RunRecord, arm: str, lane: str, *blocks: int) -> bool:
    return (run.arm, run.workload) == (arm, lane) and run.block in blocks


# --- the data


def test_nothing_measured_is_void_not_go() -> None:
    verdict = judge(demo(), [], FACTS)
    assert verdict.status == Status.VOID and verdict.exit_status == 3
    assert verdict.reasons == ["nothing was measured; run the experiment"]


def test_warm_up_alone_is_nothing() -> None:
    experiment = demo()
    assert judge(experiment, records(experiment, GOOD)[:1], FACTS).reasons == [
        "nothing was measured; run the experiment"
    ]


def test_an_unfinished_run_is_void() -> None:
    experiment = demo()
    verdict = judge(experiment, records(experiment, GOOD, 7), FACTS)
    assert verdict.reasons == ["unfinished: 7 of 10 blocks; run it again to go on"]


def test_a_block_recorded_twice_is_void() -> None:
    blocks = records(demo(), GOOD)
    assert judge(demo(), [*blocks, blocks[3]], FACTS).reasons == [
        "block 3 is recorded twice; keep the original record"
    ]


def test_blocks_of_two_plans_are_void() -> None:
    blocks = records(demo(), GOOD)
    blocks[5].plan_key = "another"
    assert "different plans" in judge(demo(), blocks, FACTS).reasons[0]


def test_a_metric_nobody_reports_is_void_with_the_nearest_name() -> None:
    experiment = demo(("idle.rss_kb", "idle.rss_kbb"))
    verdict = judge(experiment, records(experiment, GOOD), FACTS)
    assert verdict.status == Status.VOID
    text = "idle.rss_kbb is missing in block 1, arm treat; did you mean 'rss_kb'? (and 9 more)"
    assert verdict.gates[0].note.endswith(text)
    assert verdict.gates[0].estimate is None
    assert verdict.gates[1].status == Status.GO  # the other gate still says what it saw


def test_a_metric_missing_once_in_a_run_that_counts_is_void() -> None:
    def lose(run: RunRecord) -> None:
        if is_run(run, "base", "small", 4):
            del run.metrics["ops"]

    assert any("small.ops is missing in block 4, arm base" in r for r in void_reasons(lose, demo()))


def test_a_metric_that_is_not_finite_is_missing() -> None:
    def spoil(run: RunRecord) -> None:
        if is_run(run, "treat", "small", 4):
            run.metrics["ops"] = float("nan")

    assert any("small.ops is missing in block 4" in r for r in void_reasons(spoil, demo()))


def test_a_run_that_is_not_recorded_is_void() -> None:
    experiment = demo()
    blocks = records(experiment, GOOD)
    blocks[4].runs = [r for r in blocks[4].runs if not is_run(r, "treat", "small", 4)]
    verdict = judge(experiment, blocks, FACTS)
    assert verdict.status == Status.VOID
    assert verdict.gates[1].note == "block 4 has no run of treat in small"


def fail(*blocks: int) -> Callable[[RunRecord], None]:
    def change(run: RunRecord) -> None:
        if is_run(run, "treat", "small", *blocks):
            run.counts = False
            run.reasons.append("exit status 1")
            run.metrics.clear()

    return change


def test_a_run_that_does_not_count_takes_its_partner_with_it() -> None:
    experiment = demo()
    blocks = records(experiment, GOOD)
    for block in blocks:
        for run in block.runs:
            if is_run(run, "treat", "small", 2) or is_run(run, "base", "small", 3):
                run.counts = False
                run.reasons.append("remote fallback 1 %")
    verdict = judge(experiment, blocks, FACTS)
    assert verdict.status == Status.GO
    guard = verdict.gates[1]
    assert guard.n == 8 and "2 blocks left out: a run did not count" in guard.note
    assert "2 of 60 runs did not count: remote fallback 1 %" in verdict.reasons


def test_runs_that_only_one_arm_loses_are_no_accident() -> None:
    """Otherwise an arm could choose which of its runs are judged."""
    reasons = void_reasons(fail(2), demo())
    assert any("only runs of treat did not count (1 of 10 blocks): exit status 1" in r for r in reasons)


@pytest.mark.parametrize("blocks, status", [((2,), Status.GO), ((2, 5), Status.VOID)])
def test_one_run_of_the_other_arm_may_be_lost_and_no_more(blocks: tuple[int, ...], status: Status) -> None:
    made = records(demo(), GOOD)
    for block in made:
        for run in block.runs:
            if is_run(run, "base", "small", *blocks):
                run.counts = False
    assert judge(demo(), made, FACTS).status == status


def test_many_failed_runs_are_no_accident() -> None:
    reasons = void_reasons(fail(2, 3, 4), demo())
    assert any("runs did not count in 3 of 10 blocks" in r for r in reasons)


def test_an_arm_without_any_run_that_counts_is_void() -> None:
    reasons = void_reasons(fail(*range(1, 11)), demo())
    assert any("small.ops: no block has two runs that count" in r for r in reasons)


def test_an_unbalanced_order_is_void() -> None:
    def treat_first(run: RunRecord) -> None:
        if run.workload == "idle":
            run.position = {"treat": 0, "base": 1, "aa": 2}[run.arm]

    reasons = void_reasons(treat_first, demo())
    assert any("idle.rss_kb: the order is unbalanced by 10 of 10 blocks" in r for r in reasons)


@pytest.mark.parametrize("value, words", [(0.0, "use a gate like `treat <= N`"), (-3.0, "no measurement is below 0")])
def test_a_ratio_of_figures_not_above_zero_is_void(value: float, words: str) -> None:
    def zero(run: RunRecord) -> None:
        if is_run(run, "treat", "idle", 6):
            run.metrics["rss_kb"] = value

    assert any(words in r for r in void_reasons(zero, demo()))


def test_zeros_in_both_arms_are_equal() -> None:
    experiment = demo(('go_if: "ratio <= 0.5"', "same_within: 0.01"))
    verdict = judge(experiment, records(experiment, constant({}, base=0.0)), FACTS)
    assert verdict.gates[0].status == Status.GO and verdict.gates[0].estimate == 1.0


# --- the builds


def nothing(run: RunRecord) -> None:
    del run


def test_arms_of_the_same_bytes_are_void() -> None:
    same = [ArmFacts(arm, "b" * 64) for arm in ("base", "treat", "aa")]
    assert "base and treat are the same bytes" in void_reasons(nothing, demo(), same)


def test_a_copy_of_other_bytes_is_void() -> None:
    facts = [FACTS[0], FACTS[1], ArmFacts("aa", "c" * 64)]
    assert "arm aa is no copy of base: other bytes" in void_reasons(nothing, demo(), facts)


def test_an_arm_without_build_facts_is_void() -> None:
    text = "nothing proves what arm treat is; its build record is missing"
    assert text in void_reasons(nothing, demo(), [FACTS[0], FACTS[2]])
    assert text in void_reasons(nothing, demo(), [FACTS[0], ArmFacts("treat"), FACTS[2]])


def test_a_problem_of_an_arm_is_void() -> None:
    references = demo(("workloads:", "references: [{allocator: mimalloc}]\nworkloads:"))
    facts = [*FACTS, ArmFacts("mimalloc", problems=["MIMALLOC_X could not be read back"])]
    assert "mimalloc: MIMALLOC_X could not be read back" in void_reasons(
        nothing, references, facts
    )


def test_third_arms_of_the_same_bytes_void_the_gate_that_compares_them() -> None:
    experiment = demo(
        ("treat: s62}", "treat: s62, old: s60}"),
        ("metric: small.ops,", "metric: small.ops, arm: old,"),
    )
    facts = [*FACTS, ArmFacts("old", "b" * 64)]
    assert "small.ops: base and old are the same bytes" in void_reasons(nothing, experiment, facts)


# --- the A/A control


def biased(factor: float, sigma: float = 0.002) -> Figures:
    noise = Noise(9, sigma)

    def of(lane: str, arm: str, block: int) -> dict[str, float]:
        del lane, block
        scale = {"aa": factor, "treat": 0.4}.get(arm, 1.0)
        return {"rss_kb": 1000 * scale * noise.factor(), "ops": 1000 * noise.factor()}

    return of


def test_a_copy_that_differs_from_base_voids_the_run() -> None:
    experiment = demo()
    verdict = judge(experiment, records(experiment, biased(1.05)), FACTS)
    assert verdict.status == Status.VOID and [a.ok for a in verdict.aa] == [False, True]
    assert verdict.gates[0].note == "the copy of base differs from base"
    assert verdict.gates[1].status == Status.GO
    assert verdict.reasons[0].startswith("A/A: the copy of base differs from base on idle.rss_kb")


def test_a_trifling_bias_of_the_copy_is_borne() -> None:
    experiment = demo()
    verdict = judge(experiment, records(experiment, biased(1.0008, sigma=1e-5)), FACTS)
    assert verdict.status == Status.GO and all(a.ok for a in verdict.aa)
    assert verdict.aa[0].low is not None and verdict.aa[0].low > 1


def test_a_copy_without_figures_voids_the_run() -> None:
    def lose(run: RunRecord) -> None:
        if run.arm == "aa":
            run.metrics.clear()

    assert "A/A: the copy of base gives no figures for idle.rss_kb" in void_reasons(lose, demo())


def test_an_effect_of_position_is_said_but_cancels() -> None:
    """Whatever runs first is 4 % smaller; order is balanced, so the estimate stays near 0.4."""
    experiment = demo()
    blocks = records(experiment, Noise(4, 0.002).figures({"rss_kb": 0.4}))
    for block in blocks:
        place = {r.arm: r.position for r in block.runs if r.workload == "idle"}
        for run in block.runs:
            if run.workload == "idle" and run.arm == "treat" and place["treat"] < place["base"]:
                run.metrics["rss_kb"] *= 0.96
    gate = judge(experiment, blocks, FACTS).gates[0]
    assert gate.status == Status.GO and "running first changes it by" in gate.note
    assert gate.estimate == pytest.approx(0.4 * 0.96**0.5, rel=0.01)


# --- kinds aa and table


AA = (("id: demo", "id: demo\nkind: aa"), ("base: s61, treat: s62", "base: s61"))
AA_FACTS = [FACTS[0], ArmFacts("treat", "b" * 64)]


def judged_aa(figures: Figures, facts: list[ArmFacts] = AA_FACTS) -> Verdict:
    experiment = demo(*AA)
    return judge(experiment, records(experiment, figures), facts)


def test_equal_arms_are_found_the_same_and_never_go() -> None:
    verdict = judged_aa(Noise(2, 0.005).figures({}))
    assert verdict.status == Status.INCONCLUSIVE and verdict.exit_status == 2
    assert all(g.status == Status.INCONCLUSIVE for g in verdict.gates)
    assert all(g.note.startswith("same within 0.") for g in verdict.gates)
    assert len(verdict.aa) == 2 and all(a.ok for a in verdict.aa)


def test_an_invented_difference_is_void() -> None:
    verdict = judged_aa(Noise(2, 0.005).figures({"ops": 0.95}))
    assert verdict.status == Status.VOID
    assert [g.status for g in verdict.gates] == [Status.INCONCLUSIVE, Status.VOID]
    assert "a difference between equal arms" in verdict.reasons[0]


def test_an_aa_experiment_needs_equal_bytes() -> None:
    verdict = judged_aa(Noise(2, 0.005).figures({}), [FACTS[0], FACTS[1]])
    assert verdict.status == Status.VOID
    assert verdict.reasons[0] == "arm treat is no copy of base: other bytes"


TABLE = (
    ("id: demo", "id: demo\nkind: table"),
    ("treat: s62}", "treat: s62}\nreferences: [{allocator: mimalloc}]"),
    ('gates:\n  - {metric: idle.rss_kb, go_if: "ratio <= 0.5"}\n', ""),
    ('  - {metric: small.ops, no_go_if: "ratio < 0.98"}\n', ""),
)


def test_a_complete_table_ends_well_and_judges_nothing() -> None:
    experiment = demo(*TABLE)
    assert experiment.arm_ids == ["base", "treat", "mimalloc"]
    verdict = judge(experiment, records(experiment, GOOD), FACTS)
    assert (verdict.status, verdict.exit_status, verdict.gates) == (Status.COMPLETE, 0, [])


def test_a_table_with_an_arm_that_never_counts_is_void() -> None:
    def broken(run: RunRecord) -> None:
        if run.arm == "mimalloc":
            run.counts = False

    reasons = void_reasons(broken, demo(*TABLE))
    assert reasons[:2] == ["idle: no run of mimalloc counts", "small: no run of mimalloc counts"]


# --- evidence


def counters(seen: dict[str, list[float]]) -> Figures:
    """Treat prints PURGE.pages in the lanes of `seen`, cycling through the values."""

    def of(lane: str, arm: str, block: int) -> dict[str, float]:
        metrics = {"rss_kb": 400.0 if arm == "treat" else 1000.0, "ops": 1000.0}
        if arm == "treat" and lane in seen:
            metrics["PURGE.pages"] = seen[lane][block % len(seen[lane])]
        return metrics

    return of


EVIDENCE = [
    ("PURGE.pages > 0", {"idle": [4], "small": [0]}, True),
    ("PURGE.pages > 0", {"idle": [4]}, True),
    ("PURGE.pages > 0", {"idle": [0], "small": [0]}, False),
    ("PURGE.pages > 0", {"idle": [4, 0], "small": [0]}, False),
    ("PURGE.pages > 0", {}, False),
    ("PURGE.pages == 0", {"idle": [0], "small": [0]}, True),
    ("PURGE.pages == 0", {"idle": [0]}, True),
    ("PURGE.pages == 0", {"idle": [0], "small": [1]}, False),
    ("PURGE.pages == 0", {}, False),
    ("PURGE.pages <= 7", {"idle": [5, 7]}, True),
    ("PURGE.pages != 0", {"idle": [5, 7]}, True),
    ("idle.PURGE.pages > 0", {"idle": [4]}, True),
    ("idle.PURGE.pages > 0", {"small": [4]}, False),
    ("idle.rss_kb < 500", {}, True),
    ("idle.rss_kb < 300", {}, False),
]


@pytest.mark.parametrize("expr, seen, ok", EVIDENCE)
def test_evidence(expr: str, seen: dict[str, list[float]], ok: bool) -> None:
    experiment = demo(("gates:", f'evidence: {{treat: ["{expr}"]}}\ngates:'))
    verdict = judge(experiment, records(experiment, counters(seen)), FACTS)
    assert verdict.status == (Status.GO if ok else Status.VOID)
    assert all(e.ok for e in verdict.evidence) == ok
    assert {g.status for g in verdict.gates} == ({Status.GO} if ok else {Status.VOID})


def test_evidence_says_what_was_seen() -> None:
    experiment = demo(("gates:", 'evidence: {treat: ["PURGE.pages > 2"]}\ngates:'))
    verdict = judge(experiment, records(experiment, counters({"idle": [1, 5]})), FACTS)
    idle, small = verdict.evidence
    assert (idle.workload, idle.seen) == ("idle", "1..5 in 10 runs, holds in 5 of 10")
    assert (small.workload, small.seen) == ("small", "never printed in 10 runs")
    assert verdict.reasons[0] == (
        "evidence missing, arm treat, lane idle: PURGE.pages > 2 (1..5 in 10 runs, "
        "holds in 5 of 10)"
    )
    assert verdict.gates[0].note == "no evidence for treat: PURGE.pages > 2"


def test_evidence_does_not_depend_on_the_order_of_lanes_in_the_file() -> None:
    """A run's own copy of the experiment has its keys sorted, and publishing compares the answers."""
    experiment = demo(("gates:", 'evidence: {treat: ["PURGE.pages > 2"]}\ngates:'))
    turned = experiment.copy(update={"workloads": dict(reversed(experiment.workloads.items()))})
    blocks = records(experiment, GOOD)
    assert judge(turned, blocks, FACTS).evidence == judge(experiment, blocks, FACTS).evidence


def test_a_counter_printed_in_some_runs_only_is_no_evidence() -> None:
    experiment = demo(("gates:", 'evidence: {treat: ["PURGE.pages == 0"]}\ngates:'))
    blocks = records(experiment, counters({"idle": [0]}))
    for run in blocks[4].runs:
        run.metrics.pop("PURGE.pages", None)
    verdict = judge(experiment, blocks, FACTS)
    assert verdict.status == Status.VOID
    assert verdict.evidence[0].seen == "0 in 9 runs, not printed in 1, holds in 9 of 10"
