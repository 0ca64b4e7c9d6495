"""`truth`: how often verdicts are wrong, by simulation, and on real builds with known defects."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import build_dir, results_dir, results_option

_TRUTH_HELP = """\
Puts thousands of made-up experiments, of which the truth is known, through the real plan, records, looks
and judge, and counts wrong answers: for every kind of gate, several effects and kinds of noise, one look
and several. Also what looking early saves in blocks, and how other ways to share the error would do.
Writes truth.md, cells.csv, looks.csv and a plot. The same seed gives the same figures. Exit status 0 when
every error rate keeps to 5 %, 1 when one is above it beyond doubt.

With --real short real experiments instead, on builds whose defects are known (results/truth-real, real.md,
rounds.csv). Status 2 while rounds are missing; the same command goes on where it stopped.
"""


def add_truth(commands: Commands) -> None:
    truth = commands.add("truth", _truth, "measure how often verdicts are wrong, by simulation", _TRUTH_HELP)
    truth.add_argument("--quick", action="store_true", help="40 experiments a cell instead of 2000: does it work at all")
    truth.add_argument("--runs", type=int, metavar="N", help="experiments a cell")
    truth.add_argument("--seed", type=int, metavar="N", help="of all figures (default: that of the published table)")
    truth.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a CPU)")
    truth.add_argument("--to", type=Path, metavar="DIR", help="default: results/published/truth, with --quick results/truth")
    results_option(truth)
    text = "real experiments on builds with known defects instead (default: experiments/truth.yaml); --runs caps those of a case"
    truth.add_argument("--real", nargs="?", const="truth", metavar="EXPERIMENT", help=text)
    truth.add_argument("--minutes", type=float, metavar="M", help="with --real: begin no experiment after so long; go on another time")
    truth.add_argument("--build", type=Path, metavar="DIR", help="with --real: build directory (default: build/ in the project)")
    truth.add_argument("--wait", action="store_true", help="with --real: wait for a run that measures on this machine")


def _truth(args: argparse.Namespace) -> int:
    from harness.truth.command import QUICK_RUNS, RUNS, SEED, run_truth

    if args.real is not None:
        return _real(args)
    dest = args.to or args.root / "results" / ("truth" if args.quick else "published/truth")
    runs = args.runs if args.runs is not None else QUICK_RUNS if args.quick else RUNS
    seed = SEED if args.seed is None else args.seed
    return run_truth(dest, runs, seed, args.jobs, ["python3", "-m", "harness", *args.typed])


def _real(args: argparse.Namespace) -> int:
    from harness.run.command import find_experiment
    from harness.truth.real import RealRequest, run_real

    dest = (args.to or args.root / "results" / "truth-real").resolve()
    file, command = find_experiment(args.real, args.root), ["python3", "-m", "harness", *args.typed]
    asked = RealRequest(file, args.root.resolve(), build_dir(args), dest, results_dir(args), command, args.runs, args.minutes, args.wait)
    return run_real(asked)
