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
