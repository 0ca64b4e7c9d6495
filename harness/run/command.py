"""`harness run`: from the command line to a verdict, a report and an exit status."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from harness.build.baseline import baseline
from harness.build.flags import in_words
from harness.build.meson import BuildTree
from harness.errors import Interrupted, UserError
from harness.experiment import (
    Experiment,
    MoreLanes,
    Reference,
    RunOptions,
    apply_options,
    arm_places,
    is_extendable,
    load_experiment,
    with_lanes,
)
from harness.history.command import record
from harness.model import ArmFacts, BlockRecord, Circumstances, EarlierRun, Plan, Status, Verdict, json_text
from harness.peers.locate import Given, parse_allocator
from harness.plan import make_plan
from harness.report import build_report
from harness.run.answer import Answer
from harness.run.attempts import ATTEMPTS, AttemptLog
from harness.run.block import BlockRunner, ReadyArm
from harness.run.directory import VERDICT, RunDirectory, earlier_runs, runs_of_plan
from harness.run.doubts import gate_doubts, refuse_unknown_figures
from harness.run.locks import build_lock, held, machine_lock
from harness.run.manifest import make_manifest
from harness.run.prepare import Prepared, prepare, without_missing_lanes
from harness.run.progress import Pace, Progress
from harness.run.session import Session, open_directory
from harness.run.store import write_whole


@dataclass(frozen=True)
class RunRequest:
    """What was asked for on the command line; `command` is that line, for the manifest. `base_ref` names
    the commit that base is built from, instead of the tree."""

    file: Path
    root: Path
    build: Path
    results: Path
    options: RunOptions
    allocators: Sequence[str]
    fresh: bool
    command: Sequence[str]
    extend: bool = False
    more: Sequence[MoreLanes] = ()
    wait: bool = False
    base_ref: Optional[str] = None


def find_experiment(name: str, root: Path) -> Path:
    """A file as it stands, or the name of one in experiments/ without its ending."""
    given = Path(name)
    for candidate in (given, root / "experiments" / name, root / "experiments" / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    known = ", ".join(sorted(path.stem for path in (root / "experiments").glob("*.yaml")))
    raise UserError(f"there is no experiment {name}; known are {known or 'none'}")


def effective_experiment(
    file: Path, options: RunOptions, allocators: Sequence[str] = (), more: Sequence[MoreLanes] = ()
) -> Tuple[Experiment, Dict[str, Given]]:
    """The experiment with all options applied, and the libraries of --allocator by name. A library
    the experiment does not name is added to its references; `more` are lanes added to its own."""
    given = dict(parse_allocator(text) for text in allocators)
    try:
        experiment = load_experiment(file)
        for lanes in more:
            experiment = with_lanes(experiment, lanes)
        experiment = apply_options(experiment, options)
    except ValueError as error:
        raise UserError(str(error)) from error
    named = {reference.allocator for reference in experiment.references}
    taken = sorted((set(given) - named) & set(experiment.arm_ids))
    if taken:
        raise UserError(f"--allocator {taken[0]}=…: {taken[0]} is an arm of this experiment; choose another name")
    added = [Reference(allocator=name) for name in given if name not in named]
    return experiment.copy(update={"references": [*experiment.references, *added]}), given


def utc_now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def shown_path(path: Path, root: Path) -> str:
    """Relative to the project where it lies inside it."""
    try:
        return str(path.resolve().relative_to(root.resolve()))
    except ValueError:
        return str(path)


def run_command(request: RunRequest) -> int:
    """Runs the experiment to its verdict; the exit status is the verdict's."""
    return run_to_verdict(request)[0].exit_status


def run_to_verdict(request: RunRequest) -> Tuple[Verdict, Path]:
    """The verdict, and the directory of the finished run."""
    stop_on_signals()
    directory: Optional[RunDirectory] = None
    locks, answer = ExitStack(), Answer()
    try:
        experiment, given = effective_experiment(request.file, request.options, request.allocators, request.more)
        experiment, skipped = without_missing_lanes(experiment, request.root)
        plan = make_plan(experiment, request.options.quick)
        file = shown_path(request.file, request.root)
        refuse_unknown_figures(experiment, request.file, file)
        _take_locks(locks, request, experiment.id)
        if request.extend:
            extend_finished(request.results, experiment, plan)
        base = None if request.base_ref is None else baseline(request.root, request.base_ref)
        prepared = prepare(experiment, arm_places(request.file, file), BuildTree(request.root, request.build), given, base)
        manifest = make_manifest(
            prepared,
            root=request.root,
            text=request.file.read_text(encoding="utf-8"),
            file=file,
            options=request.options.to_json(),
            command=request.command,
            started_utc=utc_now(),
        )
        manifest["warnings"] += skipped + gate_doubts(experiment, request.file, file)
        manifest["dropped_gates"] = dropped_gates(request.file, request.options)
        manifest["earlier_runs"] = [run.to_json() for run in earlier_runs(request.results, experiment.id, plan.key)]
        _introduce(prepared, manifest)
        directory, arms, begun = open_directory(request.results, plan, manifest, prepared, fresh=request.fresh)
        _say(f"{'continuing' if begun else 'run directory'} {shown_path(directory.root, request.root)}")
        experiment = extended(experiment, directory)
        plan = make_plan(experiment, request.options.quick)
        with answer.stands():
            verdict = measure_blocks(request, directory, plan, experiment, prepared, arms, answer)
            record(request.results, directory, verdict)  # before the report, without which a run is not finished
            build_report(directory.root)
        answer.said()
        print(f"report: {shown_path(directory.root / 'report.md', request.root)}", flush=True)
        return verdict, directory.root
    except (KeyboardInterrupt, Interrupted) as error:
        raise Interrupted(_interrupted(directory, request)) from error
    finally:
        locks.close()


def _take_locks(locks: ExitStack, request: RunRequest, experiment_id: str) -> None:
    """Before anything is built: building disturbs another's run as much as measuring does."""
    who = f"experiment {experiment_id}, since {utc_now()}, results in {request.results}"
    locks.enter_context(held(machine_lock(), "this machine", who, wait=request.wait))
    locks.enter_context(held(build_lock(request.build), f"the build tree {request.build}", who, wait=request.wait))


def measure_blocks(
    request: RunRequest,
    directory: RunDirectory,
    plan: Plan,
    experiment: Experiment,
    prepared: Prepared,
    arms: Mapping[str, ReadyArm],
    answer: Answer,
    progress: Optional[Progress] = None,
) -> Verdict:
    """The blocks that are missing, then the verdict: told first, because a full disk may be in the way
    of writing it, then kept. `progress` says how it goes, if not in the usual way."""
    log = AttemptLog(directory.root / ATTEMPTS)

    def judge_now(records: Sequence[BlockRecord]) -> Verdict:
        return judged(experiment, records, prepared.facts, circumstances(directory))

    def hopeless(records: Sequence[BlockRecord]) -> bool:
        from harness.judge import all_attempts, unreliable

        return unreliable(experiment, all_attempts(records, circumstances(directory)))

    def check_names(record: BlockRecord) -> None:
        from harness.judge.names import unknown_names

        unknown = unknown_names(experiment, [record])
        if unknown:
            told = "\n".join(f"  {text}" for text in unknown)
            raise UserError(f"{experiment.id}: nothing answers to a name of this experiment; correct it and run again:\n{told}")

    with progress or Progress(Pace(plan, time.monotonic)) as progress:
        blocks = BlockRunner(
            directory, log, prepared.runner, request.root, arms, prepared.lanes, utc_now, progress.slot, progress.note
        )
        session = Session(directory, plan, blocks, judge_now, hopeless, check_names, progress)
        verdict, records = session.run()
    answer.give(verdict)
    session.keep(verdict, records)
    return verdict


def dropped_gates(file: Path, options: RunOptions) -> List[str]:
    """The gates that --only leaves out, by id or metric."""
    if not options.only:
        return []
    return [gate.id or gate.metric for gate in load_experiment(file).gates if gate.lane not in options.only]


def extend_finished(results: Path, experiment: Experiment, plan: Plan) -> None:
    """Opens the newest run of the plan for one more look, if it finished undecided and kept error
    back for that."""
    if not is_extendable(experiment.design):
        raise UserError(
            f"{experiment.id}: --extend needs a plan of several looks (design.max_blocks above design.blocks): a plan of "
            "one look has no error left to spend on another"
        )
    runs = runs_of_plan(results, experiment.id, plan.key)
    if not runs:
        raise UserError(f"{experiment.id}: there is no run to extend; run it first")
    newest = runs[-1]
    if not newest.finished:
        return  # it is continued as it is, extended or not
    if newest.status() != Status.INCONCLUSIVE.value:
        raise UserError(f"{newest.root}: is {newest.status()}; only a run that ended INCONCLUSIVE can be extended")
    held = newest.lock()
    newest.extend()
    os.close(held)  # opening the run locks it again


def extended(experiment: Experiment, directory: RunDirectory) -> Experiment:
    """The experiment with as many further looks as the run was granted."""
    design = experiment.design.copy(update={"extensions": directory.extensions()})
    return experiment.copy(update={"design": design})


def circumstances(directory: RunDirectory) -> Circumstances:
    """What the judge needs beside the blocks, from the run directory alone."""
    manifest = directory.manifest()
    return Circumstances(
        attempts=AttemptLog(directory.root / ATTEMPTS).read(),
        dropped_gates=manifest.get("dropped_gates", []),
        earlier=[EarlierRun.from_json(run) for run in manifest.get("earlier_runs", [])],
    )


def stop_on_signals() -> None:
    """SIGTERM and SIGHUP end a run as Ctrl-C does. Set here as well when inherited as ignored: a shell
    starts background commands deaf to SIGINT."""

    def stop(number: int, frame: Optional[FrameType]) -> None:
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, stop)


def _interrupted(directory: Optional[RunDirectory], request: RunRequest) -> str:
    if directory is None:
        return "interrupted before the first block; nothing was measured"
    kept = len(list((directory.root / "blocks").glob("*.json")))
    where = shown_path(directory.root, request.root)
    return f"interrupted; {kept} complete blocks are kept in {where}; the same command continues there"


def _introduce(prepared: Prepared, manifest: Mapping[str, Any]) -> None:
    """What is about to be compared, before hours are spent on it."""
    _say(f"{prepared.experiment.id}: {prepared.experiment.question}")
    for arm, built in prepared.built.items():
        differs = f"; against base: {in_words(built.changes)}" if built.changes else ""
        _say(f"  {arm}: {built.variant.name} [{built.library.identity[:12]}]{differs}")
    for arm, peer in prepared.peers.items():
        settings = " ".join(f"{key}={value}" for key, value in peer.env.items())
        shown = f", {settings} ({peer.proof})" if settings else ", stock"
        _say(f"  {arm}: {peer.version}{shown}")
        if peer.problem:
            _say(f"  warning: {peer.problem}; this arm is VOID")
    for text in manifest["warnings"]:
        _say(f"  warning: {text}")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def judged(
    experiment: Experiment, records: Sequence[BlockRecord], facts: Sequence[ArmFacts], around: Circumstances
) -> Verdict:
    """The judge needs numpy, which is imported only when there is something to judge."""
    from harness.judge import judge

    return judge(experiment, records, facts, around)


def stored_run(where: Path) -> Tuple[Experiment, List[BlockRecord], List[ArmFacts]]:
    """A run directory as the judge needs it, from what it holds alone."""
    directory = RunDirectory(where)
    if not (where / "manifest.json").exists():
        raise UserError(f"{where}: no manifest.json; give the directory of one run (results/<experiment>/<run>)")
    manifest = directory.manifest()
    experiment = extended(Experiment.parse_obj(manifest["experiment"]), directory)
    plan = make_plan(experiment, manifest["quick"]) if directory.extensions() else directory.plan()
    records = [directory.block(block.index, plan) for block in plan.blocks]
    facts = [ArmFacts.from_json(item) for item in manifest["arm_facts"]]
    return experiment, [r for r in records if r is not None], facts


def judge_stored(where: Path) -> Verdict:
    """The verdict on what the run directory holds."""
    return judged(*stored_run(where), circumstances(RunDirectory(where)))


def judge_again(where: Path, root: Path, as_json: bool = False) -> int:
    """Judges the records of a run anew. A finished run's verdict is written again, byte for byte the
    same under the same harness; an unfinished one's is only shown, for it would end the run. `as_json`
    prints the verdict as verdict.json holds it, and nothing else."""
    verdict = judge_stored(where)
    answer = Answer()
    if as_json:
        print(json_text(verdict.to_json()), end="", flush=True)
    else:
        answer.give(verdict)
    if (where / VERDICT).exists():
        write_whole(where / VERDICT, json_text(verdict.to_json()))
    answer.said()
    if not as_json:
        print(f"report: {shown_path(where / 'report.md', root)}")
    return verdict.exit_status
