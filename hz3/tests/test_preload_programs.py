"""Programs people run every day behave under hz3 as they do under libc's malloc.

HZ3_BUILD_DIR (default: build/) holds the libraries, HZ3_TEST_VARIANTS the variants to try, names
separated by blanks or commas, or `all` (default: scale). A program that is not installed is an
error: tools/setup installs them.
"""
from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from programs import SCENARIOS, Answer, Scenario, run_scenario  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


def variants() -> list[str]:
    """The variants asked for."""
    asked = os.environ.get("HZ3_TEST_VARIANTS", "scale").replace(",", " ").split()
    if asked != ["all"]:
        return asked
    tool = ROOT / "hz3/src/config/flagtool.py"
    return subprocess.run(
        ["/usr/bin/python3", str(tool), "list"], check=True, text=True,
        capture_output=True).stdout.split()


def library(variant: str) -> Path:
    """The variant's library; a missing one fails the test with the command that makes it."""
    build = Path(os.environ.get("HZ3_BUILD_DIR", ROOT / "build")).resolve()
    path = build / "hz3" / f"libhz3-{variant}.so"
    if not path.exists():
        pytest.fail(f"{path} does not exist; build it: meson compile -C {build} hz3-{variant}")
    return path


@functools.lru_cache(maxsize=None)
def answer_of_libc(scenario_name: str) -> Answer:
    """The reference: the scenario without any preload, run once."""
    with tempfile.TemporaryDirectory(prefix="hz3-programs-") as directory:
        return run_scenario(scenario_called(scenario_name), Path(directory), None)


def scenario_called(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


@pytest.mark.parametrize("name", [scenario.name for scenario in SCENARIOS])
@pytest.mark.parametrize("variant", variants())
def test_same_answer_as_under_libc(variant: str, name: str, tmp_path: Path) -> None:
    scenario = scenario_called(name)
    missing = [program for program in scenario.needs if shutil.which(program) is None]
    assert not missing, f"not installed: {', '.join(missing)}; run tools/setup"
    preload = library(variant)
    expected = answer_of_libc(name)
    assert expected.stdout, f"{name} says nothing even under libc: {expected.complaints}"

    answer = run_scenario(scenario, tmp_path, preload)

    assert answer.stdout == expected.stdout, f"stderr: {answer.complaints}"
    assert answer.status == expected.status, f"stderr: {answer.complaints}"
    own = [line for line in answer.complaints if line.startswith("hz3:")]
    assert not own, "the allocator reports a fault"


def test_a_wrong_answer_is_noticed(tmp_path: Path) -> None:
    """The comparison is worth something: a scenario that is disturbed gives another answer."""
    scenario = scenario_called("bash")
    disturbed = Scenario(
        scenario.name, {"script.sh": scenario.files["script.sh"].replace("1009", "997")},
        scenario.command, scenario.needs)
    assert run_scenario(disturbed, tmp_path, None) != answer_of_libc("bash")


def test_the_preload_is_in_force(tmp_path: Path) -> None:
    """What the scenarios measure is the library: it is mapped in a program started this way."""
    preload = library(variants()[0])
    probe = Scenario("probe", {}, ("cat", "/proc/self/maps"), ("cat",))
    assert str(preload) in run_scenario(probe, tmp_path, preload).stdout
