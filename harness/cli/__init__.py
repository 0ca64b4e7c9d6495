"""The command line: `python3 -m harness COMMAND`. Parses, dispatches, and turns mistakes into sentences.

A file a command, or a few that are alike: what it says in `--help`, its options, and the handler that
calls the package which does the work. Nothing heavy is imported until a command needs it, so that
`--help` is instant and the process that measures stays small.
"""

from harness.cli.entry import main

__all__ = ["main"]
