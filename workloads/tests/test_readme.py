"""The README tells the truth: its commands run, its table is what the programs say themselves."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from workload_cases import CASES
from workload_runs import PROGRAMS, TIMEOUT_S, run

README = (Path(__file__).parents[1] / "README.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    for line in block.splitlines()
]
TABLE = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", README, flags=re.MULTILINE))


def test_there_is_something_to_check() -> None:
    assert len(COMMANDS) >= 5 and len(TABLE) >= 20


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_run(command: str) -> None:
    words = shlex.split(command.replace("build/workloads", str(PROGRAMS)))
    settings = [word for word in words if re.match(r"[A-Z_]+=", word)]
    done = subprocess.run(
        words[len(settings):],
        env=os.environ | dict(setting.split("=", 1) for setting in settings),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_its_table_has_every_program() -> None:
    assert TABLE.keys() == {case.program for case in CASES}


@pytest.mark.parametrize("program", TABLE)
def test_its_arguments_are_those_of_the_program(program: str) -> None:
    usage = run(program, ["--help"]).stdout.splitlines()[0]
    assert usage == f"usage: {program} {TABLE[program]}".replace("\\|", "|")


def test_every_result_key_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)`", README))
    for case in CASES:
        result = run(case.program, case.argv).result
        assert result is not None
        assert result.keys() - {"program"} <= explained, case.program
