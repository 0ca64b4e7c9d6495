"""From what was typed to an exit status; nothing gets past this without one."""

from __future__ import annotations

import sys
from typing import List, Optional, Sequence

from harness import last_resort
from harness.cli.parser import make_parser
from harness.errors import EXIT_BROKEN_PIPE, EXIT_STATUSES, UserError
from harness.model import EXIT_BAD_INPUT, EXIT_FAILED


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Returns the exit status, one of EXIT_STATUSES. A mistake is told on stderr without a traceback, and
    nothing whatever gets past this: Python's own status after an exception is that of NO-GO."""
    try:
        status = _answered(argv)
    except BaseException as error:  # also what the handlers of other exceptions raised
        status = last_resort.tell(error)
    try:
        last_resort.deafen()
        return _written(status)
    except BaseException as error:
        return last_resort.tell(error)


def _answered(argv: Optional[Sequence[str]]) -> int:
    typed: List[str] = list(sys.argv[1:] if argv is None else argv)
    try:
        args = make_parser().parse_args(typed)
    except SystemExit as error:  # argparse has spoken: help, or bad usage
        return EXIT_BAD_INPUT if error.code else 0
    args.typed = typed
    from harness.experiment.source import ExperimentError

    try:
        return _documented(args.handler(args))
    except UserError as error:
        print(f"harness: {error.message}", file=sys.stderr)
        return error.exit_status
    except ExperimentError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE


def _documented(status: object) -> int:
    """A handler that ends with anything else has a defect; as 256, or None, it would look like GO."""
    if type(status) is not int or status not in dict(EXIT_STATUSES):
        raise RuntimeError(f"a command ended with the status {status!r}")
    return status


def _written(status: int) -> int:
    """The status once all output is out; an answer that nobody can have read is no answer."""
    error = last_resort.flushed(sys.stdout)
    if isinstance(error, BrokenPipeError):
        status = EXIT_BROKEN_PIPE  # the reader went away (`| head`); nothing more can be said
    elif error is not None:
        print(f"harness: the answer cannot be written to standard output ({error.strerror})", file=sys.stderr)
        status = EXIT_FAILED
    last_resort.flushed(sys.stderr)
    return status
