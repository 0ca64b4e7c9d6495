"""Gates that are rarely meant are told of, figures that nobody can give are refused, each with its line."""

from __future__ import annotations

from pathlib import Path
from typing import List

import pytest

from harness.experiment import Experiment, ExperimentError, RunOptions, apply_options, load_experiment
from harness.run.doubts import gate_doubts, refuse_unknown_figures

TEXT = """\
id: d
question: q?
arms: {base: s61, treat: s62}
workloads:
  one: {program: bench_ssot, args: [1, 2, 16, 32]}
  many: {program: sh6, args: [4, 1000]}
  sh6: {program: sh6, args: [1, 1000]}
  lua: {command: [lua], metrics: {ops_per_cpu_s: "(.)"}}
  said: {command: [lua], threads: 4, metrics: {ops_per_cpu_s: "(.)"}}
EVIDENCE
gates:
  - {metric: one.ops_per_s, no_go_if: "ratio < 0.98"}
  - GATE
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "d.yaml"


def written(file: Path, gate: str, evidence: str = "") -> Experiment:
    file.write_text(TEXT.replace("GATE", gate).replace("EVIDENCE", evidence))
    return load_experiment(file)


def doubts(file: Path, gate: str) -> List[str]:
    return gate_doubts(written(file, gate), file, "d.yaml")


@pytest.mark.parametrize(
    "gate, words",
    [
        ('{metric: one.ops_per_s, no_go_if: "ratio > 1.02"}', "`no_go_if ratio > 1.02` on one.ops_per_s forbids a gain, of which more is better"),
        ('{metric: one.ops_per_s, go_if: "ratio <= 0.5"}', "demands a loss, of which more is better"),
        ('{metric: one.peak_rss_kb, no_go_if: "ratio < 0.9"}', "forbids a gain, of which less is better"),
        ('{metric: one.wall_s, go_if: "ratio >= 1.1"}', "demands a loss, of which less is better"),
        ("{metric: many.ops_per_cpu_s, same_within: 0.02}", "lane many may have several threads"),
        ("{metric: said.ops_per_cpu_s, same_within: 0.02}", "lane said may have several threads"),
    ],
)
def test_what_is_doubted(file: Path, gate: str, words: str) -> None:
    (told,) = doubts(file, gate)
    assert told.startswith("d.yaml:13:5: ") and words in told


@pytest.mark.parametrize(
    "gate",
    [
        '{metric: one.ops_per_s, go_if: "ratio >= 1.02"}',
        '{metric: one.ops_per_s, go_if: "ratio >= 0.98"}',
        '{metric: one.peak_rss_kb, go_if: "ratio <= 1.05"}',
        '{metric: one.peak_rss_kb, go_if: "ratio <= 0.5"}',
        '{metric: one.peak_rss_kb, no_go_if: "treat > 1024"}',
        '{metric: one.ops, no_go_if: "ratio > 1.5"}',
        "{metric: one.ops_per_cpu_s, same_within: 0.02}",
        "{metric: sh6.ops_per_cpu_s, same_within: 0.02}",
        "{metric: lua.ops_per_cpu_s, same_within: 0.02}",
    ],
)
def test_what_is_not(file: Path, gate: str) -> None:
    assert doubts(file, gate) == []


def test_a_figure_that_cannot_come_is_refused_at_its_line(file: Path) -> None:
    experiment = written(file, "{metric: many.ops_per_cpus, same_within: 0.02}", 'evidence: {treat: ["A.b > 0", "one.opps > 0"]}')
    with pytest.raises(ExperimentError) as caught:
        refuse_unknown_figures(experiment, file, "d.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "d.yaml:10:31: bench_ssot gives no figure 'opps'; did you mean 'ops'?",
        "d.yaml:13:14: sh6 gives no figure 'ops_per_cpus'; did you mean 'ops_per_cpu_s'?",
    ]
    only = apply_options(experiment, RunOptions(only=("sh6", "one")))
    with pytest.raises(ExperimentError, match="^d.yaml:10:31: [^\n]*$"):  # what is not run is not asked about
        refuse_unknown_figures(only, file, "d.yaml")


def test_the_projects_own_experiments_are_sound() -> None:
    for path in sorted((Path(__file__).resolve().parents[3] / "experiments").glob("*.yaml")):
        experiment = load_experiment(path)
        refuse_unknown_figures(experiment, path, path.name)
        assert gate_doubts(experiment, path, path.name) == []
