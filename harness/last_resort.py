"""What becomes of an exception that nobody foresaw: one sentence, a traceback kept aside, status 5.

Python itself ends with status 1 after an exception, which here means NO-GO; so nothing may get past
this. It imports nothing of the package but constants, asks for little memory and little stack, and is
deaf to Ctrl-C while it speaks: the third exception in a row must not win either.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import tempfile
import traceback
from typing import Optional, TextIO

from harness.model import EXIT_FAILED, EXIT_INTERRUPTED

# Set to 1: the traceback goes to stderr as well.
SHOW = "HZ3_LAB_TRACEBACK"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def tell(error: BaseException) -> int:
    """Tells of `error` as far as that is possible; the exit status of the process."""
    deafen()
    if isinstance(error, KeyboardInterrupt):
        _say("harness: interrupted")
        return EXIT_INTERRUPTED
    try:
        _say(f"harness: {_sentence(error)}; {keep_trace(error)}")
    except BaseException:  # even saying it fails: the status still stands
        pass
    return EXIT_FAILED


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno in _FULL:
        where = f" (writing {error.filename})" if error.filename else ""
        return f"no space is left on a disk{where}; free some and type the command again"
    if isinstance(error, MemoryError):
        return "no memory is left for the harness itself; end other programs and type the command again"
    if isinstance(error, ImportError):
        return f"{sys.executable} cannot import {error.name or 'a package'} ({error}); type tools/setup, which installs what is missing"
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; check the place and its rights"
    told = "an attempt to exit" if isinstance(error, SystemExit) else " ".join(str(error).split())[:200]
    return f"a defect of the harness, not of what was typed ({type(error).__name__}: {told}{_place(error)})"


def _place(error: BaseException) -> str:
    """`, cli.py:120`: the innermost frame; found without building the whole trace."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f", {os.path.basename(at.tb_frame.f_code.co_filename)}:{at.tb_lineno}" if at is not None else ""


def keep_trace(error: BaseException) -> str:
    """Writes the traceback into the folder for temporary files, and says where."""
    if os.environ.get(SHOW) == "1":
        traceback.print_exception(type(error), error, error.__traceback__, limit=-50, file=sys.stderr)
    try:
        handle, path = tempfile.mkstemp(prefix="hz3-lab-traceback-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            traceback.print_exception(type(error), error, error.__traceback__, limit=-50, file=stream)
    except BaseException:
        return f"no traceback could be kept, {SHOW}=1 shows it"
    return f"the traceback is in {path}"


def deafen() -> None:
    """From here on the process ends with the status it has; Ctrl-C comes too late to change it."""
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        try:
            signal.signal(sign, signal.SIG_IGN)
        except ValueError:  # not the main thread
            return


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except BaseException:
        pass


def flushed(stream: Optional[TextIO]) -> Optional[OSError]:
    """Writes out what `stream` holds. A stream that cannot be written is pointed at nothing, so that Python
    does not try once more at its end and give a status of its own."""
    if stream is None or stream.closed:
        return None
    try:
        stream.flush()
    except OSError as error:
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, ValueError):
            pass
        return error
    return None
