"""Locks between harnesses: one run measures on a machine at a time, and one run has a build tree.

Two runs at once would measure each other, and a build that begins while programs of the same tree are
measured would exchange them between two blocks. Both are kernel locks (flock) on a file: they end with
the process that holds them, however it ends, so that nothing has to be cleaned up. What the file holds
is only told to those who find it locked.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Optional

from harness.errors import UserError, failed

# The folder of the machine's lock instead of /run/lock; for tests, which measure nothing.
FOLDER = "HZ3_LAB_LOCKS"

_MACHINE = "hz3-lab-measuring.lock"
_BUILD = ".hz3-lab.lock"


def machine_lock() -> Path:
    """The same for every user where there is a common folder; else one for each."""
    chosen = os.environ.get(FOLDER)
    if chosen:
        return Path(chosen) / _MACHINE
    common = Path("/run/lock")
    if common.is_dir() and os.access(common, os.W_OK | os.X_OK):
        return common / _MACHINE
    return Path(tempfile.gettempdir()) / f"hz3-lab-measuring-{os.getuid()}.lock"


def build_lock(build: Path) -> Path:
    return build / _BUILD


@contextmanager
def held(path: Path, what: str, who: str, *, wait: bool) -> Iterator[None]:
    """Holds the lock `path` on `what`; `who` is told to others who want it. One that is held already is
    refused, or with `wait` waited for."""
    handle = _open(path)
    try:
        _take(handle, path, what, wait)
        _sign(handle, f"pid {os.getpid()}, {who}\n")
        yield
    finally:
        os.close(handle)  # and with it the lock


def _take(handle: int, path: Path, what: str, wait: bool) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EACCES):
            raise failed(f"{path}: cannot be locked ({error.strerror}); {FOLDER}=DIR names another folder") from error
    holder = _holder(handle)
    if not wait:
        raise UserError(f"{what} is in use by another harness ({holder}); wait for it to end, or give --wait to be served then")
    print(f"waiting for {what}, which is in use by another harness ({holder})", file=sys.stderr, flush=True)
    fcntl.flock(handle, fcntl.LOCK_EX)


def _open(path: Path) -> int:
    """Never follows a link, and never creates over a file of somebody else: the folder may be everybody's."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for flags in (os.O_RDWR, os.O_RDWR | os.O_CREAT | os.O_EXCL, os.O_RDWR, os.O_RDONLY):
            handle = _opened(path, flags)
            if handle is not None:
                break
        else:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
    except OSError as error:
        raise failed(f"{path}: the lock cannot be made ({error.strerror}); mend the place, or name another folder with {FOLDER}=DIR") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise failed(f"{path}: the lock is no plain file; move it away")
    return handle


def _opened(path: Path, flags: int) -> Optional[int]:
    try:
        handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    except (FileNotFoundError, FileExistsError, PermissionError):
        return None  # the next way
    if flags & os.O_CREAT:
        os.fchmod(handle, 0o666)  # other users lock it too, whatever the umask
    return handle


def _holder(handle: int) -> str:
    try:
        text = os.pread(handle, 300, 0).decode("utf-8", "replace")
    except OSError:
        text = ""
    shown = "".join(mark if mark.isprintable() else "?" for mark in text.partition("\n")[0])
    return shown or "it does not say which"


def _sign(handle: int, text: str) -> None:
    """Best effort: the lock holds without it."""
    try:
        os.ftruncate(handle, 0)
        os.pwrite(handle, text.encode("utf-8", "replace"), 0)
    except OSError:
        pass
