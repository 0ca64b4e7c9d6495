"""The adapter against fake programs that print what the sources of the suite print."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Dict

import pytest

from harness.errors import UserError
from harness.experiment import apply_quick, parse_experiment, with_lanes
from harness.measure.metrics import command_metrics
from harness.mimalloc_bench import PROGRAMS, lanes_of_checkout
from harness.plan import make_plan

# What the programs print, as their sources format it.
PRINTS = {
    "larson": "Throughput = %s operations per second, relative time: 0.012s.\nDone sleeping...\n" % "81234567",
    "larson-sized": "Throughput =   912345 operations per second, relative time: 1096.077s.\nDone sleeping...\n",
    "xmalloc-test": "rtime: 0.871, free/sec: 114.811 M\n",
    "rptest": "crt          4 threads random linear size [8,16000] 500 loops 1000 allocs 100 ops: "
    "........3456789 memory ops/CPU second (91MiB peak, 60MiB -> 80MiB bytes sample, 33% overhead)\n",
    "alloc-test": "about to run thread 0...\n    ...done\njoining thread 0...\n    ...done\n"
    "1 threads made 100000000 alloc/dealloc operations in 4567 ms (45 ms per 1 million)\n",
    "glibc-thread": "13572468 iterations\n",
    "mstress": "start with 2 threads with a 50% load-per-thread and 25 iterations\n",
    "cfrac": "17545186520507317056371138836327483792789528 = 89 * 197137 \n",
}
FIGURES = {
    "larson": {"ops_per_s": 81234567.0},
    "larson_sized": {"ops_per_s": 912345.0},
    "xmalloc_test": {"mfrees_per_s": 114.811},
    "rptest": {"ops_per_cpu_s": 3456789.0},
    "alloc_test_1": {"alloc_ms": 4567.0},
    "alloc_test_n": {"alloc_ms": 4567.0},
    "glibc_thread": {"iterations_per_2s": 13572468.0},
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "suite with blank"
    (root / "out/bench").mkdir(parents=True)
    for name in ("bench/espresso/largest.espresso", "bench/barnes/input"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_text("16384 bodies\n")
    for row in PROGRAMS.values():
        program = root / "out/bench" / row.program
        text = PRINTS.get(row.program, "")
        program.write_text(f"#!/bin/sh\necho arguments: $*\necho stands in $PWD\nprintf %s '{text}'\n[ -t 0 ] || cat\n")
        program.chmod(0o755)
    return root


def run(checkout: Path, lane: str, tmp_path: Path) -> str:
    workload = lanes_of_checkout(checkout, 2).workloads[f"mb_{lane}"]
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch)}
    argv = [*(workload.command or []), *workload.args]
    return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("lane", sorted(FIGURES))
def test_the_figure_a_program_prints_is_the_lanes_figure(lane: str, checkout: Path, tmp_path: Path) -> None:
    workload = lanes_of_checkout(checkout, 2).workloads[f"mb_{lane}"]
    found, missing = command_metrics(workload.metrics, run(checkout, lane, tmp_path))
    assert (found, missing) == (FIGURES[lane], [])
    assert workload.figure in found


def test_every_other_program_goes_by_its_time(checkout: Path) -> None:
    for name, workload in lanes_of_checkout(checkout, 2).workloads.items():
        if name[3:] not in FIGURES:
            assert not workload.metrics and workload.figure == ("cpu_s" if workload.threads == 1 or name == "mb_glibc_simple" else "wall_s")


def test_a_program_that_prints_something_else_gives_no_figure(checkout: Path) -> None:
    workload = lanes_of_checkout(checkout, 2).workloads["mb_larson"]
    assert command_metrics(workload.metrics, "Throughput: many\n") == ({}, ["ops_per_s"])


@pytest.mark.parametrize(
    "lane, words",
    [
        ("cache_scratch_n", "4 1000 1 2000000 4"),
        ("cache_scratch_1", "1 1000 1 2000000 4"),
        ("sh8bench", "8"),
        ("larson", "5 8 1000 5000 100 4141 4"),
        ("xmalloc_test", "-w 4 -t 5 -s 64"),
        ("rptest", "4 0 1 2 500 1000 100 8 16000"),
        ("mstress", "4 50 25"),
    ],
)
def test_arguments_are_those_of_the_suite_for_this_many_cpus(lane: str, words: str, checkout: Path) -> None:
    assert " ".join(lanes_of_checkout(checkout, 4).workloads[f"mb_{lane}"].args) == words


def test_alloc_test_has_room_for_sixteen_threads(checkout: Path) -> None:
    assert lanes_of_checkout(checkout, 64).workloads["mb_alloc_test_n"].args == ["16"]


def test_barnes_reads_its_input_and_espresso_is_given_it(checkout: Path, tmp_path: Path) -> None:
    assert "16384 bodies" in run(checkout, "barnes", tmp_path)
    assert str(checkout / "bench/espresso/largest.espresso") in run(checkout, "espresso", tmp_path)


def test_rptest_writes_its_file_where_it_does_no_harm(checkout: Path, tmp_path: Path) -> None:
    assert f"stands in {tmp_path / 'scratch'}" in run(checkout, "rptest", tmp_path)


def test_what_is_not_built_has_no_lane_and_is_named(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (checkout / "out/bench/sh6bench").unlink()
    (checkout / "out/bench/cfrac").chmod(0o644)
    (checkout / "bench/barnes/input").unlink()
    lanes = lanes_of_checkout(checkout, 2).workloads
    assert not {"mb_sh6bench", "mb_cfrac", "mb_barnes"} & set(lanes)
    told = capsys.readouterr().err
    assert "sh6bench" in told and "barnes" in told and "larson" not in told


def test_a_folder_that_is_no_built_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no out/bench in it"):
        lanes_of_checkout(tmp_path, 2)
    (tmp_path / "out/bench").mkdir(parents=True)
    with pytest.raises(UserError, match="none of its programs is built"):
        lanes_of_checkout(tmp_path, 2)


TABLE = """id: t
question: q?
kind: table
references: [{allocator: glibc}, {allocator: limit}]
workloads: {own: {program: bench_ssot, args: [1, 1, 16, 32]}}
quick: {blocks: 5, args: {own: [2, 1, 16, 32]}}
"""


def test_lanes_join_an_experiment_quick_arguments_too_and_yardsticks_stay_out_of_threads(checkout: Path) -> None:
    joined = apply_quick(with_lanes(parse_experiment(TABLE), lanes_of_checkout(checkout, 2)))
    assert joined.workloads["own"].args == ["2", "1", "16", "32"]
    assert joined.workloads["mb_larson"].args[0] == "1"
    assert joined.lane_arms("mb_larson") == ["glibc"]
    assert joined.lane_arms("mb_cfrac") == ["glibc", "limit"]
    slots = {(s.workload, s.arm) for block in make_plan(joined, True).blocks for s in block.slots}
    assert ("mb_cfrac", "limit") in slots and ("mb_larson", "limit") not in slots


def test_a_lane_of_the_same_name_is_refused(checkout: Path) -> None:
    clash: Dict[str, object] = {"mb_cfrac": {"program": "bench_ssot"}}
    text = TABLE.replace("workloads: {own: {program: bench_ssot, args: [1, 1, 16, 32]}}", f"workloads: {json.dumps({'own': {'program': 'p'}, **clash})}")
    with pytest.raises(ValueError, match="mb_cfrac .* rename one"):
        with_lanes(parse_experiment(text), lanes_of_checkout(checkout, 2))
