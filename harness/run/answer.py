"""The answer of a run on standard output: given as soon as it is known, and true whatever happens then.

Tables, plots and reports are made from the records and can be made again; a verdict that hours were
spent on must not be lost because the disk is full when they are written.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import Iterator, Optional

from harness import last_resort
from harness.errors import Interrupted, UserError, failed
from harness.model import Verdict


def print_verdict(verdict: Verdict) -> None:
    """The answer on stdout: what must be read with it, the judge's reasons, the experiment's status."""
    for line in verdict.headline:
        print(f"! {line}")
    for reason in verdict.reasons:
        if reason not in verdict.headline:
            print(f"  {reason}")
    print(f"{verdict.status.value}: {verdict.experiment_id}, {verdict.blocks} blocks, {verdict.runs} runs", flush=True)


class Answer:
    """Gives one verdict."""

    def __init__(self) -> None:
        self.given: Optional[Verdict] = None
        self._unsaid: Optional[OSError] = None

    def give(self, verdict: Verdict) -> None:
        """Prints it. That the reader has gone away is raised only at the end, by `said`, because the files
        are still to be written."""
        self.given = verdict
        try:
            print_verdict(verdict)
        except OSError as error:
            self._unsaid = error

    def said(self) -> None:
        """Raises what kept the verdict from being printed."""
        if self._unsaid is not None:
            raise self._unsaid

    @contextmanager
    def stands(self) -> Iterator[None]:
        """Around all that is written once the verdict may be known: a failure then says that it stands."""
        try:
            yield
        except (KeyboardInterrupt, Interrupted):
            raise
        except Exception as error:
            if self.given is None:
                raise
            raise failed(
                f"the verdict {self.given.status.value} stands, but its tables or its report could not be written: {_why(error)}\n"
                "  every block is kept; when this is mended, the same command writes them and measures nothing again"
            ) from error


def _why(error: Exception) -> str:
    if isinstance(error, UserError):
        return error.message
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error}; {last_resort.keep_trace(error)}"
