"""The lanes of the scoreboard, the keys they use, and the real programs' inputs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Dict, List

import pytest

from harness.errors import UserError
from harness.experiment import ExperimentError, Workload, apply_options, load_experiment, parse_experiment, with_lanes
from harness.experiment.options import RunOptions
from harness.judge import judge
from harness.measure.metrics import command_metrics
from harness.model import MEASURED, ArmFacts, BlockRecord, RunRecord, Status
from harness.peers.catalogue import OWN_LIBRARIES
from harness.plan import make_plan
from harness.run.cpus import cpu_sets
from harness.run.environment import SEARCH_PATH
from harness.run.prepare import find_program, without_missing_lanes
from harness.scoreboard.command import EXPERIMENT, real_programs

PROJECT = Path(__file__).resolve().parents[3]

HEAD = """id: t
question: q?
kind: table
arms: {base: scale}
references: [{allocator: glibc}, {allocator: limit}]
"""


def problems(text: str) -> List[str]:
    with pytest.raises(ExperimentError) as caught:
        parse_experiment(text, "e.yaml")
    return [str(p) for p in caught.value.problems]


# Keys of lanes


def test_an_arm_may_be_left_out_of_a_lane_and_its_absence_is_no_hole() -> None:
    text = HEAD + "workloads: {one: {program: p}, many: {program: p, without: [limit]}}\ndesign: {blocks: 1, warmup: 0}\n"
    experiment = parse_experiment(text)
    plan = make_plan(experiment)
    slots = {(s.workload, s.arm) for s in plan.blocks[0].slots}
    assert slots == {("one", "base"), ("one", "glibc"), ("one", "limit"), ("many", "base"), ("many", "glibc")}
    runs = [RunRecord(0, MEASURED, s.position, s.workload, s.arm, "t", metrics={"x": 1.0}) for s in plan.blocks[0].slots]
    facts = [ArmFacts("base", "id", "scale")]
    assert judge(experiment, [BlockRecord(plan.key, 0, MEASURED, 0, runs)], facts).status is Status.COMPLETE
    short = [run for run in runs if (run.workload, run.arm) != ("many", "glibc")]
    assert judge(experiment, [BlockRecord(plan.key, 0, MEASURED, 0, short)], facts).status is Status.VOID


def test_leaving_out_an_unknown_arm_or_all_of_them_is_told() -> None:
    assert "unknown arm 'limt'; did you mean 'limit'?" in problems(HEAD + "workloads: {w: {program: p, without: [limt]}}\n")[0]
    assert "no arm is left" in problems(HEAD + "workloads: {w: {program: p, without: [base, glibc, limit]}}\n")[0]
    gated = HEAD.replace("kind: table", "kind: ab").replace("{base: scale}", "{base: scale, treat: s62}")
    gated += "workloads: {w: {program: p, without: [treat]}}\ngates: [{metric: w.x, go_if: 'ratio > 1'}]\n"
    assert any("a gate on this lane needs arm 'treat'" in text for text in problems(gated))
    assert "at least 1 thread" in problems(HEAD + "workloads: {w: {program: p, threads: 0}}\n")[0]


def test_how_a_figure_is_shown_does_not_change_the_plan_but_threads_do() -> None:
    key = {text: make_plan(parse_experiment(HEAD + f"workloads: {{w: {{program: p{text}}}}}\n")).key
           for text in ("", ", figure: wall_s, group: x", ", threads: 1")}  # fmt: skip
    assert key[""] == key[", figure: wall_s, group: x"] != key[", threads: 1"]


def test_a_lane_of_one_thread_is_pinned_whatever_its_program() -> None:
    assert cpu_sets(None, [0, 1], 1).workload == [0] and cpu_sets("sh6", [0, 1], 1).workload == [0]
    assert cpu_sets("bench_ssot", [0, 1], 4).workload == [0, 1]


# Lanes that are skipped

MISSING = "{command: [no-such-program-hz3], requires: [no-such-program-hz3]}"


def test_a_lane_whose_program_is_missing_is_skipped_and_told() -> None:
    experiment, told = without_missing_lanes(parse_experiment(HEAD + f"workloads: {{gone: {MISSING}, here: {{command: [sh]}}}}\n"), PROJECT)
    assert list(experiment.workloads) == ["here"]
    assert told == ["lane gone is skipped: no-such-program-hz3 is not installed; install it to have the lane"]


def test_a_gated_lane_is_never_skipped() -> None:
    text = HEAD.replace("kind: table", "kind: ab").replace("{base: scale}", "{base: scale, treat: s62}")
    text += f"workloads: {{gone: {MISSING}}}\ngates: [{{metric: gone.wall_s, no_go_if: 'ratio > 1.1'}}]\n"
    experiment, told = without_missing_lanes(parse_experiment(text), PROJECT)
    assert list(experiment.workloads) == ["gone"] and told == []


def test_with_no_lane_left_there_is_nothing_to_run() -> None:
    with pytest.raises(UserError, match="no lane is left to run"):
        without_missing_lanes(parse_experiment(HEAD + f"workloads: {{gone: {MISSING}}}\n"), PROJECT)


# The scoreboard itself

BOARD = with_lanes(load_experiment(PROJECT / EXPERIMENT), real_programs(PROJECT))


def test_every_program_of_the_lab_has_a_lane() -> None:
    programs = {w.program for w in BOARD.workloads.values()}
    sources = {path.stem for path in (PROJECT / "workloads/programs").glob("*.cpp") if "int main(" in path.read_text()}
    of_idle = {w.program for w in load_experiment(PROJECT / "experiments/idle.yaml").workloads.values()}
    assert sources - programs - of_idle == {"bench_burst_idle"}  # whose other form is there
    assert programs - {None} <= sources


def test_every_lane_says_what_ranks_it_and_how_many_threads_it_has() -> None:
    for name, lane in BOARD.workloads.items():
        assert lane.figure, name
        assert lane.threads is not None or name == "redis", name


def test_the_yardstick_runs_in_lanes_of_one_thread_only() -> None:
    lanes = [name for name in BOARD.workloads if "limit" in BOARD.lane_arms(name)]
    assert all(BOARD.workloads[name].threads == 1 for name in lanes)
    assert {"ssot_small", "lua"} <= set(lanes) and "limit" in OWN_LIBRARIES


def test_quick_is_as_short_as_it_says() -> None:
    """By the file's own estimate of a second a run, starting included; five blocks at least."""
    quick = apply_options(BOARD, RunOptions(quick=True))
    plan = make_plan(quick, True)
    assert quick.design.blocks >= 5
    assert sum(len(block.slots) for block in plan.blocks) * 0.75 < 15 * 60


# The inputs of the real programs

RUNS: Dict[str, List[str]] = {"redis": ["2000"], "lua": ["2"], "python": ["1"]}


@pytest.mark.parametrize("name", [name for name, lane in BOARD.workloads.items() if lane.command])
def test_a_real_program_does_its_work_and_gives_its_figures(name: str, tmp_path: Path) -> None:
    lane: Workload = BOARD.workloads[name]
    missing = [p for p in lane.requires if find_program(p, PROJECT) is None]
    if missing:
        pytest.skip(f"{missing[0]} is not installed")
    assert lane.command is not None
    program = find_program(lane.command[0], PROJECT)
    assert program is not None
    argv = [program, *lane.command[1:], *RUNS.get(name, lane.args)]
    env = {"PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", "TMPDIR": str(tmp_path), "HOME": "/tmp", **lane.env}
    done = subprocess.run(argv, cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "rror" not in done.stdout + done.stderr.replace("overcommit", "")
    found, absent = command_metrics(lane.metrics, done.stdout + "\n" + done.stderr)
    assert absent == [] and all(value > 0 for value in found.values())


@pytest.mark.skipif(shutil.which("redis-server", path=SEARCH_PATH) is None, reason="redis-server is not installed")
def test_the_measured_process_becomes_the_server_and_nothing_stays(tmp_path: Path) -> None:
    """The script's own process number is the server's, and the C library's malloc is the one it calls."""
    script = PROJECT / "harness/scoreboard/inputs/redis_server.sh"
    env = {"PATH": SEARCH_PATH, "TMPDIR": str(tmp_path), "LD_DEBUG": "bindings", "LD_DEBUG_OUTPUT": str(tmp_path / "bound")}
    child = subprocess.Popen([str(script), "500"], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0 and f"pid={child.pid}" in out
    bound = (tmp_path / f"bound.{child.pid}").read_text(errors="replace")
    lines = [line for line in bound.splitlines() if "binding file redis-server" in line and "symbol `malloc'" in line]
    assert lines and all("/libc.so.6" in line for line in lines)
