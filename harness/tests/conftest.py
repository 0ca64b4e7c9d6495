"""A small lab of its own for the tests that go through the command line, built once a session."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

PROJECT = Path(__file__).resolve().parents[2]
FAKE = Path(__file__).with_name("fake_lab")


@dataclass
class Lab:
    """A fake project and a results folder of the test's own."""

    root: Path
    results: Path
    env: Dict[str, str] = field(default_factory=dict)

    def harness(self, *args: str) -> subprocess.CompletedProcess[str]:
        command = ["/usr/bin/python3", "-m", "harness", args[0], "--root", str(self.root), *args[1:]]
        env = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/tmp"),
            "LC_ALL": "C.UTF-8",
            "HZ3_LAB_LOCKS": os.environ["HZ3_LAB_LOCKS"],
            **self.env,
        }
        return subprocess.run(command, cwd=PROJECT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        return self.harness("run", *args, "--results", str(self.results))

    def experiment(self, name: str, **changes: str) -> str:
        """experiments/fake.yaml under another name, with the lines of `changes` in place of its own
        (an empty text removes the line, a key that has none is added)."""
        lines = (FAKE / "experiments" / "fake.yaml").read_text(encoding="utf-8").splitlines()
        changes = {"id": f"id: {name}", **changes}
        for key, text in changes.items():
            found = [i for i, line in enumerate(lines) if line.startswith(f"{key}:")]
            if not found:
                lines.append(text)
                continue
            end = next((i for i in range(found[0] + 1, len(lines)) if not lines[i].startswith(" ")), len(lines))
            lines[found[0] : end] = [text] if text else []
        path = self.results.parent / f"{name}.yaml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    def runs(self, name: str) -> List[Path]:
        return sorted(path.parent for path in (self.results / name).glob("*/plan.json"))


@pytest.fixture(scope="session", autouse=True)
def own_machine_lock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests measure nothing: they neither wait for a run that does, nor keep one from starting."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HZ3_LAB_LOCKS", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="session")
def fake_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lab") / "project"
    shutil.copytree(FAKE, root)
    shutil.copy(PROJECT / "hz3/src/config/flagtool.py", root / "hz3/src/config/flagtool.py")
    return root


@pytest.fixture
def lab(fake_root: Path, tmp_path: Path) -> Lab:
    return Lab(fake_root, tmp_path / "results")
