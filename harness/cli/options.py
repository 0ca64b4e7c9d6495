"""Options that several commands share, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from harness.model import json_text

if TYPE_CHECKING:
    from harness.experiment import RunOptions


def base_ref_option(parser: argparse._ActionsContainer) -> None:
    text = "build base from this commit (a branch, a tag, HEAD~3, …), checked out outside the tree"
    parser.add_argument("--base-ref", metavar="REF", help=text)


def run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true", help="begin a new run even if an unfinished one exists")
    parser.add_argument("--wait", action="store_true", help="wait for a run that measures on this machine; else it is a refusal")
    parser.add_argument("--build", type=Path, metavar="DIR", help="build directory (default: build/ in the project)")
    results_option(parser)


def json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs; the status is the same")


def results_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, metavar="DIR", help="where runs are kept (default: results/ in the project)")


def experiment_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a YAML file, or a name in experiments/")
    parser.add_argument("--aa", action="store_true", help="base against a copy of itself: shows the noise of the machine")
    lane_options(parser)


def lane_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="the quick profile of the experiment: few blocks, small arguments")
    parser.add_argument("--blocks", type=int, metavar="N", help="exactly N measured blocks, one look")
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="LANE", help="only these workloads")
    parser.add_argument(
        "--allocator", action="append", default=[], metavar="NAME=PATH[,VAR=VALUE…]",
        help="a library as a further reference, or in place of one, with its settings"
    )
    parser.add_argument(
        "--mimalloc-bench", type=Path, metavar="DIR", help="add the programs of a built mimalloc-bench checkout as lanes"
    )


def options(args: argparse.Namespace) -> RunOptions:
    from harness.experiment import RunOptions

    return RunOptions(quick=args.quick, aa=args.aa, blocks=args.blocks, only=tuple(args.only))


def build_dir(args: argparse.Namespace) -> Path:
    return Path(args.build or args.root / "build").resolve()


def results_dir(args: argparse.Namespace) -> Path:
    return Path(args.results or args.root / "results").resolve()


def print_json(data: object) -> int:
    print(json_text(data), end="")
    return 0
