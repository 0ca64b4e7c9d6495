"""`harness truth --real` through the command line, on the fake lab: made, cut off, gone on with, scored."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Dict, List

from harness.tests.conftest import Lab

CASES = """\
truth:
  effect: load.ops_per_s
  cases:
    equal: {what: base twice, lanes: [load], answer: GO, rounds: 2}
    twice: {what: twice as fast, arm: treat, lanes: [load], answer: NO-GO, rounds: 2}
"""


def known(lab: Lab, **changes: str) -> str:
    gates = 'gates:\n  - {metric: load.ops_per_s, same_within: 0.1}'
    return lab.experiment("known", **{"gates": gates, "evidence": "", "design": "design: {blocks: 6, warmup: 0, seed: 3}", "truth": CASES, **changes})


def truth(lab: Lab, file: str, *more: str) -> Any:
    return lab.harness("truth", "--real", file, "--to", str(lab.results / "answers"), "--results", str(lab.results), *more)


def lines(lab: Lab) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in (lab.results / "answers" / "rounds.jsonl").read_text().splitlines()]


def test_rounds_are_made_scored_and_gone_on_with(lab: Lab) -> None:
    file = known(lab)
    first = truth(lab, file, "--runs", "1")
    assert first.returncode == 0, first.stderr
    assert [(one["case"], one["status"]) for one in lines(lab)] == [("equal", "INCONCLUSIVE"), ("twice", "NO-GO")]
    effect = json.loads((lab.results / "answers" / "effect.json").read_text())
    assert effect["ratios"]["base"] == 1.0 and effect["ratios"]["treat"] > 1.5
    kept = (lab.results / "answers" / "rounds.jsonl").read_bytes()

    second = truth(lab, file)
    assert second.returncode == 0, second.stderr
    assert (lab.results / "answers" / "rounds.jsonl").read_bytes().startswith(kept) and len(lines(lab)) == 4
    with open(lab.results / "answers" / "rounds.csv", newline="", encoding="utf-8") as stream:
        assert [row["case"] for row in csv.DictReader(stream)] == ["equal", "equal", "twice", "twice"]
    text = (lab.results / "answers" / "real.md").read_text()
    assert "| equal | base twice | no difference | 2 | 0 | 0 | 2 | 0 | 2 of 2" in text and "| twice | twice as fast | NO-GO | 2 | 0 | 2 |" in text

    third = truth(lab, file)
    assert third.returncode == 0 and len(lines(lab)) == 4, "nothing is measured again"


def test_when_the_time_is_up_it_says_what_is_missing(lab: Lab) -> None:
    done = truth(lab, known(lab), "--minutes", "0.0001")
    assert done.returncode == 2 and "3 of 4 rounds are missing; the same command goes on" in done.stderr
    assert len(lines(lab)) == 1 and (lab.results / "answers" / "real.md").exists()


def test_a_round_that_was_cut_off_goes_on(lab: Lab, tmp_path: Path) -> None:
    hit = tmp_path / "hit"
    hit.write_text("20 SIGINT\n")
    load = f"workloads:\n  load: {{program: fake_load, args: [ok], env: {{FAKE_HIT: {hit}}}}}"
    file = known(lab, workloads=load)
    cut = truth(lab, file)
    assert cut.returncode == 130 and "the same command continues" in cut.stderr, cut.stderr
    made = len(list(lab.results.glob("known-*/*/blocks/*.json")))
    assert truth(lab, file).returncode == 0
    assert len(lines(lab)) == 4 and made > 0
    again = list(lab.results.glob("known-*/*/plan.json"))
    assert len(again) == 5, "one directory a round, and one for the size of the defects"


def test_a_crash_that_is_met_is_found(lab: Lab, tmp_path: Path) -> None:
    count = tmp_path / "count"
    count.write_text("0\n")
    load = f"workloads:\n  load: {{program: fake_load, args: [crash, a01, {count}]}}"
    cases = "truth:\n  cases:\n    crashes: {what: one in three crashes, arm: treat, lanes: [load], answer: NO-GO, rounds: 2, rare: true}"
    done = truth(lab, known(lab, workloads=load, truth=cases))
    assert done.returncode == 0, done.stderr
    assert [one["status"] for one in lines(lab)] == ["NO-GO", "NO-GO"] and all(one["failed"] > 0 for one in lines(lab))


def test_a_file_without_cases_is_refused(lab: Lab) -> None:
    done = truth(lab, known(lab, truth=""))
    assert done.returncode == 4 and "has no section `truth`" in done.stderr
