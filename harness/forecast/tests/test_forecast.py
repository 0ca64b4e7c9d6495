"""What a plan will take and find, held against what the judge then really says."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from harness.experiment import Experiment, parse_experiment
from harness.forecast import Past, forecast, forecast_json, forecast_text, forecast_warnings, look_back
from harness.forecast.past import LanePast
from harness.judge import judge
from harness.judge.tests.synthetic import FACTS, Noise, records
from harness.model import RunRecord, Status, json_text
from harness.plan import make_plan
from harness.run.tables import runs_csv

TEXT = """\
id: demo
question: Is treat no slower?
arms: {base: s61, treat: s62}
workloads:
  small: {program: bench_ssot, args: [1000]}
gates:
  - {metric: small.ops_per_s, no_go_if: "ratio < MARGIN"}
design: {blocks: 10, warmup: 1, seed: 11}
"""


def experiment(margin: float = 0.98, blocks: str = "10") -> Experiment:
    return parse_experiment(TEXT.replace("MARGIN", str(margin)).replace("blocks: 10", f"blocks: {blocks}"))


def past_of(sigma: float, pairs: int = 400, key: str = "ops_per_s") -> Past:
    logs = np.random.default_rng(3).normal(0, sigma, pairs)
    return Past(1, {"small": LanePast([2.0, 3.0], {key: [float(x) for x in logs]})})


def test_time_is_runs_times_their_mean() -> None:
    several = experiment(blocks="10, max_blocks: 20")
    found = forecast(several, make_plan(several), past_of(0.01))
    assert found.seconds == [11 * 3 * 2.5, 21 * 3 * 2.5] and list(found.looks) == [10, 20] and not found.unknown
    assert "time: about 1 min 23 s to 10 blocks, 2 min 38 s to all 20" in forecast_text(found)


def test_without_a_past_nothing_is_made_up() -> None:
    asked = experiment()
    none = forecast(asked, make_plan(asked), Past(0, {"small": LanePast()}))
    assert none.seconds is None and none.unknown == ["small"] and none.gates[0].noise is None
    assert forecast_text(none) == "forecast: none, for no earlier run of these lanes is known; after the first there will be one"
    few = forecast(asked, make_plan(asked), past_of(0.01, pairs=5))
    assert few.gates[0].noise is None and "too little is known (5 pairs" in forecast_text(few)
    other = forecast(asked, make_plan(asked), past_of(0.01, key="wall_s"))
    assert other.gates[0].noise is None and other.gates[0].pairs == 0


@pytest.mark.parametrize("sigma, margin", [(0.01, 0.98), (0.02, 0.98), (0.03, 0.98), (0.02, 0.95)])
def test_the_chance_of_an_answer_is_the_one_the_judge_then_has(sigma: float, margin: float) -> None:
    """Noise per run is the pair's over root two; 300 made-up experiments on equal arms."""
    asked = experiment(margin)
    (gate,) = forecast(asked, make_plan(asked), past_of(sigma, pairs=4000)).gates
    assert gate.noise == pytest.approx(sigma, rel=0.08)
    said = []
    for seed in range(300):
        noise = Noise(seed, sigma / math.sqrt(2))
        made = records(asked, lambda lane, arm, block: {"ops_per_s": 1000 * noise.factor(), "wall_s": 1.0})
        said.append(judge(asked, made, FACTS).gates[0])
    share = sum(verdict.status is Status.GO for verdict in said) / len(said)
    assert gate.answers == pytest.approx(share, abs=0.1)
    floors = [verdict.noise_floor for verdict in said if verdict.noise_floor]
    assert gate.floor == pytest.approx(float(np.median(floors)), rel=0.25)
    effects = [verdict.mde for verdict in said if verdict.mde]
    assert gate.mde == pytest.approx(float(np.median(effects)), rel=0.25)


def test_a_margin_below_the_noise_floor_is_warned_of_with_the_blocks_it_takes() -> None:
    asked = experiment(0.995)
    found = forecast(asked, make_plan(asked), past_of(0.02))
    (text,) = forecast_warnings(found)
    assert text.startswith("gate small.ops_per_s: its margin of 0.5 % lies below the noise floor of 1.")
    assert found.gates[0].blocks is not None and f"raise the blocks to about {found.gates[0].blocks}" in text
    wide = experiment(0.995, str(found.gates[0].blocks))
    assert list(forecast_warnings(forecast(wide, make_plan(wide), past_of(0.02)))) == []
    assert list(forecast_warnings(forecast(experiment(0.9), make_plan(experiment(0.9)), past_of(0.02)))) == []


def test_counts_and_absolute_gates_have_no_noise_to_speak_of() -> None:
    text = TEXT.replace("MARGIN", "0.98").replace("design:", '  - {metric: small.ops, same_within: 0.01, exact_within: 0.001}\n  - {metric: small.rss_run_kb, go_if: "treat <= 9"}\ndesign:')
    asked = parse_experiment(text)
    told = forecast_text(forecast(asked, make_plan(asked), past_of(0.01)))
    assert "small.ops: a count that repeats" in told and "small.rss_run_kb: not a ratio" in told


def test_it_is_json() -> None:
    asked = experiment(0.995)
    data = forecast_json(forecast(asked, make_plan(asked), past_of(0.02)))
    assert json.loads(json_text(data))["gates"][0]["below_floor"] is True


# --- the past


def keep(folder: Path, asked: Experiment, seconds: int, kind: str = "ab") -> None:
    noise = Noise(1, 0.01)
    made = records(asked, lambda lane, arm, block: {"ops_per_s": 1000 * noise.factor(), "wall_s": 1.0})
    for block in made:
        for i, run in enumerate(block.runs):
            run.started_utc = f"2026-01-09T00:{i * seconds // 60:02d}:{i * seconds % 60:02d}Z"
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps({"experiment": {**asked.dict(), "kind": kind}}))
    (folder / "runs.csv").write_text(runs_csv(made))


def test_runs_and_publications_of_the_same_lanes_are_looked_at(tmp_path: Path) -> None:
    results, published = tmp_path / "results", tmp_path / "published"
    keep(results / "demo" / "r1", experiment(), 4)
    keep(published / "demo", experiment(0.9), 6)  # other gates, the same lanes
    keep(results / "other" / "r1", experiment(), 50)
    changed = experiment().copy(update={"workloads": {"small": experiment().workloads["small"].copy(update={"args": ["2000"]})}})
    keep(results / "demo" / "r2", changed, 50)
    (results / "demo" / "r3").mkdir()
    (results / "demo" / "r3" / "manifest.json").write_text("{")
    past = look_back(experiment(), [results, published])
    lane = past.lanes["small"]
    assert past.runs == 2 and set(lane.seconds) == {4.0, 6.0} and lane.seconds_a_run == 5.0
    assert len(lane.logs["ops_per_s"]) == 20, "warm-up blocks say nothing about noise"


def test_in_an_aa_run_treat_is_the_copy(tmp_path: Path) -> None:
    text = TEXT.replace("MARGIN", "0.98").replace("arms: {base: s61, treat: s62}", "kind: aa\narms: {base: s61}")
    keep(tmp_path / "demo" / "r1", parse_experiment(text), 4, kind="aa")
    assert len(look_back(experiment(), [tmp_path]).lanes["small"].logs["ops_per_s"]) == 10


def test_a_run_that_failed_gives_no_ratio() -> None:
    from harness.forecast.past import _add_logs

    lane = LanePast()
    run = RunRecord(0, "measured", 0, "small", "base", "", {"ops_per_s": 0.0, "wall_s": 1.0})
    _add_logs(lane, run, run)
    assert lane.logs == {"wall_s": [0.0]}
