"""The build directory: configured once, and made to hold exactly what an experiment names.

Meson configures; ninja then builds the named files and nothing else. The directory is reconfigured
only when the extra catalogue of variants changes, because only then do its targets change.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence

from harness.build.flags import InlineVariant, write_extra
from harness.errors import UserError, failed
from harness.process import run_process

RUNNER = "harness/runner/hz3-runner"
EXTRA_NAME = "inline_variants.yaml"
# What Meson was last configured with; written after it succeeded, so a failure is tried again.
STAMP_NAME = "inline_variants.configured"
_TESTS = "tests" + os.sep


@dataclass(frozen=True)
class BuildTree:
    """`root` is the project, `build` its Meson build directory (made when missing)."""

    root: Path
    build: Path

    @property
    def runner(self) -> Path:
        return self.build / RUNNER

    def library(self, variant: str) -> Path:
        return self.build / "hz3" / f"libhz3-{variant}.so"

    def program(self, name: str) -> Path:
        return self.build / "workloads" / name

    @property
    def extra(self) -> Path:
        return self.build / EXTRA_NAME

    def configure(self, inline: Dict[str, InlineVariant]) -> None:
        """Makes the directory known to Meson with exactly these inline variants."""
        wanted = write_extra(self.extra, inline) if inline else ""
        fresh = not (self.build / "build.ninja").exists()
        stamp = self.build / STAMP_NAME
        if not fresh and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
            return
        command = ["meson", "setup", str(self.build), f"-Dextra_variants={self.extra if inline else ''}"]
        if not fresh:
            command.append("--reconfigure")
        done = run_process(command, cwd=self.root, env=_tool_env(), timeout_s=600)
        if done.status != 0:
            raise failed(f"meson cannot configure {self.build}:\n{_errors(done.stdout + done.stderr, 'ERROR')}")
        stamp.write_text(wanted, encoding="utf-8")

    def compile(self, files: Sequence[Path]) -> str:
        """Builds `files` (paths inside the build directory); returns what ninja printed."""
        names = [str(path.relative_to(self.build)) for path in files]
        done = run_process(["ninja", "-C", str(self.build), *names], cwd=self.root, env=_tool_env(), timeout_s=3600)
        if done.status == 0:
            return done.stdout
        text = done.stdout + done.stderr
        if "unknown target" in text:
            raise UserError(_unknown(text, self.programs()))
        raise failed(f"the build failed:\n{_errors(text, 'FAILED:')}")

    def programs(self) -> List[str]:
        """The workload programs this tree knows, without those that only test them."""
        info = self.build / "meson-info" / "intro-targets.json"
        if not info.exists():
            return []
        base = str(self.build / "workloads") + os.sep
        targets = json.loads(info.read_text(encoding="utf-8"))
        found = [name for target in targets if target["type"] == "executable" for name in target["filename"]]
        names = [os.path.relpath(name, base) for name in found if name.startswith(base)]
        return sorted(name for name in names if not name.startswith(_TESTS))

    def require_programs(self, names: Sequence[str]) -> None:
        known = self.programs()
        for name in names:
            if name not in known:
                raise UserError(f"there is no workload program {name}; known are {', '.join(known) or 'none'}")


def _tool_env() -> Dict[str, str]:
    """The person's environment, less what would change the build behind the catalogue's back."""
    hidden = ("CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "LD_PRELOAD", "MAKEFLAGS", "NINJA_STATUS")
    env = {key: value for key, value in os.environ.items() if key not in hidden}
    return {**env, "LC_ALL": "C.UTF-8", "TERM": "dumb"}


def _errors(text: str, marker: str) -> str:
    """From the first line that tells of the failure, at most forty lines, indented."""
    lines = text.rstrip().splitlines()
    first = next((i for i, line in enumerate(lines) if marker in line), max(0, len(lines) - 40))
    kept = [line for line in lines[first:] if not line.startswith("ninja: build stopped")]
    shown = ["    " + line[:300] for line in kept[:40]]
    if len(kept) > 40:
        shown.append(f"    … and {len(kept) - 40} more lines")
    return "\n".join(shown)


def _unknown(text: str, programs: Sequence[str]) -> str:
    line = next(line for line in text.splitlines() if "unknown target" in line)
    return f"{line.strip()}; known workload programs are {', '.join(programs) or 'none'}"
