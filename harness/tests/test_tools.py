"""The things a person types: tools/setup, run, test, doctor, and .ci/run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Dict, Optional

import pytest

PROJECT = Path(__file__).resolve().parents[2]
TOOLS = ("tools/setup", "tools/run", "tools/test", "tools/doctor", ".ci/run")


def call(*command: str, env: Optional[Dict[str, str]] = None) -> subprocess.CompletedProcess[str]:
    full = {"PATH": os.environ["PATH"], "HOME": "/tmp", **(env or {})}
    return subprocess.run(command, cwd=PROJECT, env=full, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("tool", TOOLS)
def test_every_tool_teaches(tool: str) -> None:
    done = call(f"./{tool}", "--help")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout and "exit status" in done.stdout


@pytest.mark.parametrize("tool", TOOLS)
def test_bad_usage_is_status_4(tool: str) -> None:
    done = call(f"./{tool}", "--no-such-option")
    assert done.returncode == 4
    assert "--help" in done.stderr or "usage" in done.stderr


def test_run_without_an_experiment_shows_how() -> None:
    done = call("./tools/run")
    assert done.returncode == 4 and "usage: tools/run EXPERIMENT" in done.stdout


def test_tools_work_from_any_folder(tmp_path: Path) -> None:
    done = subprocess.run([str(PROJECT / "tools/run"), "nothing"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "there is no experiment nothing" in done.stderr


@pytest.mark.parametrize(
    "command",
    ["", "run", "plan", "judge", "report", "publish", "index", "doctor", "truth", "schema", "list", "table", "gate", "compare", "history"],
)
def test_every_command_has_help_with_the_exit_statuses(command: str) -> None:
    done = call("/usr/bin/python3", "-m", "harness", *command.split(), "--help")
    assert done.returncode == 0
    assert "130  interrupted" in done.stdout


class Box:
    """Folders of fake programs that stand before the real ones, and a list of packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.list = folder / "packages.txt"
        self.log = folder / "log"
        self.env = {"HZ3_PACKAGES": str(self.list), "PATH": f"{folder}:{os.environ['PATH']}"}

    def program(self, name: str, body: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/bash\necho \"{name} $*\" >> {self.log}\n{body}\n")
        path.chmod(0o755)

    def system(self, name: str) -> None:
        (self.folder / "os-release").write_text(name)
        self.env["HZ3_OS_RELEASE"] = str(self.folder / "os-release")

    def calls(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def setup(self, *args: str) -> subprocess.CompletedProcess[str]:
        return call("./tools/setup", *args, env=self.env)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    made = Box(tmp_path)
    made.list.write_text("# comment\nhere | is there\ngone | is needed\nolder / newer | has two names\n")
    made.program("dpkg-query", "echo 'here installed'; echo 'half config-files'")
    made.program("apt-get", "")
    made.program("apt-cache", '[[ $2 == newer || $2 == gone ]] && echo "  Candidate: 1.0" || echo "  Candidate: (none)"')
    made.program("sudo", '"$@"')
    made.system("ID=debian\n")
    return made


def test_setup_says_what_is_missing_and_why_then_installs_what_this_release_has(box: Box) -> None:
    done = box.setup()
    assert done.returncode == 0, done.stderr
    assert "gone                         is needed" in done.stderr
    assert "older or newer" in done.stderr and "here" not in done.stderr.split("installing")[0].split("missing packages:")[1]
    assert "installing: gone newer" in done.stderr
    assert "apt-get install -y -q --no-install-recommends gone newer" in box.calls()
    assert done.stderr.index("is needed") < done.stderr.index("installing")


def test_setup_does_nothing_when_all_is_there(box: Box) -> None:
    box.list.write_text("here | is there\nolder / here | either\n")
    done = box.setup()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert box.calls().count("\n") == 1  # one dpkg-query and nothing else


def test_setup_check_installs_nothing(box: Box) -> None:
    done = box.setup("--check")
    assert done.returncode == 5 and "gone" in done.stderr
    assert "apt-get" not in box.calls()


def test_setup_installs_a_browser_only_when_asked(box: Box) -> None:
    assert "chromium" not in box.setup("--check").stderr
    done = box.setup("--check", "--browser")
    assert done.returncode == 5 and "chromium" in done.stderr and "gone" in done.stderr
    box.program("dpkg-query", "echo 'here installed'; echo 'gone installed'; echo 'newer installed'; echo 'chromium installed'")
    assert box.setup("--browser").returncode == 0


def test_setup_elsewhere_prints_the_list_and_stops(box: Box) -> None:
    box.system("ID=fedora\n")
    done = box.setup()
    assert done.returncode == 5
    assert "neither Debian nor Ubuntu" in done.stderr and "gone" in done.stderr
    assert "apt-get" not in box.calls()


def test_ubuntu_and_its_children_are_known(box: Box) -> None:
    box.system('ID=linuxmint\nID_LIKE="ubuntu debian"\n')
    assert box.setup().returncode == 0


def test_setup_tells_when_apt_fails(box: Box) -> None:
    box.program("apt-get", '[[ $1 == install ]] && { echo "E: no route" >&2; exit 100; }; exit 0')
    done = box.setup()
    assert done.returncode == 5
    assert "E: no route" in done.stderr and "could not install" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become nobody")
def test_setup_without_root_and_sudo_stops(box: Box) -> None:
    (box.folder / "sudo").unlink()
    links = box.folder / "bin"
    links.mkdir()
    for name in ("bash", "sed", "tr", "dirname", "env"):
        (links / name).symlink_to(f"/usr/bin/{name}")
    path = f"{box.folder}:{links}"
    for folder in (box.folder, *box.folder.parents):
        if folder.stat().st_uid == 0 and folder != Path("/") and str(folder).startswith("/tmp/"):
            folder.chmod(0o755)
    box.log.touch()
    box.log.chmod(0o666)
    done = subprocess.run(
        ["/usr/bin/bash", str(PROJECT / "tools/setup")], env={**box.env, "PATH": path}, user="nobody", capture_output=True, text=True
    )
    assert done.returncode == 5
    assert "neither root nor sudo; ask an administrator for: apt-get install gone older" in done.stderr


def test_the_list_of_packages_is_data() -> None:
    rows = [line for line in (PROJECT / "tools/packages.txt").read_text().splitlines() if line and not line.startswith("#")]
    assert all(line.count("|") == 1 and line.split("|")[1].strip() for line in rows)
    names = [line.split("|")[0].strip() for line in rows]
    assert len(names) == len(set(names))


def test_the_measuring_path_imports_nothing_heavy() -> None:
    """A parent with pandas in it would hold 100 MB beside the workload, and start slowly."""
    heavy = "pandas scipy matplotlib numpy jinja2 rich".split()
    code = f"import harness.cli, harness.run.command, sys; print([m for m in {heavy!r} if m in sys.modules])"
    done = call("/usr/bin/python3", "-c", code)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
