"""`harness gate`: runs the stages, writes the page, answers with one status.

What the stages print goes to standard error; standard output has the answer alone.
"""

from __future__ import annotations

import hashlib
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from harness.build.arms import SameBytes
from harness.build.baseline import resolve_commit
from harness.errors import UserError
from harness.experiment import Arm, Experiment, load_experiment
from harness.experiment.as_file import as_file
from harness.model import BASE, TREAT, Status, Verdict, json_text
from harness.nightly.junit import junit
from harness.nightly.night import Night
from harness.nightly.page import interval, page, sentence
from harness.nightly.stages import CONFIRM, SCREEN, confirm, screen, settings
from harness.nightly.triage import answer, outcomes, suspected
from harness.plan import make_plan
from harness.run.command import RunRequest, circumstances, dropped_gates, effective_experiment, run_to_verdict, shown_path, stored_run
from harness.run.directory import VERDICT, RunDirectory, runs_of_plan
from harness.run.manifest import git_state
from harness.run.store import write_whole


@dataclass(frozen=True)
class GateRequest:
    """`run` is the request as for a run of the experiment; `night` a date; `base` a variant that stands
    for the experiment's own."""

    run: RunRequest
    night: str
    base: Optional[str] = None
    junit: Optional[Path] = None
    report: Optional[Path] = None
    json: bool = False


def run_gate(request: GateRequest) -> int:
    experiment = _experiment(request)
    settings(experiment)  # refused before anything is built
    state = git_state(request.run.root)
    base_commit = None if request.run.base_ref is None else resolve_commit(request.run.root, request.run.base_ref)
    arms = {name: str(experiment.arms[name].variant or "a variant of the experiment") for name in (BASE, TREAT)}
    night = Night(
        experiment=experiment.id,
        night=request.night,
        base=f"{arms[BASE]}, commit {base_commit[:12]}" if base_commit else f"{arms[BASE]} of the tree",
        treat=f"{arms[TREAT]}, commit {str(state['commit'])[:12]}{' and changes' if state['dirty'] else ''}",
        error=float(settings(experiment).error),
        status=Status.VOID,
        base_commit=base_commit,
        treat_commit=state["commit"],
    )
    key = f"{request.night} {night.base} {night.treat}"
    lanes = " ".join(experiment.workloads)
    digest = hashlib.sha256(f"{key} {lanes}".encode()).hexdigest()[:8]
    folder = request.run.results / "nights" / f"{request.night}-{experiment.id}-{digest}"
    told = _stages(request, experiment, night, key, folder)
    report = _write(request, told, folder)
    if request.json:
        print(json_text(told.to_json()), end="")
    else:
        _say(told)
    print(f"report: {shown_path(report, request.run.root)}", file=sys.stderr)
    return told.status.exit_status


def _experiment(request: GateRequest) -> Experiment:
    experiment, _ = effective_experiment(request.run.file, request.run.options, request.run.allocators)
    if request.base is not None:
        experiment = experiment.copy(update={"arms": {**experiment.arms, BASE: Arm(variant=request.base)}})
    if experiment.kind != "ab":
        raise UserError(f"{experiment.id}: is no comparison of base and treat (kind {experiment.kind})")
    if request.run.base_ref is None and experiment.arms[BASE] == experiment.arms[TREAT]:
        raise UserError(
            f"{experiment.id}: base and treat are the same variant; give --base-ref COMMIT to compare with an earlier commit, "
            "or --base VARIANT"
        )
    return experiment


def _stages(request: GateRequest, experiment: Experiment, night: Night, key: str, folder: Path) -> Night:
    share = float(settings(experiment).suspicious)
    runs: Dict[str, Path] = {}
    try:
        first, runs[SCREEN] = _run(request, screen(experiment, key), folder / f"{SCREEN}.yaml")
    except SameBytes as same:
        return replace(night, status=Status.GO, remarks=[f"nothing to measure: {same.message.partition(': ')[2]}"])
    failed, remarks = _failures(runs[SCREEN])
    suspects = suspected(experiment.gates, first, share)
    second: Optional[Verdict] = None
    hopeless = failed is not None or len(first.gates) != len(experiment.gates) or _all_void(first)
    if hopeless:
        remarks = remarks or first.reasons[:10]
        status = Status.NO_GO if failed is Status.NO_GO else Status.VOID
        return _told(request, replace(night, status=status, remarks=remarks), runs, {SCREEN: first.blocks})
    if suspects:
        second, runs[CONFIRM] = _run(request, confirm(experiment, key, suspects), folder / f"{CONFIRM}.yaml")
        failed, remarks = _failures(runs[CONFIRM])
        if not second.gates:
            remarks = remarks or second.reasons[:10]
    found = outcomes(experiment.gates, first, suspects, second)
    dropped = dropped_gates(request.run.file, request.run.options)
    if dropped:
        remarks = [*remarks, f"left out by --only: {', '.join(dropped)}"]
    made = replace(night, status=answer(found, failed, bool(dropped)), gates=found, remarks=remarks)
    blocks = {SCREEN: first.blocks, **({CONFIRM: second.blocks} if second is not None else {})}
    return _told(request, made, runs, blocks)


def _run(request: GateRequest, stage: Experiment, file: Path) -> Tuple[Verdict, Path]:
    """Runs a stage from a file of its own; its answer is not the gate's and goes to standard error. A stage
    that this night has finished is taken as it is: measuring again until one likes it is no gate."""
    write_whole(file, as_file(stage, "harness gate"))
    made = _finished(request, load_experiment(file))
    if made is not None:
        return made
    asked = replace(request.run, file=file, options=replace(request.run.options, only=()))
    with redirect_stdout(sys.stderr):
        return run_to_verdict(asked)


def _finished(request: GateRequest, stage: Experiment) -> Optional[Tuple[Verdict, Path]]:
    """The stage's run, if it is finished. With uncommitted changes in the tree nothing tells whether it was
    of the same library, so it is made anew."""
    if request.run.fresh or git_state(request.run.root)["dirty"] is not False:
        return None
    runs = runs_of_plan(request.run.results, stage.id, make_plan(stage).key)
    if not runs or not runs[-1].finished:
        return None
    return Verdict.from_json(runs[-1].read(VERDICT)), runs[-1].root


def _failures(where: Path) -> Tuple[Optional[Status], List[str]]:
    """What failed runs say by themselves."""
    from harness.judge import all_attempts, reliability

    experiment, records, _ = stored_run(where)
    found = reliability(experiment, all_attempts(records, circumstances(RunDirectory(where))))
    return found.status, [*found.findings, *found.others]


def _all_void(verdict: Verdict) -> bool:
    return all(gate.status is Status.VOID for gate in verdict.gates)


def _told(request: GateRequest, night: Night, runs: Dict[str, Path], blocks: Dict[str, int]) -> Night:
    shown = {stage: shown_path(where, request.run.root) for stage, where in runs.items() if stage in blocks}
    return replace(night, runs=shown, blocks=blocks)


def _write(request: GateRequest, night: Night, folder: Path) -> Path:
    """Record, page and XML; the page's path."""
    report = request.report or folder / "report.md"
    write_whole(folder / "night.json", json_text(night.to_json()))
    write_whole(report, page(night))
    if request.junit is not None:
        write_whole(request.junit, junit(night))
    return report


def _say(night: Night) -> None:
    for remark in night.remarks:
        print(f"  {remark}")
    for gate in night.gates:
        if gate.outcome.value not in ("passed", "cleared"):
            found = gate.decided_on
            note = f"; {found.note}" if found.note else ""
            print(f"  {gate.gate}: {gate.outcome}, {interval(found)} ({gate.rule}){note}")
    print(f"{night.status.value}: {night.experiment} {night.night}, {sentence(night)}")
