"""How a command is added to the parser: its help, its statuses, its handler."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Callable, NoReturn

from harness.errors import EXIT_STATUSES
from harness.model import EXIT_BAD_INPUT

ROOT = Path(__file__).resolve().parent.parent.parent
FORM = argparse.RawDescriptionHelpFormatter
STATUSES = "exit status:\n" + "\n".join(f"  {status:>3}  {means}" for status, means in EXIT_STATUSES)


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Bad usage is bad input: status 4, as for everything a person can mend."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}; --help explains\n")


class Commands:
    """The commands of a parser, in the order in which `--help` shows them."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(self, name: str, handler: Callable[[argparse.Namespace], int], text: str, more: str = "") -> argparse.ArgumentParser:
        """`handler` gets what was typed and returns one of the documented statuses."""
        sub = self._commands.add_parser(name, help=text, description=more or text, epilog=STATUSES, formatter_class=FORM)
        sub.set_defaults(handler=handler)
        sub.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the project (default: where the harness lies)")
        return sub
