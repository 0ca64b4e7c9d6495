"""`harness truth --real`: short real experiments on builds whose defects are known, verdict against truth.

Everything is built once; then round follows round until all are made or the time is up. A round is on
disk before the next begins, so the same command goes on where it was stopped, on any day.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Optional

from harness.build.meson import BuildTree
from harness.errors import Interrupted, UserError
from harness.experiment import Experiment, RunOptions, arm_places, load_experiment
from harness.experiment.as_file import as_file
from harness.model import TREAT, Block, Plan, Slot, Verdict, json_text
from harness.plan import make_plan
from harness.run.answer import Answer
from harness.run.attempts import ATTEMPTS, AttemptLog
from harness.run.command import RunRequest, measure_blocks, shown_path, stop_on_signals, utc_now
from harness.run.directory import RunDirectory
from harness.run.locks import build_lock, held, machine_lock
from harness.run.manifest import make_manifest
from harness.run.prepare import Prepared, prepare
from harness.run.progress import Pace, Progress, duration
from harness.run.session import open_directory
from harness.run.store import write_whole
from harness.truth.cases import Round, cut_out, effect_experiment, rounds
from harness.truth.log import Log, Said, made_of, said
from harness.truth.real_document import EFFECT, Real, faults, real_text, rounds_csv

COMPLETE, WRONG, UNFINISHED = 0, 1, 2


@dataclass(frozen=True)
class RealRequest:
    """The answers go to `dest`, what was measured to `results`, like any run. `most` caps the rounds of
    each case, `minutes` the time in which rounds are begun."""

    file: Path
    root: Path
    build: Path
    dest: Path
    results: Path
    command: Sequence[str]
    most: Optional[int] = None
    minutes: Optional[float] = None
    wait: bool = False


class Quiet(Progress):
    """A round is told of in one line when it is over; what a person must see is told at once."""

    def block(self, block: Block, took: float) -> None:
        pass

    def slot(self, block: Block, slot: Slot) -> None:
        pass

    def note(self, text: str) -> None:
        if "failed run" not in text:  # they are the point, and counted
            super().note(text)


def run_real(request: RealRequest) -> int:
    """0 when the verdicts are as good as promised, 1 when some are beyond doubt not, 2 when rounds are
    missing."""
    stop_on_signals()
    experiment = load_experiment(request.file)
    if experiment.truth is None:
        raise UserError(f"{experiment.id}: has no section `truth`; see experiments/truth.yaml for one")
    if request.most is not None and request.most < 1:
        raise UserError(f"truth: --runs {request.most}; give 1 or more")
    who = f"experiment {experiment.id}, since {utc_now()}, results in {request.dest}"
    with (
        held(machine_lock(), "this machine", who, wait=request.wait),
        held(build_lock(request.build), f"the build tree {request.build}", who, wait=request.wait),
    ):
        try:
            return _go(request, experiment)
        except (KeyboardInterrupt, Interrupted) as error:
            raise Interrupted(f"interrupted; the rounds made are kept in {request.dest}; the same command continues") from error


def _go(request: RealRequest, experiment: Experiment) -> int:
    shown = shown_path(request.file, request.root)
    prepared = prepare(experiment, arm_places(request.file, shown), BuildTree(request.root, request.build), {})
    builds = builds_of(prepared)
    log = Log(request.dest)
    made = made_of(log.read(), builds, request.dest)
    effects = _effects(request, experiment, prepared, builds)
    begun = time.monotonic()
    wanted = list(rounds(experiment, request.most))
    missing = [one for one in wanted if (one.case, one.number) not in made]
    for i, one in enumerate(missing):
        spent = time.monotonic() - begun
        if request.minutes is not None and spent > 60 * request.minutes:
            break
        found = _round(request, experiment, one, prepared, builds)
        log.append(found)
        made[(one.case, one.number)] = found
        left = duration((time.monotonic() - begun) / (i + 1) * (len(missing) - i - 1))
        text = f"{one.case} {one.number}: {found.status.value} after {found.blocks} blocks, {found.seconds:.0f} s; about {left} left"
        print(text, file=sys.stderr, flush=True)
    real = Real(experiment, effects, list(made.values()), builds, len(wanted), shlex.join(request.command))
    table = request.dest / "real.md"
    write_whole(table, real_text(real))
    write_whole(request.dest / "rounds.csv", rounds_csv(real))
    print(table)
    return _status(real, wanted, made)


def _status(real: Real, wanted: Sequence[Round], made: dict[tuple[str, int], Said]) -> int:
    bad = faults(real)
    for text in bad:
        print(f"truth: {text}", file=sys.stderr)
    if bad:
        return WRONG
    missing = sum((one.case, one.number) not in made for one in wanted)
    if missing:
        print(f"truth: {missing} of {len(wanted)} rounds are missing; the same command goes on", file=sys.stderr)
    return UNFINISHED if missing else COMPLETE


def builds_of(prepared: Prepared) -> str:
    """A name for the libraries and programs together."""
    parts = [f"{arm} {built.library.identity}" for arm, built in sorted(prepared.built.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _effects(request: RealRequest, experiment: Experiment, prepared: Prepared, builds: str) -> dict[str, float]:
    """Arm -> how many times base's count it has; counted once for a build."""
    table = effect_experiment(experiment)
    if table is None:
        return {}
    kept = request.dest / EFFECT
    if kept.exists():
        data = json.loads(kept.read_text(encoding="utf-8"))
        if data["builds"] == builds:
            return {str(arm): float(ratio) for arm, ratio in data["ratios"].items()}
    assert experiment.truth is not None and experiment.truth.effect is not None
    key = experiment.truth.effect.partition(".")[2]
    _, directory = _measured(request, table, None, prepared)
    counts: dict[str, list[float]] = {}
    for run in AttemptLog(directory.root / ATTEMPTS).read():
        if run.counts:
            counts.setdefault(run.arm, []).append(run.metrics[key])
    base = median(counts["base"])
    ratios = {arm: median(values) / base for arm, values in counts.items()}
    write_whole(kept, json_text({"builds": builds, "metric": experiment.truth.effect, "ratios": ratios}))
    return ratios


def _round(request: RealRequest, experiment: Experiment, one: Round, prepared: Prepared, builds: str) -> Said:
    assert experiment.truth is not None
    begun = time.monotonic()
    verdict, directory = _measured(request, one.experiment, experiment.truth.cases[one.case].arm, prepared)
    failed = sum(run.failure is not None and run.arm == TREAT for run in AttemptLog(directory.root / ATTEMPTS).read())
    return said(one.case, one.number, verdict, failed, time.monotonic() - begun, builds)


def _measured(request: RealRequest, experiment: Experiment, arm: Optional[str], prepared: Prepared) -> tuple[Verdict, RunDirectory]:
    """One experiment as `harness run` makes it, less the report; one that was cut off goes on."""
    cut = cut_out(prepared, experiment, arm)
    plan: Plan = make_plan(experiment)
    manifest = make_manifest(
        cut, root=request.root, text=as_file(experiment, "harness truth --real"), file=shown_path(request.file, request.root),
        options=RunOptions().to_json(), command=request.command, started_utc=utc_now(),
    )  # fmt: skip
    manifest.update(dropped_gates=[], earlier_runs=[])
    directory, arms, _ = open_directory(request.results, plan, manifest, cut, fresh=False)
    asked = RunRequest(request.file, request.root, request.build, request.results, RunOptions(), (), False, request.command)
    with open(os.devnull, "w", encoding="utf-8") as nobody, redirect_stdout(nobody):
        verdict = measure_blocks(asked, directory, plan, experiment, cut, arms, Answer(), Quiet(Pace(plan, time.monotonic)))
    shutil.rmtree(directory.root / "arms")  # the same for all, and in the build tree
    return verdict, directory
