"""The scoreboard from its command line, in the small lab: run, table, resume by records, statuses."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Iterator

import pytest

from harness.tests.conftest import PROJECT, Lab

BOARD = """id: scoreboard
question: Which is quick?
kind: table
arms: {base: quick}
references: [{allocator: glibc}]
workloads:
  load: {program: fake_load, args: [ok], threads: 2, figure: ops_per_s}
design: {blocks: 2, warmup: 1, seed: 1}
quick: {blocks: 5, warmup: 0}
"""
REAL = """id: real_programs
question: Real?
kind: table
arms: {base: quick}
workloads:
  shell: {command: [sh, -c, 'echo figure 12'], metrics: {things_per_s: 'figure ([0-9]+)'}, requires: [sh], figure: things_per_s}
  absent: {command: [no-such-program-hz3], requires: [no-such-program-hz3], figure: cpu_s}
"""


@pytest.fixture
def board_lab(lab: Lab) -> Iterator[Lab]:
    files = {"scoreboard": BOARD, "real_programs": REAL}
    for name, text in files.items():
        (lab.root / f"experiments/{name}.yaml").write_text(text)
    yield lab
    for name in files:  # the project is shared by all tests of the session
        (lab.root / f"experiments/{name}.yaml").unlink()


def scoreboard(lab: Lab, *args: str, to: Path) -> subprocess.CompletedProcess[str]:
    return lab.harness("scoreboard", *args, "--results", str(lab.results), "--to", str(to))


def test_one_command_runs_every_lane_and_writes_the_table(board_lab: Lab, tmp_path: Path) -> None:
    suite = tmp_path / "suite/out/bench"
    suite.mkdir(parents=True)
    (suite / "larson").write_text("#!/bin/sh\necho 'Throughput =  123456 operations per second, relative time: 1.000s.'\n")
    (suite / "larson").chmod(0o755)
    done = scoreboard(board_lab, "--quick", "--mimalloc-bench", str(tmp_path / "suite"), to=tmp_path / "published")
    assert done.returncode == 0, done.stderr
    assert "lane absent is skipped: no-such-program-hz3 is not installed" in done.stderr
    assert "mimalloc-bench: not built, so without a lane: cfrac" in done.stderr
    text = (tmp_path / "published/scoreboard.md").read_text()
    for lane, group in (("load", "several threads"), ("shell", "real programs"), ("mb_larson", "mimalloc-bench")):
        assert f"## Lanes: {group}" in text and f"| {lane} |" in text
    assert "123.46 k/s" in text and "lane absent is skipped" in text
    assert str(tmp_path) not in text and "tools/scoreboard --root" in text
    (run,) = board_lab.runs("scoreboard")
    again = board_lab.harness("scoreboard", "--from", str(run), "--to", str(tmp_path / "again"))
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again/scoreboard.md").read_text() == text


def test_lanes_may_be_chosen_and_bad_ones_are_bad_input(board_lab: Lab, tmp_path: Path) -> None:
    done = scoreboard(board_lab, "--quick", "--only", "shel", to=tmp_path)
    assert done.returncode == 4 and "did you mean 'shell'?" in done.stderr
    done = scoreboard(board_lab, "--quick", "--mimalloc-bench", str(tmp_path), to=tmp_path)
    assert done.returncode == 4 and "there is no out/bench in it" in done.stderr
    assert not (tmp_path / "scoreboard.md").exists()


def test_the_plan_has_the_lanes_of_a_checkout_too(board_lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "out/bench").mkdir(parents=True)
    program = tmp_path / "out/bench/mleak"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    done = board_lab.harness("plan", "scoreboard", "--mimalloc-bench", str(tmp_path))
    assert done.returncode == 0 and "lanes: load, mb_mleak_10" in done.stdout, done.stderr


@pytest.mark.parametrize("tool", ["tools/scoreboard", "tools/peers"])
def test_the_tools_teach(tool: str, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run([str(PROJECT / tool), "--help"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "usage:" in done.stdout and "130  interrupted" in done.stdout
    done = subprocess.run([str(PROJECT / tool), "--no-such"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "--help explains" in done.stderr
