"""The harness with the real allocator, runner and workloads. Needs a build directory, which tools/test
names in HZ3_BUILD_DIR; without it these tests are left out."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

PROJECT = Path(__file__).resolve().parents[2]
BUILD = os.environ.get("HZ3_BUILD_DIR")

pytestmark = pytest.mark.skipif(BUILD is None, reason="HZ3_BUILD_DIR is not set; tools/test sets it")

IDLE = """\
id: real
question: Does the harness get its figures from the real programs?
arms: {base: s61, treat: s62}
workloads:
  idle: {program: bench_burst_idle_v2, args: [4000, 0.05, 2, 0, 2], sample_ms: 10}
evidence: {treat: ["HZ3_S62_PURGE.pages_purged > 0"]}
gates:
  - {metric: idle.rss_idle_kb, no_go_if: "ratio > 1.5"}
design: {blocks: 6, warmup: 0, seed: 20260109}
"""

LONG = """\
id: long
question: What becomes of a workload whose harness is killed?
kind: table
arms: {base: s61}
workloads:
  sleep: {command: [sleep, "300"]}
design: {blocks: 1, warmup: 0}
"""


def command(folder: Path, text: str) -> List[str]:
    experiment = folder / "experiment.yaml"
    experiment.write_text(text, encoding="utf-8")
    assert BUILD is not None
    return ["/usr/bin/python3", "-m", "harness", "run", str(experiment), "--build", BUILD, "--results", str(folder / "results")]


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(folder, text), cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)


def test_figures_counters_and_proof_come_from_the_real_programs(tmp_path: Path) -> None:
    done = run(tmp_path, IDLE)
    assert done.returncode in (0, 2), done.stdout + done.stderr
    (where,) = (tmp_path / "results" / "real").iterdir()
    block = json.loads((where / "blocks" / "0000.json").read_text())
    runs = {record["arm"]: record for record in block["runs"]}
    assert set(runs) == {"base", "treat", "aa"}
    assert all(record["counts"] for record in runs.values()), runs
    figures = runs["treat"]["metrics"]
    assert figures["HZ3_S62_PURGE.pages_purged"] > 0
    assert 0 < figures["firm_idle_kb"] <= figures["rss_idle_kb"] <= figures["peak_rss_kb"]
    assert figures["ops_per_s"] > 0 and figures["wall_s"] >= 0.1
    assert "HZ3_S62_PURGE.pages_purged" not in runs["base"]["metrics"]
    series = (where / runs["treat"]["csv"]).read_text().splitlines()
    assert series[0].startswith("t_ms,rss_kb,vms_kb,pss_kb,uss_kb") and len(series) > 5
    manifest = json.loads((where / "manifest.json").read_text())
    assert set(manifest["arms"]["treat"]["changes"]) >= {"HZ3_S62_RETIRE", "HZ3_S62_PURGE"}


def test_a_static_program_cannot_pass_for_one_under_the_arm(tmp_path: Path) -> None:
    source = tmp_path / "still.c"
    source.write_text("int main(void) { return 0; }\n")
    program = tmp_path / "still"
    subprocess.run(["cc", "-static", "-o", str(program), str(source)], check=True)
    done = run(tmp_path, LONG.replace('[sleep, "300"]', f"[{program}]"))
    assert done.returncode == 3, done.stderr
    assert "was not mapped in the process" in done.stderr and "Traceback" not in done.stderr


def test_counts_decide_in_two_blocks(tmp_path: Path) -> None:
    """The example of the deterministic lane, in its quick form, with smaller arguments."""
    text = (PROJECT / "experiments" / "deterministic.yaml").read_text(encoding="utf-8")
    before, quick, _ = text.partition("quick:")
    small = " {blocks: 2, args: {instructions: [400000, 400, 16, 2048], calls: [200000, 4000, 16, 2048]}}\n"
    done = subprocess.run(
        [*command(tmp_path, before.replace("exact_within: 0.002", "exact_within: 0.02").replace("1.01", "1.05") + quick + small), "--quick"],
        cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode in (0, 2), done.stdout + done.stderr  # faults may differ on a machine short of page cache
    assert "instructions.instructions_per_op: GO" in done.stdout and "calls.mmaps: GO" in done.stdout, done.stdout
    (where,) = (tmp_path / "results" / "deterministic").iterdir()
    runs = json.loads((where / "blocks" / "0000.json").read_text())["runs"]
    counted = next(run["metrics"] for run in runs if run["workload"] == "instructions")
    assert counted["instructions"] > 400000 * 20 and "wall_s" not in counted
    assert "valgrind" in json.loads((where / "manifest.json").read_text())["inputs_sha256"]


def test_an_instrument_that_the_machine_lacks_is_told_before_anything_runs(tmp_path: Path) -> None:
    given = subprocess.run([f"{BUILD}/harness/runner/hz3-runner", "--counters"], capture_output=True, text=True).stdout
    text = LONG.replace('{command: [sleep, "300"]}', '{command: ["true"], under: counters}')
    done = run(tmp_path, text)
    if "instructions yes" in given:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 4 and not (tmp_path / "results").exists(), done.stderr
    assert "lane sleep asks for `under: counters`, which this machine does not give (instructions: " in done.stderr
    assert "count instructions with `under: cachegrind`" in done.stderr


def processes_of(folder: Path) -> List[int]:
    """Those whose environment names the test's own folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if str(folder / "results").encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue  # it has ended, or is another user's
    return found


def wait_until(condition: object, what: str) -> None:
    for _ in range(600):
        if condition():  # type: ignore[operator]
            return
        time.sleep(0.1)
    raise AssertionError(f"not within a minute: {what}")


@pytest.mark.parametrize("sign, times, status", [(signal.SIGKILL, 1, -9), (signal.SIGINT, 1, 130), (signal.SIGINT, 3, 130)])
def test_no_workload_outlives_its_harness(tmp_path: Path, sign: signal.Signals, times: int, status: int) -> None:
    run_id = command(tmp_path, LONG)
    child = subprocess.Popen(run_id, cwd=PROJECT, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: processes_of(tmp_path), "the workload runs")
        for _ in range(times):
            child.send_signal(sign)
            time.sleep(0.02)
        _, told = child.communicate(timeout=30)
        assert child.returncode == status, told
        wait_until(lambda: not processes_of(tmp_path), "the workload has ended")
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
