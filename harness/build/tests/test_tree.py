"""What a build directory knows."""

from __future__ import annotations

import json
from pathlib import Path

from harness.build.meson import BuildTree


def test_programs_that_only_test_the_workloads_are_no_workloads(tmp_path: Path) -> None:
    names = ("bench_ssot", "micro/micro_pairs", "tests/common_test", "tests_of_mine")
    targets = [{"type": "executable", "filename": [str(tmp_path / "workloads" / name)]} for name in names]
    targets.append({"type": "executable", "filename": [str(tmp_path / "hz3/tests/unit")]})
    targets.append({"type": "shared library", "filename": [str(tmp_path / "workloads/limit/liblimit.so")]})
    (tmp_path / "meson-info").mkdir()
    (tmp_path / "meson-info/intro-targets.json").write_text(json.dumps(targets))
    assert BuildTree(tmp_path, tmp_path).programs() == ["bench_ssot", "micro/micro_pairs", "tests_of_mine"]
