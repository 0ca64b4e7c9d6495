"""`table` and `compare`: the figures of runs, to paste or to parse."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from harness.cli.commands import Commands
from harness.cli.options import results_dir, results_option

if TYPE_CHECKING:
    from harness.tables.command import TableRequest

_TABLE_HELP = """\
Prints the figures of runs as a table to paste. RUN is a run's directory, a publication's, or the name
of an experiment: then its publication, else its newest finished run. Names of lanes, arms and metrics
may be patterns ('rss_*'). Ratios are those of the same blocks; where a gate asked, they are the gate's.
Markdown has units; csv and json hold the plain values (KiB, seconds, per second), null where none is.

forms:
  medians   rows lanes and metrics, columns arms
  arms      the same with each arm's ratio to --against: a treatment built up step by step
  ab        base, treatment, ratio with interval, the gate's answer
  cycles    memory cycle by cycle (default: rss_idle_kb), a row an arm

examples:
  python3 -m harness table s62
  python3 -m harness table s59_2 --form cycles --metric rss_idle_kb --metric rss_held_kb
  python3 -m harness table s62 s61 --form ab --format csv > ab.csv
"""

_COMPARE_HELP = """\
Prints two runs side by side: of each lane, metric and arm the ratio to --against inside run A and inside
run B, and whether their intervals are apart. Refused (status 4) when the machine, a lane's program or
arguments, or the schema differ. RUN is as for `table`.

examples:
  python3 -m harness compare results/s62/FIRST results/s62/SECOND
  python3 -m harness compare s62 results/s62/SECOND --metric rss_idle_kb --json
"""


def add_table(commands: Commands) -> None:
    parser = commands.add("table", _table, "print the figures of runs as a table to paste", _TABLE_HELP)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a directory of a run or publication, or an experiment")
    parser.add_argument("--form", choices=("medians", "arms", "ab", "cycles"), default="medians", help="default: medians")
    _figures_options(parser)


def add_compare(commands: Commands) -> None:
    pair = commands.add("compare", _compare, "two runs side by side, ratios beside ratios", _COMPARE_HELP)
    pair.add_argument("runs", nargs=2, metavar="RUN", help="a directory of a run or publication, or an experiment")
    _figures_options(pair)


def _figures_options(parser: argparse.ArgumentParser) -> None:
    """Which figures, in what format."""
    parser.add_argument("--format", choices=("md", "csv", "json"), default="md", help="default: md")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    for name in ("lane", "arm", "metric"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar=name.upper(), help=f"only this {name}; may be repeated")
    parser.add_argument("--against", default="base", metavar="ARM", help="the arm that ratios are to (default: base)")
    results_option(parser)


def _table(args: argparse.Namespace) -> int:
    from harness.tables.command import table

    print(table(_table_request(args, args.form)), end="")
    return 0


def _compare(args: argparse.Namespace) -> int:
    from harness.tables.command import comparison

    text, notes = comparison(_table_request(args, "ab"))
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(text, end="")
    return 0


def _table_request(args: argparse.Namespace, form: str) -> TableRequest:
    from harness.tables.choice import Choice
    from harness.tables.command import TableRequest

    choice = Choice(tuple(args.lane), tuple(args.arm), tuple(args.metric))
    return TableRequest(args.runs, args.root, results_dir(args), form, args.format, choice, args.against)
