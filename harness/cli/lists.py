"""`schema` and `list`: what may be written in an experiment, and what there is to name."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import build_dir, json_option, print_json


def add_lists(commands: Commands) -> None:
    schema = commands.add("schema", _schema, "print the JSON schema of experiment files, for editors")
    schema.add_argument("--write", action="store_true", help="write it to experiments/experiment.schema.json")
    what = commands.add("list", _list, "list experiments, variants, workloads and references")
    what.add_argument("what", nargs="?", choices=("experiments", "variants", "workloads", "references"), help="only these")
    json_option(what)
    what.add_argument("--build", type=Path, metavar="DIR", help="build directory (default: build/ in the project)")


def _schema(args: argparse.Namespace) -> int:
    from harness.experiment import SCHEMA_FILE, editor_schema_text

    if not args.write:
        print(editor_schema_text(), end="")
        return 0
    (args.root / SCHEMA_FILE).write_text(editor_schema_text(), encoding="utf-8")
    print(args.root / SCHEMA_FILE)
    return 0


def _list(args: argparse.Namespace) -> int:
    from harness.run.overview import overview, overview_text

    lists = overview(args.root.resolve(), build_dir(args), args.what)
    if args.json:
        return print_json(lists)
    print(overview_text(lists))
    return 0
