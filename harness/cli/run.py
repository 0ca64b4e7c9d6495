"""`run` and `scoreboard`: measure an experiment, or every lane under every allocator."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import base_ref_option, experiment_options, lane_options, run_options
from harness.cli.request import request

_RUN_HELP = """\
Runs an experiment: builds its variants, proves that they differ as declared, runs base, treatment and
references interleaved in randomised blocks, judges, and writes a report.

EXPERIMENT is a file, or the name of one in experiments/. A run of the same experiment with the same
options continues an unfinished run directory; blocks that are complete are kept, a half block is made
anew. Figures go to results/<experiment>/<run>/: start with report.md. The answer is printed before these
are written. One run measures on a machine at a time; a second is refused, or waits (--wait).

examples:
  tools/run s62 --quick             six blocks with small arguments: does it work at all
  tools/run s62                     the experiment as declared
  tools/run s62 --only idle         one lane
  tools/run s62 --aa                base against its own copy: how noisy is this machine
  tools/run s62 --allocator mi3=/opt/mi/libmimalloc.so    one more reference, any library
"""

_SCOREBOARD_HELP = """\
Runs hz3's default build and every reference in every lane of experiments/scoreboard.yaml and, as far as
their programs are installed, of experiments/real_programs.yaml; then writes results/published/scoreboard.md,
.svg and .png. --wide adds the lanes of experiments/scoreboard_wide.yaml and a column for every newest release
that tools/peers has built. Continues an unfinished run like `run` does. An older scoreboard is moved aside, not lost.
"""


def add_run(commands: Commands) -> None:
    run = commands.add("run", _run, "run an experiment to its verdict", _RUN_HELP)
    experiment_options(run)
    run_options(run)
    base_ref_option(run)
    run.add_argument(
        "--extend", action="store_true", help="double the blocks of the newest run of this plan, which ended INCONCLUSIVE, and look again"
    )


def add_scoreboard(commands: Commands) -> None:
    board = commands.add("scoreboard", _scoreboard, "run every lane under every allocator; write one table and a plot", _SCOREBOARD_HELP)
    board.add_argument("--wide", action="store_true", help="also the lanes of scoreboard_wide.yaml, and the newest releases that tools/peers has built")
    lane_options(board)
    run_options(board)
    board.add_argument("--to", type=Path, metavar="DIR", help="where the table goes (default: results/published in the project)")
    board.add_argument("--from", dest="made", type=Path, metavar="RUN", help="write the table of a finished run again")


def _run(args: argparse.Namespace) -> int:
    from harness.run.command import find_experiment, run_command

    return run_command(request(args, find_experiment(args.experiment, args.root), ["python3", "-m", "harness", *args.typed]))


def _scoreboard(args: argparse.Namespace) -> int:
    from harness.scoreboard.command import EXPERIMENT, rewrite, run_scoreboard

    dest = args.to or args.root / "results" / "published"
    if args.made is not None:
        return rewrite(args.made, dest)
    args.aa = False
    return run_scoreboard(request(args, args.root / EXPERIMENT, ["tools/scoreboard", *args.typed[1:]]), dest, args.wide)
