"""Whether this Python can run the harness, and the one that can.

The packages are Debian's, so they belong to /usr/bin/python3; the first python3 on PATH is often another
one. Under an interpreter that lacks some the harness starts again under that one, once; where that does
not help it says what to type. Asked before anything else, because a package that is first missed by the
judge would be missed after hours of measuring. Written so that an old Python can read it.
"""

import importlib.util
import os
import sys
from typing import List, Optional, Sequence

PYTHON = "/usr/bin/python3"

LEAST_VERSION = (3, 10)

# Every package that any command imports; what is measured imports few of them.
PACKAGES = ("yaml", "pydantic", "elftools", "numpy", "scipy", "pandas", "matplotlib", "rich")

# Says that the harness was started again, so that it is not tried for ever.
AGAIN = "HZ3_LAB_STARTED_AGAIN"


def lacking() -> List[str]:
    """What this interpreter lacks, each a word or two; empty when it will do."""
    if sys.version_info < LEAST_VERSION:
        return ["Python %d.%d or later" % LEAST_VERSION]
    return ["package " + name for name in PACKAGES if not _there(name)]


def _there(name: str) -> bool:
    """Looked for, not imported: importing all takes a second."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, AttributeError, ValueError):  # a broken one is none
        return False


def complaint(lacks: Sequence[str]) -> str:
    """The sentence for a person who must act."""
    return "harness: %s lacks %s; type tools/setup to install what the lab needs, then use tools/run or %s -m harness" % (
        sys.executable or "this Python",
        ", ".join(lacks),
        PYTHON,
    )


def ensure(root: str, arguments: Sequence[str]) -> Optional[str]:
    """None when this interpreter will do; otherwise becomes the one that does, or returns a complaint.

    `root` is the folder that holds the package."""
    tried = os.environ.pop(AGAIN, None) is not None  # not to be inherited by children
    lacks = lacking()
    if not lacks:
        return None
    if tried:
        return complaint(lacks)
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONHOME", "PYTHONPATH", "PYTHONSTARTUP")}
    env.update({AGAIN: "1", "PYTHONPATH": root})
    try:
        os.execve(PYTHON, [PYTHON, "-m", "harness"] + list(arguments), env)
    except OSError:  # there is none
        return complaint(lacks)
