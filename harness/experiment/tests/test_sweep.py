"""`sweep:` makes an arm of each value, and what is wrong with it is told at its line."""

from __future__ import annotations

import pytest

from harness.experiment import parse_experiment
from harness.experiment.source import ExperimentError

TEXT = """\
id: batch
question: How large may a refill be?
kind: table
arms: {base: scale}
sweep: {flag: HZ3_REFILL_BATCH, values: [8, 16, 128]}
workloads: {small: {program: bench_ssot, args: [1000]}}
design: {blocks: 6}
"""


def test_every_value_is_an_arm_beside_base() -> None:
    experiment = parse_experiment(TEXT)
    assert set(experiment.arms) >= {"base", "refill_batch_8", "refill_batch_16", "refill_batch_128"}
    arm = experiment.arms["refill_batch_16"]
    assert (arm.parent, arm.flags) == ("scale", {"HZ3_REFILL_BATCH": 16})
    again = type(experiment).parse_obj(experiment.dict())  # as it is read back from a manifest
    assert again.arms == experiment.arms


def test_another_parent() -> None:
    experiment = parse_experiment(TEXT.replace("128]}", "128], parent: fast}"))
    assert experiment.arms["refill_batch_8"].parent == "fast"


@pytest.mark.parametrize(
    "old, new, words",
    [
        ("[8, 16, 128]", "[8]", ":5:41: expected 2 to 16 different values"),
        ("[8, 16, 128]", "[8, 8]", "different values"),
        ("[8, 16, 128]", f"{list(range(17))}", "2 to 16"),
        ("[8, 16, 128]", "[8, x]", "expected a whole number, found 'x'"),
        ("flag: HZ3_REFILL_BATCH, ", "", "key 'flag' is missing"),
        ("values:", "value:", "unknown key 'value'; did you mean 'values'?"),
        ("{base: scale}", "{base: {parent: scale, flags: {HZ3_STATS: 0}}}", "add parent: NAME"),
        ("{base: scale}", "{base: scale, refill_batch_8: scale}", "the sweep makes an arm refill_batch_8 too"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(old: str, new: str, words: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        parse_experiment(TEXT.replace(old, new))
    assert words in str(caught.value)
