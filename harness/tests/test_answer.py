"""What stands in git as an answer is what its records say."""

from __future__ import annotations

import json
from pathlib import Path

from harness.tests.conftest import Lab


def test_a_verdict_that_its_records_do_not_give_is_not_published(lab: Lab, tmp_path: Path) -> None:
    gates = 'gates: [{metric: load.ops_per_s, go_if: "ratio >= 3"}]'
    assert lab.run(lab.experiment("claimed", gates=gates), "--quick").returncode == 1
    (where,) = lab.runs("claimed")
    honest = (where / "verdict.json").read_text()
    dest = tmp_path / "published"
    forged = json.loads(honest)
    forged.update(status="GO", exit_status=0)
    (where / "verdict.json").write_text(json.dumps(forged))
    done = lab.harness("publish", str(where), "--to", str(dest))
    assert done.returncode == 4 and "Traceback" not in done.stderr
    assert "verdict.json says GO, its records judged again say NO-GO (they differ in: " in done.stderr
    assert not dest.exists()

    (where / "verdict.json").write_text(honest)
    record = next(where.glob("blocks/0003.json"))
    text = record.read_text()
    changed = json.loads(text)
    changed["runs"][0]["metrics"]["ops_per_s"] *= 1.001
    record.write_text(json.dumps(changed))
    done = lab.harness("publish", str(where), "--to", str(dest))
    assert done.returncode == 4 and "verdict.json says NO-GO, its records judged again say NO-GO (they differ in:" in done.stderr
    assert "harness judge" in done.stderr

    record.write_text(text)
    assert lab.harness("publish", str(where), "--to", str(dest)).returncode == 0
    assert (dest / "claimed" / "verdict.json").read_text() == honest


def test_a_run_that_ends_is_a_line_a_gate_in_the_history_once(lab: Lab) -> None:
    gates = 'gates: [{metric: load.ops_per_s, go_if: "ratio >= 3"}, {metric: load.peak_rss_kb, no_go_if: "ratio > 1.5"}]'
    file = lab.experiment("told", gates=gates)
    assert lab.run(file, "--quick").returncode == 1
    (where,) = lab.runs("told")
    lines = (lab.results / "history.csv").read_text().splitlines()
    assert [line.split(",")[2:5] for line in lines[1:]] == [[where.name, "told", "load.ops_per_s"], [where.name, "told", "load.peak_rss_kb"]]
    assert lab.harness("judge", str(where)).returncode == 1  # judging again is no run
    (where / "report.html").unlink()  # as if the report could not be written: the same command ends the same run
    assert lab.run(file, "--quick").returncode == 1
    assert (lab.results / "history.csv").read_text().splitlines() == lines and len(lab.runs("told")) == 1
    shown = lab.harness("history", "told", "--json", "--results", str(lab.results))
    assert shown.returncode == 0, shown.stderr
    assert [series["runs"][0]["status"] for series in json.loads(shown.stdout)] == ["NO-GO", "GO"]
