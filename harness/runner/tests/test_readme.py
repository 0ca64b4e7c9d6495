"""The commands shown in the README do what they are shown for."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from harness.runner.tests.support import BUILD, GENEROUS_S, ROOT, needs_runner

pytestmark = needs_runner


def commands() -> list[str]:
    text = (ROOT / "harness/runner/README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_every_command_of_the_readme_works(tmp_path: Path) -> None:
    shown = commands()
    assert len(shown) == 2
    for command in shown:
        here = command.replace("build/", f"{BUILD}/").replace("tools/", f"{ROOT}/tools/")
        done = subprocess.run(["sh", "-c", here], cwd=tmp_path, capture_output=True, text=True,
                              env={"PATH": "/usr/bin:/bin", "HZ3_BUILD_DIR": str(BUILD)},
                              timeout=GENEROUS_S)
        assert done.returncode == 0, (command, done)
        assert '"ok":true' in done.stdout or "[MEM_TS]" in done.stdout
