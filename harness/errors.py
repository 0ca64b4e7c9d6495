"""The one exception a person may cause, and the exit statuses they can rely on.

A mistake in an experiment, a missing package or a failing workload is told in sentences that say
what is wrong and what to do. `cli.main` is the only place that catches `UserError`; anything else that is raised is a
defect of the harness, and `last_resort` sees to it that it cannot pass for an answer.
"""

from __future__ import annotations

from harness.model import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED

# As the shell gives it for a program ended by SIGPIPE.
EXIT_BROKEN_PIPE = 128 + 13

EXIT_STATUSES = (
    (0, "GO, or a complete table"),
    (1, "NO-GO, by a gate or because the treatment failed where base did not"),
    (2, "INCONCLUSIVE: the interval still holds both answers"),
    (3, "VOID: the run proves nothing (evidence missing, same bytes, A/A or machine disqualifies)"),
    (4, "bad input: experiment, variant, option, peer or run directory; nothing was measured"),
    (5, "the build or the runner failed, a file could not be written, or the harness has a defect"),
    (6, "PARTIAL: every gate that was asked holds, but --only left others out"),
    (130, "interrupted; the same command continues the run"),
    (EXIT_BROKEN_PIPE, "the reader of the output went away"),
)


class UserError(Exception):
    """Told to the person as it stands; `exit_status` is the status of the process."""

    def __init__(self, message: str, exit_status: int = EXIT_BAD_INPUT) -> None:
        super().__init__(message)
        self.message = message
        self.exit_status = exit_status


def failed(message: str) -> UserError:
    """A build, the runner or a workload that did not do its work."""
    return UserError(message, EXIT_FAILED)


class Interrupted(UserError):
    """Ctrl-C or SIGTERM; what is complete has been kept."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_INTERRUPTED)
