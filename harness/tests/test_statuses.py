"""No accident of the harness itself ends with 0 or 1, which are answers: whatever is raised, wherever."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest

from harness import cli, last_resort
from harness.cli import entry, lists
from harness.errors import EXIT_STATUSES, UserError, failed

PROJECT = Path(__file__).resolve().parents[2]


def deep() -> int:
    return deep() + 1


def raising(error: BaseException) -> Callable[[Any], int]:
    def handler(args: Any) -> int:
        raise error

    return handler


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[[Any], Any]], int]:
    """`harness list` with a handler of the test's own."""
    monkeypatch.setattr(last_resort.tempfile, "tempdir", str(tmp_path))
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def run(handler: Callable[[Any], Any]) -> int:
        monkeypatch.setattr(lists, "_list", handler)
        try:
            return cli.main(["list"])
        finally:
            for sign, what in before.items():
                signal.signal(sign, what)

    return run


@pytest.mark.parametrize(
    "error, words",
    [
        (ValueError("odd\nvalue"), "a defect of the harness, not of what was typed (ValueError: odd value, test_statuses.py:"),
        (AssertionError(), "a defect of the harness"),
        (MemoryError(), "no memory is left"),
        (RecursionError("maximum recursion depth exceeded"), "a defect of the harness"),
        (SystemExit(0), "an attempt to exit"),
        (SystemExit(None), "an attempt to exit"),
        (SystemExit(1), "an attempt to exit"),
        (SystemExit("words"), "an attempt to exit"),
        (SystemExit(256), "an attempt to exit"),
        (GeneratorExit(), "a defect of the harness"),
        (ModuleNotFoundError("No module named 'numpy'", name="numpy"), "cannot import numpy"),
        (OSError(28, "No space left on device", "/some/file"), "no space is left on a disk (writing /some/file)"),
        (PermissionError(13, "Permission denied", "/some/file"), "/some/file: Permission denied"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"), "a defect of the harness"),
    ],
)
def test_an_exception_nobody_foresaw_is_status_5_and_one_sentence(
    lab: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, error: BaseException, words: str
) -> None:
    assert lab(raising(error)) == 5
    told = capsys.readouterr().err
    assert words in told and told.count("\n") == 1 and "Traceback" not in told
    (trace,) = tmp_path.glob("hz3-lab-traceback-*.txt")
    assert f"the traceback is in {trace}" in told
    assert "in handler" in trace.read_text()


def test_endless_recursion(lab: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab(lambda args: deep()) == 5
    assert "RecursionError" in capsys.readouterr().err


def test_a_sentence_is_still_told_when_no_traceback_can_be_kept(
    lab: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_resort.tempfile, "mkstemp", raising(OSError(28, "No space left on device")))
    assert lab(raising(ValueError("x"))) == 5
    assert "no traceback could be kept" in capsys.readouterr().err
    monkeypatch.setenv("HZ3_LAB_TRACEBACK", "1")
    assert lab(raising(ValueError("x"))) == 5
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [UserError("mind this"), failed("that broke"), KeyboardInterrupt(), BrokenPipeError()])
def test_an_exception_while_an_exception_is_told_of(lab: Any, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    class Mute:
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

        flush = write
        closed = False

    monkeypatch.setattr(sys, "stderr", Mute())
    status = lab(raising(error))
    assert status in (5, 130, 141)


def test_interrupted_again_while_it_is_told(lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def impatient(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "print", impatient, raising=False)
    assert lab(raising(UserError("x"))) == 130


@pytest.mark.parametrize("status", [None, True, False, "0", 256, -1, 7, 1.0])
def test_a_status_that_means_nothing_is_a_defect(lab: Any, status: object) -> None:
    assert lab(lambda args: status) == 5


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4, 5])
def test_the_statuses_that_mean_something_get_through(lab: Any, status: int) -> None:
    assert lab(lambda args: status) == status
    assert status in dict(EXIT_STATUSES)


def harness(*args: str, env: Dict[str, str] = {}, **streams: Any) -> subprocess.CompletedProcess[str]:
    full = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PROJECT), **env}
    given: Dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(
        ["/usr/bin/python3", "-m", "harness", *args], cwd=PROJECT, env=full, stdin=subprocess.DEVNULL, text=True, timeout=60, **given
    )


def test_an_answer_that_cannot_be_written_is_no_answer() -> None:
    with open("/dev/full", "w") as full:
        done = harness("list", "experiments", stdout=full)
        assert done.returncode == 5 and "no space" in done.stderr.lower() and "Traceback" not in done.stderr
        done = harness("schema", stdout=full)
        assert done.returncode == 5, done.stderr
        done = harness("plan", "nothing", stderr=full)
        assert done.returncode in (4, 5)
        done = harness("list", "nothing", stdout=full, stderr=full)
        assert done.returncode in (4, 5)


def test_closed_streams() -> None:
    script = 'exec /usr/bin/python3 -m harness "$@" %s'
    for closed, args, status in ((">&-", "list experiments", 0), ("2>&-", "list nothing", 4), ("<&- >&- 2>&-", "plan nothing", 4)):
        done = subprocess.run(["sh", "-c", script % closed, "sh", *args.split()], cwd=PROJECT, capture_output=True, timeout=60)
        assert done.returncode == status, (closed, done)


def test_a_reader_that_goes_away() -> None:
    done = subprocess.run(
        ["bash", "-c", "/usr/bin/python3 -m harness schema | true; echo ${PIPESTATUS[0]}"],
        cwd=PROJECT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout in ("141\n", "0\n") and done.stderr == ""  # 0: it had all been written into the pipe


def blocker(folder: Path, names: List[str], extra: str = "") -> Dict[str, str]:
    """An environment in which Python finds none of `names`."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import sys\n"
        "class Gone:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] in {names!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        f"sys.meta_path.insert(0, Gone())\n{extra}"
    )
    return {"PYTHONPATH": f"{folder}:{PROJECT}"}


@pytest.mark.parametrize("names", [["yaml"], ["pydantic"], ["numpy"], ["elftools", "matplotlib"]])
def test_an_interpreter_without_the_packages_gives_way_to_the_right_one(tmp_path: Path, names: List[str]) -> None:
    done = harness("list", "experiments", env=blocker(tmp_path / "x", names))
    assert done.returncode == 0, done.stderr
    assert "s62" in done.stdout and done.stderr == ""


def test_where_no_interpreter_will_do_it_says_what_to_type(tmp_path: Path) -> None:
    env = {**blocker(tmp_path / "x", ["yaml", "numpy"]), "HZ3_LAB_STARTED_AGAIN": "1"}
    done = harness("list", env=env)
    assert done.returncode == 5 and done.stdout == ""
    assert "/usr/bin/python3 lacks package yaml, package numpy; type tools/setup" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_old_interpreter_gives_way(tmp_path: Path) -> None:
    env = blocker(tmp_path / "x", [], "sys.version_info = (3, 9, 2)\n")
    done = harness("list", "experiments", env=env)
    assert done.returncode == 0, done.stderr
    done = harness("list", env={**env, "HZ3_LAB_STARTED_AGAIN": "1"})
    assert done.returncode == 5 and "lacks Python 3.10 or later" in done.stderr


def test_arguments_survive_the_second_start_and_children_do_not_learn_of_it(tmp_path: Path) -> None:
    done = harness("plan", "no such", "--only", "a b", env=blocker(tmp_path / "x", ["yaml"]))
    assert done.returncode == 4 and "there is no experiment no such" in done.stderr
    code = "import os, harness.interpreter as i; os.environ[i.AGAIN] = '1'; i.ensure('/', []); print(i.AGAIN in os.environ)"
    seen = subprocess.run(["/usr/bin/python3", "-c", code], cwd=PROJECT, capture_output=True, text=True)
    assert seen.stdout == "False\n", seen.stderr


def test_a_package_that_is_there_but_broken_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml/__init__.py").write_text("import no_such_part_of_yaml\n")
    env = {"PYTHONPATH": f"{tmp_path}:{PROJECT}", "TMPDIR": str(tmp_path)}
    done = harness("list", "experiments", env=env)
    assert done.returncode == 5, done.stdout
    assert "cannot import no_such_part_of_yaml" in done.stderr and "tools/setup" in done.stderr


def test_the_tools_do_not_mind_a_foreign_python_environment(tmp_path: Path) -> None:
    (tmp_path / "yaml.py").write_text("raise SystemExit(1)\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONHOME": "/nowhere"}
    done = subprocess.run([str(PROJECT / "tools/run"), "nothing"], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "there is no experiment nothing" in done.stderr


@pytest.mark.parametrize("limit_kb", [30_000, 45_000, 60_000])
def test_too_little_memory_is_no_answer(tmp_path: Path, limit_kb: int) -> None:
    script = f"ulimit -v {limit_kb}; exec /usr/bin/python3 -m harness plan nothing"
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(["sh", "-c", script], cwd=PROJECT, env=env, capture_output=True, text=True, timeout=60)
    # 4: it was enough. The interpreter itself may die of it, which no shell takes for an answer.
    assert done.returncode in (4, 5, -signal.SIGSEGV) and "Traceback" not in done.stderr, done.stderr
