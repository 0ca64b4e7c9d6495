"""The fixture all tests of the runner share."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.runner.tests.support import GENEROUS_S, RUNNER, Outcome, Run, job_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def call(*argv: object, **more: Any) -> Outcome:
        path = tmp_path / "job.json"
        path.write_text(json.dumps(job_of(tmp_path, *argv, **more)))
        done = subprocess.run(
            [str(RUNNER), str(path)], capture_output=True, text=True, timeout=GENEROUS_S
        )
        assert done.stdout.count("\n") == 1, done
        return Outcome(done.returncode, json.loads(done.stdout), done.stderr, tmp_path)

    return call
