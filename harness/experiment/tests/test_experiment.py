"""What a good file becomes: defaults, short forms, options, looks, and the editor's schema."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.experiment import (
    SCHEMA_FILE,
    Design,
    Experiment,
    RunOptions,
    is_extendable,
    apply_options,
    editor_schema,
    editor_schema_text,
    lane_look_counts,
    least_pairs,
    look_alphas,
    look_counts,
    parse_evidence,
    parse_experiment,
    parse_predicate,
)

steady = settings(deadline=None, derandomize=True, max_examples=60)  # no clock, no luck

ROOT = Path(__file__).resolve().parents[3]

TEXT = """\
id: s62
question: Does it halve idle RSS?
arms: {base: s61, treat: {parent: s61, flags: {HZ3_S62_RETIRE: 1}, options: {lto: true}}, old: s60}
references: [{allocator: mimalloc, preset: purge-now}, {allocator: mimalloc}]
workloads:
  idle: {program: bench_burst_idle_v2, args: [200000, 1e6, 0x10, 010, on, 1.50], blocks: 10}
  lua: {command: "lua -e 'print(1)'", env: {N: 007}, metrics: {s: "took ([0-9.]+)"}}
evidence: {treat: ["HZ3_S62_PURGE.pages_purged > 0", "lua.s > 0"]}
gates:
  - {metric: idle.rss_idle_kb, go_if: "ratio <= 0.5"}
  - {metric: lua.s, no_go_if: "ratio > 1.02"}
  - {metric: lua.s, same_within: 0.05, arm: old}
design: {blocks: 10, max_blocks: 40, seed: 20260109}
quick: {blocks: 6, args: {idle: [1, 2]}}
"""


@pytest.fixture
def experiment() -> Experiment:
    return parse_experiment(TEXT)


def test_arguments_and_environment_are_the_text_that_was_typed(experiment: Experiment) -> None:
    assert experiment.workloads["idle"].args == ["200000", "1e6", "0x10", "010", "on", "1.50"]
    assert experiment.workloads["lua"].env == {"N": "007"}


def test_short_forms_are_written_out(experiment: Experiment) -> None:
    assert experiment.arms["base"].variant == "s61"
    assert experiment.arms["treat"].parent == "s61"
    assert experiment.arms["treat"].options == {"lto": True}
    assert experiment.workloads["lua"].command == ["lua", "-e", "print(1)"]


def test_arms_stand_in_one_order_with_the_copy_of_base_before_references(
    experiment: Experiment,
) -> None:
    assert experiment.arm_ids == ["base", "treat", "old", "aa", "mimalloc:purge-now", "mimalloc"]
    off = parse_experiment(TEXT.replace("blocks: 10, max", "aa: false, blocks: 10, max"))
    assert "aa" not in off.arm_ids


def test_gates_know_their_rule(experiment: Experiment) -> None:
    target, guard, same = experiment.gates
    assert (target.lane, target.key, target.rule) == ("idle", "rss_idle_kb", "go_if ratio <= 0.5")
    assert guard.rule == "no_go_if ratio > 1.02" and not guard.is_target
    assert same.rule == "same_within 0.05" and same.predicate is None
    assert (same.arm, same.against) == ("old", "base")


def test_quick_has_one_look_and_small_arguments(experiment: Experiment) -> None:
    quick = apply_options(experiment, RunOptions(quick=True))
    assert look_counts(quick.design) == [6]
    assert quick.workloads["idle"].args == ["1", "2"]
    assert quick.workloads["lua"] == experiment.workloads["lua"]
    assert experiment.workloads["idle"].args[0] == "200000"  # the original is untouched


def test_quick_without_a_section_still_shortens() -> None:
    plain = parse_experiment("\n".join(TEXT.splitlines()[:-1]))
    assert look_counts(apply_options(plain, RunOptions(quick=True)).design) == [6]


def test_a_quick_run_that_cannot_decide_is_refused_without_a_section_too() -> None:
    sure = parse_experiment("\n".join(TEXT.splitlines()[:-1]).replace("seed:", "confidence: 0.99, seed:"))
    with pytest.raises(ValueError, match=r"--quick makes 6 blocks, which cannot decide at confidence 0.99; give --blocks 8, or write quick: {blocks: 8}"):
        apply_options(sure, RunOptions(quick=True))
    assert look_counts(apply_options(sure, RunOptions(quick=True, blocks=8)).design) == [8]
    apply_options(sure.copy(update={"gates": []}), RunOptions(quick=True))  # nothing to decide


def test_blocks_option_wins_and_must_be_able_to_decide(experiment: Experiment) -> None:
    chosen = apply_options(experiment, RunOptions(quick=True, blocks=12))
    assert look_counts(chosen.design) == [12]
    with pytest.raises(ValueError, match="--blocks 3 cannot decide .*; use at least 5"):
        apply_options(experiment, RunOptions(blocks=3))


def test_only_keeps_the_gates_and_evidence_of_the_lanes_left(experiment: Experiment) -> None:
    idle = apply_options(experiment, RunOptions(only=("idle",)))
    assert list(idle.workloads) == ["idle"]
    assert [g.metric for g in idle.gates] == ["idle.rss_idle_kb"]
    assert idle.evidence == {"treat": ["HZ3_S62_PURGE.pages_purged > 0"]}
    with pytest.raises(ValueError, match="--only: unknown lane 'idel'; did you mean 'idle'?"):
        apply_options(experiment, RunOptions(only=("idel",)))


def test_only_refuses_to_leave_nothing_to_decide(experiment: Experiment) -> None:
    extra = parse_experiment(TEXT.replace("evidence:", "  spare: {program: p}\nevidence:"))
    with pytest.raises(ValueError, match="leaves no gate to decide; add one of idle, lua"):
        apply_options(extra, RunOptions(only=("spare",)))


def test_aa_option_compares_base_with_itself(experiment: Experiment) -> None:
    aa = apply_options(experiment, RunOptions(aa=True))
    assert aa.kind == "aa" and aa.arm_ids == ["base", "treat"]
    assert aa.arms["treat"] == aa.arms["base"]
    assert [g.arm for g in aa.gates] == ["treat", "treat"] and aa.evidence == {}


def test_kind_aa_makes_treat_by_itself() -> None:
    text = TEXT.replace("id: s62", "id: s62\nkind: aa").replace("treat: {parent", "was: {parent")
    aa = parse_experiment(text.replace("evidence: {treat", "evidence: {was"))
    assert aa.arms["treat"] == aa.arms["base"] and not aa.has_aa


def test_options_survive_the_manifest() -> None:
    options = RunOptions(quick=True, blocks=8, only=("idle", "lua"))
    assert RunOptions.from_json(options.to_json()) == options


def test_looks_share_the_error_and_keep_a_fifth_back(experiment: Experiment) -> None:
    design = experiment.design
    assert look_counts(design) == [10, 20, 30, 40]
    alphas = look_alphas(design, look_counts(design))
    assert alphas == [alphas[0]] * 4
    assert 0.05 / 4 < alphas[0] < 0.05 / 2  # looks at the same data cost less than separate ones
    assert lane_look_counts(experiment, "lua") == [10, 20, 30, 40]
    assert lane_look_counts(experiment, "idle") == [10]  # its cap: the data never grows again
    assert look_alphas(design, [10]) == [pytest.approx(0.05)]
    assert look_counts(Design()) == [10] and not is_extendable(Design())


def test_the_level_of_the_looks_is_pococks() -> None:
    """Two-sided 5 % and four looks: 2.361 standard errors (Pocock 1977, table 1). A fifth is kept
    back here, so the design asks for 1/0.8 as much."""
    design = Design(blocks=10, max_blocks=40, confidence=1 - 0.05 / 0.8)
    (level,) = set(look_alphas(design, look_counts(design)))
    assert NormalDist().inv_cdf(1 - level) == pytest.approx(2.361, abs=0.002)


def test_extensions_double_the_blocks_and_spend_what_was_kept_back(experiment: Experiment) -> None:
    design = experiment.design
    assert is_extendable(design)
    before = look_alphas(design, look_counts(design))
    once = design.copy(update={"extensions": 1})
    twice = design.copy(update={"extensions": 2})
    assert look_counts(twice) == [10, 20, 30, 40, 80, 160]
    assert look_alphas(once, look_counts(once))[:4] == before
    assert look_alphas(twice, look_counts(twice))[:5] == look_alphas(once, look_counts(once))
    levels = look_alphas(twice, look_counts(twice))
    assert levels[3] > levels[4] > levels[5] > 0


@pytest.mark.parametrize("cap", [20, 40])
def test_an_extension_changes_no_level_of_a_lane_whose_cap_it_does_not_reach(experiment: Experiment, cap: int) -> None:
    """Its data do not grow, so a GO of it must not be judged anew at another level."""
    lane = experiment.workloads["lua"].copy(update={"blocks": cap})
    before = experiment.copy(update={"workloads": {**experiment.workloads, "lua": lane}})
    after = before.copy(update={"design": before.design.copy(update={"extensions": 1})})
    counts = lane_look_counts(after, "lua")
    assert counts == lane_look_counts(before, "lua")
    assert look_alphas(after.design, counts) == look_alphas(before.design, counts)


@steady
@given(st.floats(min_value=1e-6, max_value=0.5))
def test_least_pairs_is_the_smallest_that_can_reach_alpha(alpha: float) -> None:
    n = least_pairs(alpha)
    assert 2.0**-n <= alpha * (1 + 1e-6)
    assert n == 1 or 2.0 ** -(n - 1) > alpha


def test_predicates_and_evidence_are_read_with_or_without_spaces() -> None:
    assert str(parse_predicate("ratio<=0.5")) == "ratio <= 0.5"
    assert parse_predicate("treat < 1e4").bound == 10000
    assert parse_evidence("A.b==0").holds(0.0)
    assert parse_evidence("A.b != 0").claims_firing and not parse_evidence("A.b <= 3").claims_firing


def test_the_committed_editor_schema_is_up_to_date() -> None:
    committed = (ROOT / SCHEMA_FILE).read_text(encoding="utf-8")
    assert committed == editor_schema_text(), f"write editor_schema_text() to {SCHEMA_FILE}"


def test_every_key_of_the_format_is_described_for_editors() -> None:
    schema = editor_schema()
    models = [schema, *schema["definitions"].values()]
    fields = []
    for model in models:
        form = model if "properties" in model else model["anyOf"][1]
        fields += [(form, name, field) for name, field in form["properties"].items()]
    assert len(fields) > 30
    for _, name, field in fields:
        assert "description" in field, name


def test_the_editor_schema_accepts_short_forms() -> None:
    definitions = editor_schema()["definitions"]
    assert definitions["Arm"]["anyOf"][0]["type"] == "string"
    assert definitions["Workload"]["properties"]["command"]["anyOf"][0]["type"] == "string"
    assert "number" in definitions["Workload"]["properties"]["args"]["items"]["type"]
