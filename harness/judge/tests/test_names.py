"""Names that nothing answers to are found in the first block, with the name that was meant."""

from __future__ import annotations

import pytest

from harness.experiment import Experiment, parse_experiment
from harness.judge.names import unknown_names
from harness.model import WARMUP, BlockRecord, RunRecord

TEXT = """\
id: demo
question: q?
arms: {base: s61, treat: s62}
workloads:
  idle: {program: idle_program}
  small: {program: small_program, without: [aa]}
evidence: {treat: ["PURGE.pages > 0", "idle.PURGE.bytes >= 1"]}
gates:
  - {metric: idle.rss_idle_kb, go_if: "ratio <= 0.5"}
  - {metric: small.ops_per_s, no_go_if: "ratio < 0.98"}
"""

METRICS = {
    "idle": {"rss_idle_kb": 1.0, "rss_idle_kb@1": 1.0, "wall_s": 1.0},
    "small": {"ops_per_s": 1.0, "wall_s": 1.0},
}
COUNTERS = {"PURGE.pages": 1.0, "PURGE.bytes": 1.0}


def demo(*changes: tuple[str, str]) -> Experiment:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_experiment(text)


def first_block(drop: tuple[str, str, str] = ("", "", ""), counts: bool = True) -> list[BlockRecord]:
    """One warm-up block; `drop` is a lane, an arm and a metric that is not there."""
    runs = []
    for lane, figures in METRICS.items():
        for position, arm in enumerate(("base", "treat")):
            found = {**figures, **(COUNTERS if arm == "treat" and lane == "idle" else {})}
            if (lane, arm) == drop[:2]:
                del found[drop[2]]
            runs.append(RunRecord(0, WARMUP, position, lane, arm, "t", metrics=found, strings={"idle_phase": "held"}, counts=counts))
    return [BlockRecord("k", 0, WARMUP, 0, runs)]


def test_names_that_are_there_are_known() -> None:
    assert unknown_names(demo(), first_block()) == []


@pytest.mark.parametrize(
    "old, new, told",
    [
        ("idle.rss_idle_kb", "idle.rss_idel_kb", "gate idle.rss_idel_kb: no run in arm treat gave rss_idel_kb; did you mean 'rss_idle_kb'?"),
        ("idle.rss_idle_kb", "'idle.rss_idle_kb@7'", "did you mean 'rss_idle_kb@1'?"),
        ("small.ops_per_s", "small.zzz", "use one of ops_per_s, wall_s"),
        ("small.ops_per_s", "small.idle_phase", "idle_phase is a text in arm treat, not a number"),
        ("PURGE.pages >", "PURGE.page >", "evidence 'PURGE.page > 0' of arm treat: no run in lane idle, lane small gave PURGE.page; "
         "did you mean 'PURGE.pages'?"),
        ("idle.PURGE.bytes", "small.PURGE.bytes", "no run in lane small gave PURGE.bytes"),
    ],
)  # fmt: skip
def test_a_slip_of_the_pen_is_told_with_the_name_that_was_meant(old: str, new: str, told: str) -> None:
    found = unknown_names(demo((old, new)), first_block())
    assert any(told in text for text in found), found


def test_a_figure_that_one_arm_does_not_give() -> None:
    (text,) = unknown_names(demo(), first_block(("small", "base", "ops_per_s")))
    assert text.startswith("gate small.ops_per_s: no run in arm base gave ops_per_s")


def test_nothing_is_said_before_something_was_seen() -> None:
    wrong = demo(("small.ops_per_s", "small.ops_per_ss"), ("PURGE.pages >", "PURGES.n >"))
    assert unknown_names(wrong, []) == []
    assert unknown_names(wrong, first_block(counts=False)) == []
    half = first_block()
    half[0].runs = [run for run in half[0].runs if run.workload == "idle"]  # small may print it yet
    assert unknown_names(wrong, half) == []


def test_a_long_list_is_cut() -> None:
    block = first_block()
    for run in block[0].runs:
        run.metrics.update({f"M{i}": 0.0 for i in range(100)})
    (text,) = {t.partition("gave")[2] for t in unknown_names(demo(("small.ops_per_s", "small.q")), block)}
    assert len(text) < 300 and "more" in text
