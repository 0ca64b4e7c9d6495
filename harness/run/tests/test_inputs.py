"""Which files outside the build decide what a lane does, so that a changed one is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import Dict

from harness.experiment import parse_experiment
from harness.run.prepare import inputs_of

TEXT = """\
id: t
question: q?
kind: table
arms: {{base: s61}}
workloads:
  w: {{{lane}}}
"""


def inputs(root: Path, lane: str) -> Dict[str, Path]:
    return inputs_of(parse_experiment(TEXT.format(lane=lane)), root)


def test_programs_scripts_their_interpreters_and_named_files(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("#!/usr/bin/env sh\n")
    (tmp_path / "data.db").write_text("")
    found = inputs(tmp_path, f"command: [./script, --file=data.db, if={tmp_path}/data.db, of=new], args: [data.db], requires: [ls]")
    assert found["./script"] == tmp_path / "script"
    assert found["data.db"] == found[f"{tmp_path}/data.db"] == tmp_path / "data.db"
    assert found["ls"].name == "ls" and any(path.name in ("dash", "sh", "bash") for path in found.values())
    assert not any("new" in name for name in found)


def test_a_link_is_followed_to_what_is_run(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    (tmp_path / "b").symlink_to("a")
    assert inputs(tmp_path, "command: [ls, b]")["b"] == tmp_path / "a"


def test_words_that_name_no_plain_file(tmp_path: Path) -> None:
    words = f"command: [ls, '', '=', ., .., /dev/null, {'x' * 5000}, '--x=', \"nul\\0\"]"
    assert set(inputs(tmp_path, words)) == {"ls"}


def test_arguments_of_the_projects_own_programs_name_no_files(tmp_path: Path) -> None:
    (tmp_path / "400").write_text("")
    assert inputs(tmp_path, "program: bench_ssot, args: [400, 3]") == {}
    assert set(inputs(tmp_path, "command: [ls], args: ['400']")) == {"ls", "400"}
