"""The accidents that spoil comparisons of allocators: each must end in its own clear error, never in
a figure. All go through the command line, as a person or CI would meet them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Dict, List

import pytest

from harness.tests.conftest import Lab


def assert_told(done, status: int, *words: str) -> None:  # type: ignore[no-untyped-def]
    assert done.returncode == status, done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


def test_the_fake_lab_reaches_go(lab: Lab) -> None:
    done = lab.run(lab.experiment("go"))
    assert done.returncode == 0, done.stderr
    assert "GO: go, 8 blocks, 24 runs" in done.stdout
    assert "HZ3_FAKE_SPEED 100 -> 200" in done.stderr
    (where,) = lab.runs("go")
    for name in ("manifest.json", "runs.csv", "stats.jsonl", "verdict.json", "report.md", "report.html"):
        assert (where / name).is_file()
    assert not (where / "work").exists()
    manifest = json.loads((where / "manifest.json").read_text())
    assert manifest["arms"]["treat"]["record"]["flags"]["HZ3_FAKE_SPEED"] == 200
    lengths = {len(entry["library"]) for entry in manifest["arms"].values()}
    assert len(lengths) == 1


def test_unknown_flag_is_told_at_its_place_in_the_experiment(lab: Lab) -> None:
    arms = "arms: {base: plain, treat: {parent: plain, flags: {HZ3_FAKE_SPED: 200}}}"
    done = lab.run(lab.experiment("sped", arms=arms))
    assert_told(done, 4, "sped.yaml:3:52: arm treat: unknown flag HZ3_FAKE_SPED; did you mean HZ3_FAKE_SPEED?")


def test_a_variant_cannot_disable_the_profile(lab: Lab) -> None:
    arms = "arms: {base: plain, treat: {parent: plain, flags: {HZ3_ENABLE: 0}}}"
    assert_told(lab.run(lab.experiment("disabled", arms=arms)), 4, "HZ3_ENABLE=0 would disable the whole profile")


def test_unknown_variant(lab: Lab) -> None:
    done = lab.run(lab.experiment("unknown", arms="arms:\n  base: plain\n  treat: quik"))
    assert_told(done, 4, "unknown.yaml:5:10: arm treat: there is no variant quik; known are plain, quick", "did you mean quick?")
    assert "variants.yaml" not in done.stderr
    arms = "arms:\n  base: plain\n  treat:\n    parent: plian\n    flags: {HZ3_FAKE_SPEED: 3}"
    done = lab.run(lab.experiment("parent", arms=arms))
    assert_told(done, 4, "parent.yaml:6:5: arm treat:", "unknown parent plian")


def test_arms_of_the_same_bytes_are_void_before_anything_runs(lab: Lab) -> None:
    done = lab.run(lab.experiment("hollow", arms="arms: {base: plain, treat: hollow}"))
    assert_told(done, 3, "VOID", "same bytes", "HZ3_FAKE_NOTHING 0 -> 1")
    assert not lab.results.exists()


def test_a_difference_that_was_not_declared(lab: Lab) -> None:
    done = lab.run(lab.experiment("undeclared", difference="difference: [HZ3_FAKE_NOTHING]"))
    assert_told(done, 4, "also changes HZ3_FAKE_SPEED and does not change HZ3_FAKE_NOTHING")


def test_an_inline_arm_that_changes_nothing(lab: Lab) -> None:
    arms = "arms: {base: quick, treat: {parent: quick, flags: {HZ3_FAKE_SPEED: 300, HZ3_FAKE_NOTHING: 0}}}"
    done = lab.run(lab.experiment("idle_flag", arms=arms))
    assert_told(done, 4, "sets HZ3_FAKE_NOTHING to what base has already")


def test_an_inline_arm_runs(lab: Lab) -> None:
    arms = "arms: {base: plain, treat: {parent: plain, flags: {HZ3_FAKE_SPEED: 300}}}"
    done = lab.run(lab.experiment("inline", arms=arms))
    assert done.returncode == 0, done.stderr
    assert "treat: inline.treat" in done.stderr


def test_a_variant_that_does_not_compile(lab: Lab) -> None:
    done = lab.run(lab.experiment("broken", arms="arms: {base: plain, treat: broken}"))
    assert_told(done, 5, "the build failed", "fake_alloc.cpp:6", "static assertion failed")


def test_a_preload_that_was_not_mapped(lab: Lab) -> None:
    done = lab.run(lab.experiment("unmapped", workloads="workloads: {load: {program: fake_load, env: {FAKE_UNMAPPED: 1}}}"))
    assert_told(done, 3, "VOID: lane load, arm", "was not mapped in the process", "measured another allocator")
    (where,) = lab.runs("unmapped")
    assert not list(where.glob("blocks/*"))


def test_an_unknown_reference_names_the_known_ones(lab: Lab) -> None:
    done = lab.run(lab.experiment("nobody", references="references: [{allocator: hoard}]"))
    assert_told(done, 4, "no reference 'hoard'", "glibc, mimalloc, tcmalloc, jemalloc", "--allocator hoard=/path/lib.so")


def test_an_unknown_preset(lab: Lab) -> None:
    done = lab.run(lab.experiment("preset", references="references: [{allocator: tcmalloc, preset: purge-soon}]"))
    assert_told(done, 4, "tcmalloc has no preset 'purge-soon'; known are stock, purge-now")


@pytest.mark.parametrize(
    "given, words",
    [
        ("mine", "write NAME=/path/to/lib.so"),
        ("mine=/nowhere/lib.so", "there is no file /nowhere/lib.so"),
        ("base=/etc/passwd", "names an arm"),
        ("mine=/etc/passwd", "not an ELF file"),
        ("mine=/lib/x86_64-linux-gnu/libm.so.6", "exports no malloc"),
    ],
)
def test_bad_allocator_options(lab: Lab, given: str, words: str) -> None:
    assert_told(lab.run(lab.experiment("given"), "--allocator", given), 4, words)


def test_any_library_can_be_a_reference(lab: Lab) -> None:
    """The fake library knows no version symbol and no preset, so its soname identifies it."""
    assert lab.run(lab.experiment("first")).returncode == 0
    library = lab.root / "build/hz3/libhz3-quick.so"
    done = lab.run(lab.experiment("second"), "--quick", "--allocator", f"mine={library}")
    assert done.returncode == 0, done.stderr
    assert "mine: libhz3-quick.so, stock" in done.stderr
    manifest = json.loads((lab.runs("second")[0] / "manifest.json").read_text())
    assert manifest["references"]["mine"]["sha256"]


def misbehaving(what: str, *args: object, more: str = "") -> str:
    words = ", ".join(str(arg) for arg in (what, *args))
    return f"workloads: {{load: {{program: fake_load, args: [{words}]{more}}}}}"


def attempts_of(where: Path) -> List[Dict[str, Any]]:
    return [json.loads(line) for line in (where / "attempts.jsonl").read_text().splitlines()]


def test_an_arm_that_crashes_in_every_third_run_is_no_go(lab: Lab, tmp_path: Path) -> None:
    done = lab.run(lab.experiment("crash", workloads=misbehaving("crash", "a01", tmp_path / "count")))
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.startswith(
        "! reliability, lane load: treat failed in 3 of 9 runs: it was ended by signal 11 (3 times); "
        "the arm it is compared with is clean\n"
    )
    assert "NO-GO: crash" in done.stdout
    (where,) = lab.runs("crash")
    attempts = attempts_of(where)
    assert len(attempts) == 27 and sum(attempt["failure"] is not None for attempt in attempts) == 3
    report = (where / "report.md").read_text()
    assert "about to crash" in report
    assert report.index("treat failed in 3 of 9 runs") < report.index("**Question.**")


def test_a_crash_before_an_interruption_is_not_forgotten(lab: Lab, tmp_path: Path) -> None:
    """Treat crashes in a block that is then interrupted; the same command again must not end in GO."""
    count, trigger = tmp_path / "count", tmp_path / "trigger"
    trigger.write_text("2\nSIGINT\n", encoding="ascii")  # in the third run, with this seed after treat's
    lane = misbehaving("crash", "a01", count, more=f", env: {{FAKE_HIT: {trigger}}}")
    experiment = lab.experiment("forgotten", workloads=lane, design="design: {blocks: 8, warmup: 1, seed: 1}")
    assert lab.run(experiment).returncode == 130
    (where,) = lab.runs("forgotten")
    assert not list(where.glob("blocks/*"))
    count.write_text("-1000\n")  # no further run fails
    done = lab.run(experiment)
    assert done.returncode == 1, done.stdout
    assert "treat failed in 1 of 10 runs: it was ended by signal 11; the arm" in done.stdout
    kinds = [attempt["failure"]["kind"] for attempt in attempts_of(where) if attempt["failure"]]
    assert sorted(kinds) == ["interrupted", "signal"]


def test_a_crash_of_base_is_void(lab: Lab, tmp_path: Path) -> None:
    done = lab.run(lab.experiment("base_crash", workloads=misbehaving("crash", "a00", tmp_path / "count")))
    assert done.returncode == 3
    assert "base failed in 3 of 9 runs" in done.stdout and "the lane itself may be at fault" in done.stdout


def test_damaged_memory_is_no_go_after_three_blocks(lab: Lab) -> None:
    done = lab.run(lab.experiment("damage", workloads=misbehaving("damage", "a01")))
    assert done.returncode == 1
    assert "treat failed in 3 of 3 runs: a live object was changed by someone else" in done.stdout
    assert "more blocks would not change it" in done.stderr
    assert len(list(lab.runs("damage")[0].glob("blocks/*"))) == 3


def test_a_hang_costs_one_time_out(lab: Lab) -> None:
    done = lab.run(lab.experiment("hang", workloads=misbehaving("hang", "a01", more=", timeout_s: 0.5")))
    assert done.returncode == 1
    assert "treat failed in 1 of 1 run: it was stopped at its time limit" in done.stdout
    assert len(list(lab.runs("hang")[0].glob("blocks/*"))) == 1


def test_bad_arguments_are_told_at_the_first_run(lab: Lab) -> None:
    done = lab.run(lab.experiment("usage", workloads=misbehaving("usage")))
    assert_told(done, 4, "fake_load refuses its arguments (usage)", "what is this?")
    (where,) = lab.runs("usage")
    assert not list(where.glob("blocks/*"))


def test_a_fault_of_the_runner_is_tried_again_in_silence(lab: Lab, tmp_path: Path) -> None:
    fault = tmp_path / "fault"
    fault.touch()
    lane = f"workloads: {{load: {{program: fake_load, args: [ok], env: {{FAKE_FAULT: {fault}}}}}}}"
    done = lab.run(lab.experiment("fault", workloads=lane))
    assert done.returncode == 0, done.stderr
    assert "24 runs" in done.stdout and "failed" not in done.stdout + done.stderr
    faults = [attempt for attempt in attempts_of(lab.runs("fault")[0]) if attempt["failure"]]
    assert [fault["failure"]["kind"] for fault in faults] == ["harness"]


def test_a_mistyped_counter_is_told_after_the_first_block(lab: Lab) -> None:
    done = lab.run(lab.experiment("mistyped", evidence='evidence: {treat: ["FAKE_STATS.fird > 0"]}'))
    assert_told(done, 4, "FAKE_STATS.fird", "fired")
    assert len(list(lab.runs("mistyped")[0].glob("blocks/*"))) == 1


def test_only_some_lanes_is_no_go_of_the_whole(lab: Lab) -> None:
    lanes = "workloads: {load: {program: fake_load, args: [ok]}, more: {program: fake_load, args: [ok]}}"
    gates = (
        'gates: [{metric: load.ops_per_s, go_if: "ratio >= 1.5"}, '
        '{id: equal, metric: more.ops_per_s, same_within: 0.02}]'
    )
    experiment = lab.experiment("partly", workloads=lanes, gates=gates)
    done = lab.run(experiment, "--only", "load")
    assert done.returncode == 6, done.stdout + done.stderr
    assert "! partial: 1 of 2 gates were asked; left out by --only: equal" in done.stdout
    assert "PARTIAL: partly" in done.stdout
    (where,) = lab.runs("partly")
    refused = lab.harness("publish", str(where), "--to", str(lab.results / "published"))
    assert_told(refused, 4, "is a partial run (--only load)", "publish a run of the whole experiment")
    whole = lab.run(experiment)
    assert whole.returncode == 1  # the gate that was left out fails


def test_the_second_run_of_a_plan_says_so(lab: Lab) -> None:
    experiment = lab.experiment("repeated")
    assert "of this plan" not in lab.run(experiment).stdout
    second = lab.run(experiment, "--fresh")
    assert second.returncode == 0 and "! run 2 of this plan; earlier ones: GO\n" in second.stdout
    assert "run 2 of this plan; earlier ones: GO" in (lab.runs("repeated")[1] / "report.md").read_text()


def test_failed_allocations_do_not_count(lab: Lab) -> None:
    done = lab.run(lab.experiment("alloc", workloads="workloads: {load: {program: fake_load, args: [fail_alloc]}}"))
    assert done.returncode == 3
    assert "VOID" in done.stdout and "3 allocations failed" in done.stdout


def test_missing_evidence_is_void(lab: Lab) -> None:
    done = lab.run(lab.experiment("evidence", evidence='evidence: {treat: ["FAKE_STATS.fired > 7"]}'))
    assert done.returncode == 3
    assert "evidence missing, arm treat" in done.stdout


@pytest.mark.parametrize("how, words", [("crash", "fake runner: out of luck"), ("garble", "the runner failed (status 0)")])
def test_a_broken_runner(lab: Lab, how: str, words: str) -> None:
    workloads = f"workloads: {{load: {{program: fake_load, env: {{FAKE_RUNNER: {how}}}}}}}"
    assert_told(lab.run(lab.experiment(f"runner_{how}", workloads=workloads)), 5, words)


def test_unknown_program_and_missing_requirement(lab: Lab) -> None:
    done = lab.run(lab.experiment("program", workloads="workloads: {load: {program: fake_lode}}"))
    assert_told(done, 4, "no workload program fake_lode; known are fake_load")
    lane = "workloads: {load: {command: [sleep, '0'], requires: [no-such-program]}}"
    done = lab.run(lab.experiment("requires", workloads=lane))
    assert_told(done, 4, "workload load needs no-such-program, which is missing", "--only")


def test_a_lane_may_not_set_the_harness_variables(lab: Lab) -> None:
    lane = "workloads: {load: {program: fake_load, env: {LD_PRELOAD: /lib/x.so}}}"
    assert_told(lab.run(lab.experiment("reserved", workloads=lane)), 4, "LD_PRELOAD is set by the harness")


def test_bad_yaml_and_bad_options(lab: Lab) -> None:
    done = lab.run(lab.experiment("typo", gates="gates: [{metrik: load.ops_per_s, go_if: ratio > 1}]"))
    assert_told(done, 4, "typo.yaml:7:10", "unknown key 'metrik'")
    assert_told(lab.run(lab.experiment("few"), "--blocks", "2"), 4, "--blocks 2 cannot decide")
    assert_told(lab.run("no-such-experiment"), 4, "no experiment no-such-experiment; known are fake")
    assert_told(lab.run(lab.experiment("lane"), "--only", "lode"), 4, "unknown lane 'lode'")
    assert_told(lab.harness("jugde"), 4, "invalid choice: 'jugde'")


def test_aa_of_a_deterministic_workload_invents_no_difference(lab: Lab) -> None:
    done = lab.run(lab.experiment("noise"), "--aa")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "INCONCLUSIVE" in done.stdout


@pytest.mark.parametrize("folder", ["with blank", "a:colon", "a$ORIGIN"])
def test_a_place_that_cannot_be_preloaded_from_is_reached_by_a_link(lab: Lab, tmp_path: Path, folder: str) -> None:
    lab.env["TMPDIR"] = str(tmp_path)
    done = lab.harness("run", lab.experiment("blank"), "--quick", "--results", str(lab.results / folder))
    assert done.returncode == 0, done.stderr
    assert f"the arms are loaded through {tmp_path}/hz3-lab-" in done.stderr
    assert not list(tmp_path.glob("hz3-lab-*"))


def test_what_lies_in_the_place_of_that_link_is_not_followed(lab: Lab, tmp_path: Path) -> None:
    lab.env["TMPDIR"] = str(tmp_path)
    place = ("run", lab.experiment("trap"), "--quick", "--results", str(lab.results / "with blank"))
    told = lab.harness(*place).stderr
    link = Path(next(line for line in told.splitlines() if "loaded through" in line).rsplit(" ", 1)[1])
    (where,) = (lab.results / "with blank" / "trap").iterdir()
    (where / "report.html").unlink()  # unfinished again
    link.mkdir()
    assert_told(lab.harness(*place), 4, f"{link}: is in the way of a link to")
    link.rmdir()
    link.symlink_to(where.resolve())  # left behind by a run that was killed
    assert lab.harness(*place).returncode == 0
    assert not link.is_symlink()


def test_a_project_and_a_build_in_a_path_with_blanks(tmp_path: Path, fake_root: Path) -> None:
    root = tmp_path / "my project"
    shutil.copytree(fake_root, root, ignore=shutil.ignore_patterns("build"))
    lab = Lab(root, root / "my results")
    (root / "build").mkdir()
    arms = "arms: {base: plain, treat: {parent: plain, flags: {HZ3_FAKE_SPEED: 300}}}"
    done = lab.run(lab.experiment("blanks", arms=arms), "--quick")
    assert done.returncode == 0, done.stderr
