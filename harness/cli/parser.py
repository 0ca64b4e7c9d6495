"""The whole command line: every command, in the order of `--help`."""

from __future__ import annotations

import argparse

from harness.cli import figures, history, lists, machine, nightly, plan, records, run, truth
from harness.cli.commands import FORM, STATUSES, Commands, Parser

_TOP_HELP = """\
The lab: compares builds of hz3 and other allocators, and says GO, NO-GO or INCONCLUSIVE.

start with:
  python3 -m harness doctor         is this machine fit to measure?
  python3 -m harness list           experiments, variants, workloads, references
  python3 -m harness run s62 --quick
"""


def make_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="harness", description=_TOP_HELP, epilog=STATUSES, formatter_class=FORM)
    commands = Commands(parser)
    run.add_run(commands)
    run.add_scoreboard(commands)
    plan.add_plan(commands)
    records.add_records(commands)
    nightly.add_gate(commands)
    figures.add_compare(commands)
    history.add_history(commands)
    figures.add_table(commands)
    machine.add_doctor(commands)
    machine.add_peers(commands)
    truth.add_truth(commands)
    lists.add_lists(commands)
    return parser
