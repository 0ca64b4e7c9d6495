"""What was typed, as the request that the lab runs."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, List

from harness.cli.options import build_dir, options, results_dir

if TYPE_CHECKING:
    from harness.experiment import MoreLanes
    from harness.run.command import RunRequest


def request(args: argparse.Namespace, file: Path, command: List[str]) -> RunRequest:
    from harness.run.command import RunRequest

    return RunRequest(
        file=file,
        root=args.root.resolve(),
        build=build_dir(args),
        results=results_dir(args),
        options=options(args),
        allocators=args.allocator,
        fresh=args.fresh,
        command=command,
        more=more_lanes(args),
        extend=getattr(args, "extend", False),
        wait=args.wait,
        base_ref=getattr(args, "base_ref", None),
    )


def more_lanes(args: argparse.Namespace) -> List[MoreLanes]:
    if args.mimalloc_bench is None:
        return []
    from harness.mimalloc_bench import lanes_of_checkout

    return [lanes_of_checkout(args.mimalloc_bench, len(os.sched_getaffinity(0)))]
