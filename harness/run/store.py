"""Files that are either there whole or not there: written aside, flushed to disk, then renamed."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Iterator, NoReturn
from contextlib import contextmanager

from harness import warnings
from harness.errors import failed


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turns a full disk or a read-only place into a sentence."""
    try:
        yield
    except OSError as error:
        _tell(error, where)


def write_whole(path: Path, text: str) -> None:
    """Replaces `path` with `text` in one step that survives a crash or a power cut."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.tmp")
        try:
            with aside.open("w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(aside, path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        flush_folder(path.parent)


def move_whole(source: Path, target: Path) -> None:
    """Moves a finished file within one filesystem, its contents on disk before its name."""
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as stream:
            os.fsync(stream.fileno())
        os.replace(source, target)
        flush_folder(target.parent)


def flush_folder(folder: Path) -> None:
    """Makes a rename durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tell(error: OSError, where: Path) -> NoReturn:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise failed(warnings.text("disk-full", where=where.parent)) from error
    raise failed(f"{where}: cannot be written ({error.strerror}); check the place and its rights") from error
