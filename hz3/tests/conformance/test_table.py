"""The table of promises: hz3 keeps all of them, and a broken allocator is shown as such."""
from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("HZ3_BUILD_DIR", HERE.parents[2] / "build"))
PROGRAM = BUILD / "hz3/tests/hz3-test-api_conformance"

sys.path.insert(0, str(HERE))
import table  # noqa: E402

pytestmark = pytest.mark.skipif(not PROGRAM.exists() or not (BUILD / "hz3/libhz3-scale.so").exists(),
                                reason="needs a build of the conformance program and of scale")


def test_hz3_keeps_every_promise_and_the_c_library_does_not() -> None:
    done = subprocess.run([sys.executable, str(HERE / "table.py"), "--build", str(BUILD), "--variant", "scale", "--without-references",
                           "--output", "-"], text=True, capture_output=True, check=False, timeout=600)
    assert done.returncode == 0, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(rows) > 35
    assert {row[3].strip() for row in rows[1:-1]} == {"yes"}
    odd = next(row for row in rows if "`aligned_alloc`: no power of two" in row[2])
    assert odd[4].strip() in ("yes", "**no**")
    assert "### glibc" in done.stdout


def test_a_broken_allocator_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = next(BUILD.glob("hz3/tests/mutants/libhz3-test-broken.so"), None)
    if broken is None:
        pytest.skip("needs the library of mutants")
    monkeypatch.setenv("HZ3_BROKEN", "errno_free")
    answers = {answer.promise: answer for answer in table.ask(PROGRAM, broken)}
    assert answers["`free` keeps errno"].result == "broken"
    assert "set errno" in answers["`free` keeps errno"].finding
    assert answers["`malloc_trim`: gives back, says whether it did"].result == "absent"
