"""`python3 -m harness`: the right interpreter first, then the command line."""

import os
import sys


def _open_streams() -> None:
    """A stream that the caller has closed (`>&-`) is nothing, not an accident of the first file opened."""
    free = os.open(os.devnull, os.O_RDWR)
    while free <= 2:
        free = os.open(os.devnull, os.O_RDWR)
    os.close(free)
    sys.stdout = sys.stdout or open(os.devnull, "w")
    sys.stderr = sys.stderr or open(os.devnull, "w")


def _main() -> int:
    from harness import interpreter

    lacks = interpreter.ensure(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), sys.argv[1:])
    if lacks is not None:
        sys.stderr.write(lacks + "\n")
        return 5
    from harness.cli import main  # not before the interpreter is known to do

    return main()


def _start() -> int:
    """Python's own status after an exception would be that of NO-GO."""
    try:
        _open_streams()
        return _main()
    except BaseException as error:
        from harness import last_resort

        return last_resort.tell(error)


sys.exit(_start())
