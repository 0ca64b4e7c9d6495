"""`judge`, `report`, `publish` and `index`: what is made of a run that has been measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import json_option


def add_records(commands: Commands) -> None:
    judge = commands.add("judge", _judge, "judge a run again from its records; prints the verdict")
    judge.add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
    json_option(judge)
    report = commands.add("report", _report, "write the report of runs or publications again from their records")
    report.add_argument("dirs", type=Path, nargs="+", metavar="DIR", help="results/<experiment>/<run>, or results/published/<experiment>")
    publish = commands.add("publish", _publish, "judge a finished run once more, and keep it in results/published, for git")
    publish.add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
    publish.add_argument("--to", type=Path, metavar="DIR", help="default: results/published in the project")
    index = commands.add("index", _index, "write the page over all publications again (publish does it too)")
    index.add_argument("--of", type=Path, metavar="DIR", help="default: results/published in the project")


def _judge(args: argparse.Namespace) -> int:
    from harness.run.command import judge_again

    return judge_again(args.dir, args.root, args.json)


def _report(args: argparse.Namespace) -> int:
    from harness.report import build_report

    for run_dir in args.dirs:
        print(build_report(run_dir))
    return 0


def _publish(args: argparse.Namespace) -> int:
    from harness.report import publish

    print(publish(args.dir, args.to or args.root / "results" / "published"))
    return 0


def _index(args: argparse.Namespace) -> int:
    from harness.report import write_index

    print(write_index(args.of or args.root / "results" / "published"))
    return 0
