"""`judge`, `report` and `publish`: what is made of a run that has been measured."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import json_option


def add_records(commands: Commands) -> None:
    for name, handler, text in (
        ("judge", _judge, "judge a run again from its records; prints the verdict"),
        ("report", _report, "write the report of a run again from its records"),
    ):
        records = commands.add(name, handler, text)
        records.add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
        if name == "judge":
            json_option(records)
    publish = commands.add("publish", _publish, "judge a finished run once more, and keep it in results/published, for git")
    publish.add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
    publish.add_argument("--to", type=Path, metavar="DIR", help="default: results/published in the project")


def _judge(args: argparse.Namespace) -> int:
    from harness.run.command import judge_again

    return judge_again(args.dir, args.root, args.json)


def _report(args: argparse.Namespace) -> int:
    from harness.report import build_report

    print(build_report(args.dir))
    return 0


def _publish(args: argparse.Namespace) -> int:
    from harness.report import publish

    print(publish(args.dir, args.to or args.root / "results" / "published"))
    return 0
