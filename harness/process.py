"""The one place of the harness that starts processes.

Every child gets an explicit environment, no standard input and a process group of its own, so that
Ctrl-C at the terminal reaches only the harness, which then decides how its children end. Nothing is
ever killed by name.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from harness.errors import UserError, failed
from harness.interpreter import PYTHON as PYTHON  # that of the package, for scripts it starts

# Signals that ask the harness to end.
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Finished:
    """`status` is as the shell would give it: 128 + n for a child ended by signal n."""

    status: int
    stdout: str
    stderr: str


def run_process(
    argv: Sequence[str],
    *,
    env: Optional[Mapping[str, str]] = None,
    cwd: Optional[Path] = None,
    stdin: Optional[str] = None,
    timeout_s: Optional[float] = None,
) -> Finished:
    """Runs `argv` to its end. `env` None means the harness's own environment, for tools such as meson;
    measured programs always get theirs spelt out. A program that cannot be started or overruns
    `timeout_s` is a `UserError`."""
    child: Optional[subprocess.Popen[str]] = None
    try:
        with signals_later():  # a child that was just forked must not be lost
            child = _start(argv, env, cwd, stdin is not None)
        out, err = child.communicate(stdin, timeout=timeout_s)
    except subprocess.TimeoutExpired as error:
        assert child is not None
        _end(child)
        raise failed(f"{argv[0]}: still running after {timeout_s:g} s; it was stopped") from error
    except BaseException:
        if child is not None:
            _end(child)
        raise
    return Finished(child.returncode if child.returncode >= 0 else 128 - child.returncode, out, err)


def _start(argv: Sequence[str], env: Optional[Mapping[str, str]], cwd: Optional[Path], fed: bool) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE if fed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise UserError(f"{error.filename or argv[0]}: not found; tools/setup installs what the lab needs") from error
    except OSError as error:
        raise failed(f"{argv[0]}: cannot be started ({error.strerror})") from error


@contextmanager
def signals_later() -> Iterator[None]:
    """Holds back Ctrl-C and its like until the end of the block, where the last one is obeyed. Not by a
    mask, which a child would inherit."""
    came: List[int] = []
    before: Dict[int, Any] = {}
    for sign in _ENDING:
        if callable(signal.getsignal(sign)) and threading.current_thread() is threading.main_thread():
            before[sign] = signal.signal(sign, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)
        if came:
            before[came[-1]](came[-1], None)


def _end(child: subprocess.Popen[str]) -> None:
    """Ends the child's whole group: first asked, after two seconds forced. A second Ctrl-C does not get in
    between, or the child would be left behind."""
    with signals_later():
        for sign in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(child.pid, sign)
            except ProcessLookupError:
                pass
            try:
                child.communicate(timeout=2)
                return
            except subprocess.TimeoutExpired:
                continue


def tail(text: str, lines: int = 12) -> str:
    """The last lines of a program's output, indented, for an error message."""
    kept = text.rstrip().splitlines()[-lines:]
    return "\n".join("    " + line for line in kept) if kept else "    (it printed nothing)"
