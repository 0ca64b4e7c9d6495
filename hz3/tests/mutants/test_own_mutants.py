"""The mutants of hz3: every edit can be made, and two of them are built and killed. All: tools/mutants."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("HZ3_BUILD_DIR", HERE.parents[2] / "build"))

sys.path.insert(0, str(HERE))
import own_mutants  # noqa: E402

needs_build = pytest.mark.skipif(not (BUILD / "hz3/tests/hz3-test-api_conformance").exists(), reason="needs a build of the tests")


def test_every_edit_can_be_made() -> None:
    done = subprocess.run([sys.executable, str(HERE / "own_mutants.py"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(own_mutants.load()) >= 40


def test_an_edit_that_no_longer_fits_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.hpp").write_text("one one\n")
    for text in ("two", "one"):
        with pytest.raises(ValueError, match="want once"):
            own_mutants.apply(own_mutants.Mutant("m", "", "", (("a.hpp", text, "three"),), False), tmp_path)


@needs_build
def test_the_quick_ones_are_killed() -> None:
    done = subprocess.run([sys.executable, str(HERE / "own_mutants.py"), "--quick", "--build", str(BUILD)], capture_output=True, text=True,
                          check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("killed by") == sum(mutant.quick for mutant in own_mutants.load())


@needs_build
def test_a_mutant_that_changes_nothing_survives(tmp_path: Path) -> None:
    harmless = own_mutants.Mutant("harmless", "nothing", "knobs", (("heap/heap.hpp", "#pragma once\n", "#pragma once\n\n"),), True)
    bench = own_mutants.Bench(BUILD, "scale", tmp_path)
    tests = own_mutants.suite(BUILD, "scale")
    library = str(BUILD.resolve() / "hz3/libhz3-scale.so")
    death = own_mutants.judge(harmless, bench, tests, library, True)
    assert death == own_mutants.Death(None, "", 1)
    assert "**survives**" in own_mutants.render([(harmless, death)], "scale")
