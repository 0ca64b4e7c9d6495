"""`gate`: the nightly question."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import base_ref_option, json_option, run_options
from harness.cli.request import request
from harness.errors import UserError

_GATE_HELP = """\
Asks whether anything has become worse since a base: runs every lane of EXPERIMENT (its section `nightly`
says how) in few blocks, then the suspicious lanes alone in fresh blocks, with the error shared among them.
When nothing has changed it says NO-GO in at most 5 % of nights, over all lanes together.

Answers GO (nothing confirmed; also when base and treat are the same bytes), NO-GO (a regression confirmed,
or the treatment crashed where base did not), INCONCLUSIVE (a suspicion neither confirmed nor cleared),
VOID. Goes on with what the same command began on the same night. Files: results/nights/.

examples:
  python3 -m harness gate nightly --base-ref origin/main~1 --junit junit.xml --report nightly.md
  python3 -m harness gate nightly --base s61 --only idle_joined
"""


def add_gate(commands: Commands) -> None:
    parser = commands.add("gate", _gate, "the nightly gate: has any lane become worse than the base", _GATE_HELP)
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a YAML file, or a name in experiments/; nightly is made for this")
    base = parser.add_mutually_exclusive_group()
    base_ref_option(base)
    base.add_argument("--base", metavar="VARIANT", help="another variant of the tree as base")
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="LANE", help="only these workloads")
    parser.add_argument("--night", metavar="DATE", help="YYYY-MM-DD: names the night and decides its plan (default: today, UTC)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML for a CI system")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the page goes (default: in results/nights/)")
    json_option(parser)
    run_options(parser)


def _gate(args: argparse.Namespace) -> int:
    from datetime import date, datetime, timezone

    from harness.nightly.command import GateRequest, run_gate
    from harness.run.command import find_experiment

    try:
        night = date.fromisoformat(args.night) if args.night else datetime.now(timezone.utc).date()
    except ValueError as error:
        raise UserError(f"--night {args.night}: is no date; write YYYY-MM-DD") from error
    args.quick, args.aa, args.blocks, args.allocator, args.mimalloc_bench = False, False, None, [], None
    file = find_experiment(args.experiment, args.root)
    asked = request(args, file, ["python3", "-m", "harness", *args.typed])
    return run_gate(GateRequest(asked, night.isoformat(), args.base, args.junit, args.report, args.json))
