"""`harness scoreboard`: runs every lane there is, and writes the table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import List

from harness.errors import UserError
from harness.experiment import MoreLanes, apply_quick, load_experiment
from harness.model import Verdict
from harness.run.command import RunRequest, run_to_verdict, shown_path, stored_run
from harness.run.directory import VERDICT, RunDirectory

EXPERIMENT = Path("experiments/scoreboard.yaml")
REAL_PROGRAMS = Path("experiments/real_programs.yaml")


def real_programs(root: Path) -> MoreLanes:
    """The lanes of real_programs.yaml; which of them can run is found out like for any lane."""
    experiment = load_experiment(root / REAL_PROGRAMS)
    quick = apply_quick(experiment).workloads
    changed = {lane: w.args for lane, w in quick.items() if w.args != experiment.workloads[lane].args}
    return MoreLanes(str(REAL_PROGRAMS), experiment.workloads, changed)


def run_scoreboard(request: RunRequest, dest: Path) -> int:
    """Runs the experiment to its end and writes the table; the exit status is the experiment's."""
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
