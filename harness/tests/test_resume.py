"""A run that is stopped at any moment goes on later and ends as if it had not been stopped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Dict

import pytest

from harness.tests.conftest import Lab

ARMS = 3


def lane(trigger: Path) -> str:
    return f"workloads: {{load: {{program: fake_load, sample_ms: 10, env: {{FAKE_HIT: {trigger}}}}}}}"


def stop_at_run(trigger: Path, number: int, sign: str) -> None:
    """The signal comes in the middle of run `number`, counted from 0."""
    trigger.write_text(f"{number}\n{sign}\n", encoding="ascii")


def blocks(where: Path) -> Dict[str, Any]:
    """Every block record, without the times at which its runs began."""
    found = {path.name: json.loads(path.read_text()) for path in sorted(where.glob("blocks/*.json"))}
    for record in found.values():
        for run in record["runs"]:
            run.pop("started_utc")
    return found


def report_shape(where: Path) -> str:
    """The report less what the clock and the place decide (times, run names, load) and less what it
    tells of the interruption."""
    text = (where / "report.md").read_text(encoding="utf-8")
    text = re.sub(r"## Failed attempts\n.*?(?=## )", "", text, flags=re.DOTALL)
    text = re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "TIME", text)
    rows = [row for row in text.splitlines() if not re.match(r"\| (load|warnings|command) |.*\*\*Mind:", row)]
    return re.sub(r"--results \S+", "--results DIR", "\n".join(rows))


@pytest.mark.parametrize("sign, status", [("SIGKILL", -9), ("SIGINT", 130), ("SIGTERM", 130)])
def test_stopped_half_way_then_run_again(lab: Lab, tmp_path: Path, sign: str, status: int) -> None:
    trigger = tmp_path / "trigger"
    experiment = lab.experiment("again", workloads=lane(trigger))
    whole = Lab(lab.root, tmp_path / "other")
    assert whole.run(experiment).returncode == 0

    stop_at_run(trigger, 4 * ARMS + 1, sign)  # in the second run of the fifth block
    stopped = lab.run(experiment)
    assert stopped.returncode == status, stopped.stderr
    (where,) = lab.runs("again")
    assert len(blocks(where)) == 4
    assert not (where / "verdict.json").exists()
    if status == 130:
        assert "interrupted; 4 complete blocks are kept in" in stopped.stderr
        assert "the same command continues" in stopped.stderr
        assert "Traceback" not in stopped.stderr

    kept = {path.name: path.stat().st_mtime_ns for path in where.glob("blocks/*.json")}
    (where / "blocks" / ".0004.json.tmp").write_text('{"half": ')  # killed while a record was written
    again = lab.run(experiment)
    assert again.returncode == 0, again.stderr
    assert f"continuing {where}" in again.stderr
    assert lab.runs("again") == [where]
    assert {name: (where / "blocks" / name).stat().st_mtime_ns for name in kept} == kept
    (reference,) = whole.runs("again")
    assert blocks(where) == blocks(reference)
    assert (where / "verdict.json").read_bytes() == (reference / "verdict.json").read_bytes()
    assert report_shape(where) == report_shape(reference)
    assert len((where / "runs.csv").read_text().splitlines()) == 1 + 9 * ARMS
    assert not list(where.rglob("*.tmp")) and not (where / "work").exists()


def test_a_finished_run_is_not_continued_but_repeated_beside_it(lab: Lab) -> None:
    experiment = lab.experiment("twice")
    assert lab.run(experiment, "--quick").returncode == 0
    (first,) = lab.runs("twice")
    before = {path: path.read_bytes() for path in first.rglob("*") if path.is_file()}
    assert lab.run(experiment, "--quick").returncode == 0
    assert len(lab.runs("twice")) == 2
    assert {path: path.read_bytes() for path in before} == before


def stopped_run(lab: Lab, tmp_path: Path, name: str, **changes: str) -> str:
    trigger = tmp_path / "trigger"
    stop_at_run(trigger, 2 * ARMS, "SIGINT")
    experiment = lab.experiment(name, workloads=lane(trigger), **changes)
    assert lab.run(experiment).returncode == 130
    return experiment


def test_changed_gates_are_not_judged_on_data_already_seen(lab: Lab, tmp_path: Path) -> None:
    stopped_run(lab, tmp_path, "moved")
    gates = 'gates: [{metric: load.ops_per_s, go_if: "ratio >= 3"}]'
    done = lab.run(lab.experiment("moved", workloads=lane(tmp_path / "trigger"), gates=gates))
    assert done.returncode == 4
    assert "cannot be continued" in done.stderr and "experiment.gates" in done.stderr and "--fresh" in done.stderr
    fresh = lab.run(lab.experiment("moved", workloads=lane(tmp_path / "trigger"), gates=gates), "--fresh")
    assert fresh.returncode == 1, fresh.stderr
    assert len(lab.runs("moved")) == 2


def test_a_changed_library_is_not_mixed_in(lab: Lab, tmp_path: Path) -> None:
    experiment = stopped_run(lab, tmp_path, "rebuilt")
    (where,) = lab.runs("rebuilt")
    manifest = json.loads((where / "manifest.json").read_text())
    manifest["arms"]["treat"]["identity"] = "0" * 64
    manifest["machine"]["kernel"] = "5.0-other"
    (where / "manifest.json").write_text(json.dumps(manifest))
    done = lab.run(experiment)
    assert done.returncode == 4
    assert "arm treat: was 0000" in done.stderr
    assert "machine.kernel: was 5.0-other" in done.stderr


def test_options_make_another_run(lab: Lab, tmp_path: Path) -> None:
    experiment = stopped_run(lab, tmp_path, "options")
    assert lab.run(experiment, "--quick").returncode == 0
    assert len(lab.runs("options")) == 2


def test_looks_extend_the_run_until_it_decides(lab: Lab) -> None:
    design = "design: {blocks: 6, max_blocks: 12, warmup: 0, seed: 1}"
    undecided = 'gates: [{metric: load.ops_per_s, go_if: "ratio >= 1", arm: aa}]'
    done = lab.run(lab.experiment("long", design=design, gates=undecided))
    assert "after 6 blocks the answer is still open; going on" in done.stderr, done.stdout + done.stderr
    assert len(list(lab.runs("long")[0].glob("blocks/*.json"))) == 12
    assert "block 6/6 (measured)" in done.stderr and "block 12/12 (measured)" in done.stderr
    decided = lab.run(lab.experiment("short", design=design))
    assert decided.returncode == 0
    assert len(list(lab.runs("short")[0].glob("blocks/*.json"))) == 6


def test_an_undecided_run_is_extended_at_a_stricter_level(lab: Lab) -> None:
    design = "design: {blocks: 8, max_blocks: 16, warmup: 0, seed: 3}"
    undecided = 'gates: [{metric: load.ops_per_s, go_if: "ratio >= 1", arm: aa}]'
    experiment = lab.experiment("further", design=design, gates=undecided)
    assert lab.run(experiment, "--extend").returncode == 4
    assert lab.run(experiment).returncode == 2
    (where,) = lab.runs("further")
    first = json.loads((where / "verdict.json").read_text())
    done = lab.run(experiment, "--extend")
    assert done.returncode == 2, done.stderr
    assert lab.runs("further") == [where]
    assert len(list(where.glob("blocks/*.json"))) == 32
    then = json.loads((where / "verdict.json").read_text())
    assert (then["look"], then["looks"], then["blocks"]) == (3, 3, 32)
    assert then["gates"][0]["confidence"] > first["gates"][0]["confidence"]
    assert json.loads((where / "verdict-1.json").read_text()) == first
    again = lab.harness("judge", str(where))
    assert again.returncode == 2 and json.loads((where / "verdict.json").read_text()) == then


def test_only_an_undecided_run_of_several_looks_is_extended(lab: Lab) -> None:
    decided = lab.experiment("decided", design="design: {blocks: 8, max_blocks: 16, warmup: 0, seed: 1}")
    assert lab.run(decided).returncode == 0
    refused = lab.run(decided, "--extend")
    assert refused.returncode == 4 and "is GO; only a run that ended INCONCLUSIVE can be extended" in refused.stderr
    one_look = lab.run(lab.experiment("one_look"), "--extend")
    assert one_look.returncode == 4 and "no error left to spend on another" in one_look.stderr


def test_judge_and_report_again_give_the_same_bytes(lab: Lab) -> None:
    assert lab.run(lab.experiment("redo")).returncode == 0
    (where,) = lab.runs("redo")
    names = ("verdict.json", "report.md", "report.html", "runs.csv")
    before = {name: (where / name).read_bytes() for name in names}
    (where / "verdict.json").write_text("{}")
    judged = lab.harness("judge", str(where))
    assert judged.returncode == 0 and "GO: redo" in judged.stdout
    assert lab.harness("report", str(where)).returncode == 0
    assert {name: (where / name).read_bytes() for name in names} == before
    nowhere = lab.harness("judge", str(where.parent))
    assert nowhere.returncode == 4 and "no manifest.json" in nowhere.stderr


def command_lane(lab: Lab, tmp_path: Path, name: str) -> str:
    """A lane that runs a script of the test's own on a data file of its own; stopped in its third block."""
    (tmp_path / "run.sh").write_text("#!/bin/sh\ncat \"$1\"\n")
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "data").write_text("value: 7\n")
    command = f"command: [{tmp_path}/run.sh, {tmp_path}/data], metrics: {{v: 'value: (\\d+)'}}, env: {{FAKE_HIT: {tmp_path}/trigger}}"
    stop_at_run(tmp_path / "trigger", 2 * ARMS, "SIGINT")
    return lab.experiment(
        name, workloads=f"workloads: {{load: {{{command}}}}}", evidence="", gates='gates: [{metric: load.v, same_within: 0.1}]'
    )


def test_a_changed_program_or_file_of_a_command_is_not_mixed_in(lab: Lab, tmp_path: Path) -> None:
    experiment = command_lane(lab, tmp_path, "command")
    assert lab.run(experiment).returncode == 130
    (tmp_path / "data").write_text("value: 8\n")
    (tmp_path / "run.sh").write_text("#!/bin/sh\necho value: 7\n")
    done = lab.run(experiment)
    assert done.returncode == 4, done.stdout
    assert "cannot be continued" in done.stderr
    assert f"file {tmp_path}/data: was " in done.stderr and f"file {tmp_path}/run.sh: was " in done.stderr
    planned = lab.harness("plan", experiment, "--results", str(lab.results))
    assert planned.returncode == 0
    assert "a run is refused, unless with --fresh" in planned.stdout and f"file {tmp_path}/data: was " in planned.stdout

    (tmp_path / "data").write_text("value: 7\n")
    (tmp_path / "run.sh").write_text("#!/bin/sh\ncat \"$1\"\n")
    planned = lab.harness("plan", experiment, "--results", str(lab.results))
    assert "2 blocks; a run continues there" in planned.stdout
    done = lab.run(experiment)
    assert f"continuing {lab.runs('command')[0]}" in done.stderr
    assert len(blocks(lab.runs("command")[0])) == 9


def test_a_changed_c_library_is_not_mixed_in(lab: Lab, tmp_path: Path) -> None:
    experiment = stopped_run(lab, tmp_path, "libc")
    (where,) = lab.runs("libc")
    manifest = json.loads((where / "manifest.json").read_text())
    assert manifest["c_library"]["path"].endswith("libc.so.6")
    manifest["c_library"]["sha256"] = "0" * 64
    (where / "manifest.json").write_text(json.dumps(manifest))
    done = lab.run(experiment)
    assert done.returncode == 4 and "C library: was 0000" in done.stderr


def test_plan_does_not_promise_what_a_run_refuses(lab: Lab, tmp_path: Path) -> None:
    stopped_run(lab, tmp_path, "promise")
    gates = 'gates: [{metric: load.ops_per_s, go_if: "ratio >= 3"}]'
    moved = lab.experiment("promise", workloads=lane(tmp_path / "trigger"), gates=gates)
    planned = lab.harness("plan", moved, "--results", str(lab.results))
    assert planned.returncode == 0
    assert "a run is refused, unless with --fresh" in planned.stdout and "experiment.gates: was" in planned.stdout
    assert lab.run(moved).returncode == 4
