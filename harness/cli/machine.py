"""`doctor` and `peers`: is this machine fit to measure, and newer references for it."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness.cli.commands import Commands
from harness.cli.options import json_option, print_json
from harness.errors import UserError

_PEERS_HELP = """\
Builds a release of a reference allocator that is newer than the system's, into
$XDG_CACHE_HOME/hz3-lab/peers (outside the tree; no experiment needs it), and prints the option that
measures it. The source is the source package of a suite of Debian's archive (--suite; read by an apt of
our own, which leaves the system's alone), a repository (--git), or an unpacked folder (--source).

examples:
  tools/peers --list
  tools/peers mimalloc
  tools/peers gperftools --suite testing
  tools/peers rpmalloc --git URL
  tools/peers jemalloc --version 5.2.1 --source DIR
"""


def add_doctor(commands: Commands) -> None:
    json_option(commands.add("doctor", _doctor, "say what this machine can measure, what is odd, and what to do (exit status 0 or 3)"))


def add_peers(commands: Commands) -> None:
    peers = commands.add("peers", _peers, "build a newer release of a reference allocator from source", _PEERS_HELP)
    peers.add_argument("name", nargs="?", metavar="NAME", help="the allocator; see --list")
    peers.add_argument("--list", action="store_true", help="what can be built, and what is")
    peers.add_argument("--version", metavar="V", help="another release than the one in the list")
    peers.add_argument("--suite", default="sid", metavar="SUITE", help="of Debian's archive, for the source package (default: sid)")
    where = peers.add_mutually_exclusive_group()
    where.add_argument("--git", metavar="URL", help="fetch the release's tag from this repository")
    where.add_argument("--source", type=Path, metavar="DIR", help="build this unpacked source")
    peers.add_argument("--again", action="store_true", help="build even if it is in the cache")


def _doctor(args: argparse.Namespace) -> int:
    from harness.doctor.checks import as_json, examine, exit_status, render

    findings = examine(args.root.resolve())
    if args.json:
        print_json(as_json(findings))
    else:
        print(render(findings))
    return exit_status(findings)


def _peers(args: argparse.Namespace) -> int:
    from harness.peers.build import build, listing, option, recipe_of
    from harness.peers.locate import cache
    from harness.peers.sources import Wanted

    if args.list:
        print(listing())
        return 0
    if args.name is None:
        raise UserError("peers: name an allocator, or give --list; --help explains")
    recipe = recipe_of(args.name)
    wanted = Wanted(recipe, args.version or recipe.version, args.suite, cache(), args.git, args.source)
    print(option(f"{recipe.name}-{wanted.version}", build(wanted, again=args.again)))
    return 0
