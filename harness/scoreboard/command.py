"""`harness scoreboard`: runs every lane there is, and writes the table."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import List, Sequence, Tuple

from harness.errors import UserError
from harness.experiment import MoreLanes, apply_quick, load_experiment
from harness.model import Verdict
from harness.peers.catalogue import PEERS
from harness.peers.locate import find
from harness.run.command import RunRequest, run_to_verdict, shown_path, stored_run
from harness.run.directory import VERDICT, RunDirectory

EXPERIMENT = Path("experiments/scoreboard.yaml")
REAL_PROGRAMS = Path("experiments/real_programs.yaml")
WIDE = Path("experiments/scoreboard_wide.yaml")


def real_programs(root: Path) -> MoreLanes:
    """The lanes of real_programs.yaml; which of them can run is found out like for any lane."""
    experiment = load_experiment(root / REAL_PROGRAMS)
    quick = apply_quick(experiment).workloads
    changed = {lane: w.args for lane, w in quick.items() if w.args != experiment.workloads[lane].args}
    return MoreLanes(str(REAL_PROGRAMS), experiment.workloads, changed)


def newest_peers(given: Sequence[str]) -> Tuple[List[str], List[str]]:
    """The releases that tools/peers has built, as --allocator would name them, and a sentence for each that
    is not built. One that is `given` already stays as it is."""
    named = {text.partition("=")[0] for text in given}
    found, missing = [], []
    for peer in PEERS.values():
        if peer.built is None or peer.name in named:
            continue
        path = find(peer)
        if path is not None:
            found.append(f"{peer.name}={path}")
        else:
            missing.append(f"{peer.name} is not built (tools/peers {peer.built}), so it has no column")
    return found, missing


def widened(request: RunRequest) -> RunRequest:
    """`--wide`: the lanes of scoreboard_wide.yaml, and a column for every newest release that is built."""
    built, missing = newest_peers(request.allocators)
    for text in missing:
        print(text, file=sys.stderr)
    wide = load_experiment(request.root / WIDE)
    return replace(
        request, allocators=[*request.allocators, *built], more=[*request.more, MoreLanes(str(WIDE), wide.workloads, {})]
    )


def run_scoreboard(request: RunRequest, dest: Path, wide: bool = False) -> int:
    """Runs the experiment to its end and writes the table; the exit status is the experiment's."""
    if wide:
        request = widened(request)
    more: List[MoreLanes] = [*request.more]
    if (request.root / REAL_PROGRAMS).is_file():
        more.insert(0, real_programs(request.root))
    verdict, where = run_to_verdict(replace(request, more=more))
    print(f"scoreboard: {shown_path(write_scoreboard(where, dest), request.root)}")
    return verdict.exit_status


def write_scoreboard(where: Path, dest: Path) -> Path:
    """The table of a finished run, from its records alone."""
    from harness.scoreboard.board import make_board  # these need numpy and matplotlib
    from harness.scoreboard.publish import publish_scoreboard

    experiment, blocks, _ = stored_run(where)
    if not (where / VERDICT).exists():
        raise UserError(f"{where}: is not finished; run tools/scoreboard again, it continues")
    directory = RunDirectory(where)
    verdict = Verdict.from_json(directory.read(VERDICT))
    board = make_board(where, experiment, blocks, directory.manifest())
    return publish_scoreboard(board, verdict, where, dest)


def rewrite(where: Path, dest: Path) -> int:
    """`--from`: the table again, without measuring; the status is that of the run."""
    print(write_scoreboard(where, dest))
    return Verdict.from_json(RunDirectory(where).read(VERDICT)).exit_status
