"""A path to the run's libraries that LD_PRELOAD can name.

The loader takes a blank or a colon for the end of a path. So where the run directory's own path has
one, its arms are named through a link in the folder for temporary files. Its name follows from the
directory, because a path of another length would move the stack between two goes at a run.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import sys
import tempfile
from pathlib import Path
from typing import Optional

from harness.errors import UserError

_ENDS_A_PATH = " :\t\n$"  # the loader also expands $ORIGIN and its like


def nameable(path: Path) -> bool:
    return not any(mark in str(path) for mark in _ENDS_A_PATH)


def preloadable(root: Path) -> Path:
    """`root`, or a link to it that the loader can read; it lasts until this process ends."""
    root = root.resolve()
    if nameable(root):
        return root
    link = _link_path(root)
    if link is None:
        raise UserError(f"{root}: LD_PRELOAD cannot name a path with a blank or a colon; choose another --results")
    _make(link, root)
    print(f"LD_PRELOAD cannot name {root}; the arms are loaded through {link}", file=sys.stderr)
    return link


def _link_path(root: Path) -> Optional[Path]:
    name = f"hz3-lab-{os.getuid()}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    places = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"))
    return next((place / name for place in places if place.is_dir() and nameable(place)), None)


def _make(link: Path, root: Path) -> None:
    """A link left behind by a run that was killed is taken over; anything else in its place is not ours."""
    try:
        os.symlink(root, link)
    except FileExistsError:
        ours = link.is_symlink() and link.lstat().st_uid == os.getuid() and os.readlink(link) == str(root)
        if not ours:
            raise UserError(f"{link}: is in the way of a link to {root}; remove it, or choose another --results") from None
    except OSError as error:
        raise UserError(f"{link}: cannot be made ({error.strerror}); choose a --results without blanks and colons") from error
    atexit.register(_remove, link)


def _remove(link: Path) -> None:
    try:
        os.unlink(link)
    except OSError:
        pass
