"""`history`: how ratios went over runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import json_option, results_dir, results_option

_HISTORY_HELP = """\
Shows how the ratios of gates went over the runs of this project: a sparkline, the newest run, and every
change point (E-divisive, 1 %). A series holds runs of one gate with the same work on the same machine.
Kept in results/history.csv, a line a gate and run, added when a run ends; results/history.sqlite is an
index made from it, for questions in SQL.

examples:
  python3 -m harness history
  python3 -m harness history nightly-screen --gate larson.ops_per_s --plot larson.svg
"""


def add_history(commands: Commands) -> None:
    past = commands.add("history", _history, "how ratios went over runs, with change points", _HISTORY_HELP)
    past.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="only its gates (a night has two: nightly-screen, -confirm)")
    past.add_argument("--gate", metavar="ID", help="only this gate")
    past.add_argument("--plot", type=Path, metavar="FILE", help="draw it too, to a .svg or .png")
    json_option(past)
    results_option(past)


def _history(args: argparse.Namespace) -> int:
    from harness.history.command import HistoryRequest, history

    print(history(HistoryRequest(results_dir(args), args.experiment, args.gate, args.json, args.plot)), end="")
    return 0
