"""Executes one block: every run of every arm, each through the runner.

A block needs nothing but its plan entry and the prepared arms, and leaves either a complete record
or none; so blocks may be made on any day, and in principle on any host. A run that fails stays failed:
it is a record like any other. Only what the harness itself spoilt is tried again, and each run that
was begun stands in the log of attempts, also when its block is never completed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from harness.errors import Interrupted, UserError, failed
from harness.measure.instruments import instrument_job
from harness.measure.record import Asked, Seen, failed_record, run_record
from harness.measure.validity import bad_arguments, failure, unmapped, unproven
from harness.model import EXIT_FAILED, Block, BlockRecord, Failure, FailureKind, RunRecord, Slot, Status, json_text
from harness.process import Finished, run_process, tail
from harness.run.attempts import AttemptLog
from harness.run.cpus import CpuSets
from harness.run.directory import RunDirectory
from harness.run.machine import busy_cpu_s
from harness.run.environment import arm_environments, lane_environment
from harness.run.store import disk_errors, move_whole, write_whole

RUNNER_BAD_JOB = 4
RUNNER_INTERRUPTED = 130

# So often a run is begun that the harness itself spoils.
_TRIES = 3

# Beyond the workload's own limit, for the runner to end it and read the rest.
_GRACE_S = 60.0


@dataclass(frozen=True)
class ReadyArm:
    """An arm as it is run: the copy to preload (None: the C library's own) and its settings."""

    arm: str
    preload: Optional[str]
    env: Mapping[str, str]


@dataclass(frozen=True)
class Lane:
    """A workload with everything resolved; `argv` is complete."""

    name: str
    argv: List[str]
    asked: Asked
    env: Mapping[str, str]
    timeout_s: float
    cpus: CpuSets


class RunnerFault(UserError):
    """The runner broke down: the harness's own fault, so the run is begun again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, EXIT_FAILED)


@dataclass(frozen=True)
class BlockRunner:
    """`now` gives the time as text; `told` is called before each run with its slot, `note` with
    sentences that a person should see."""

    directory: RunDirectory
    log: AttemptLog
    runner: Path
    cwd: Path
    arms: Mapping[str, ReadyArm]
    lanes: Mapping[str, Lane]
    now: Callable[[], str]
    told: Callable[[Block, Slot], None]
    note: Callable[[str], None]

    def run(self, plan_key: str, block: Block) -> BlockRecord:
        """Makes every run, then writes the record."""
        self.directory.clean_work()
        environments = {name: self._environments(lane, block.env_pad) for name, lane in self.lanes.items()}
        runs: List[RunRecord] = []
        moves: List[Tuple[Path, str]] = []
        for slot in block.slots:
            self.told(block, slot)
            record, series = self._slot(block, slot, environments[slot.workload][slot.arm])
            runs.append(record)
            if series is not None and record.csv is not None:
                moves.append((series, record.csv))
        for source, name in moves:
            move_whole(source, self.directory.root / name)
        done = BlockRecord(plan_key, block.index, block.kind, block.env_pad, runs)
        write_whole(self.directory.block_path(block.index), json_text(done.to_json()))
        return done

    def _environments(self, lane: Lane, pad: int) -> Dict[str, Dict[str, str]]:
        common = lane_environment(lane.env, str(self.directory.work / "scratch"))
        settings = {name: arm.env for name, arm in self.arms.items()}
        return arm_environments(common, settings, {name: arm.preload for name, arm in self.arms.items()}, pad)

    def _slot(self, block: Block, slot: Slot, env: Mapping[str, str]) -> Tuple[RunRecord, Optional[Path]]:
        """One run, begun again only when the harness was at fault."""
        fault = ""
        for _ in range(_TRIES):
            started = self.now()
            try:
                record, series = self._attempt(block, slot, env, started)
            except RunnerFault as error:
                fault = error.message
                self._log_unmade(block, slot, started, Failure(FailureKind.HARNESS, fault))
                continue
            except (KeyboardInterrupt, Interrupted):
                self._log_unmade(block, slot, started, Failure(FailureKind.INTERRUPTED, "interrupted"))
                raise
            self.log.append(record)
            if record.failure is not None:
                self.note(f"lane {slot.workload}, arm {slot.arm}: {record.failure.text}; it stays a failed run")
            return record, series
        raise failed(
            f"lane {slot.workload}, arm {slot.arm}: the runner failed {_TRIES} times; last, {fault}\n"
            "  complete blocks are kept; the same command continues when this is mended"
        )

    def _log_unmade(self, block: Block, slot: Slot, started: str, why: Failure) -> None:
        self.log.append(
            RunRecord(
                block.index, block.kind, slot.position, slot.workload, slot.arm, started, counts=False, reasons=[why.text], failure=why
            )
        )

    def _attempt(
        self, block: Block, slot: Slot, env: Mapping[str, str], started: str
    ) -> Tuple[RunRecord, Optional[Path]]:
        lane, arm = self.lanes[slot.workload], self.arms[slot.arm]
        out, err, counted, series = (
            self.directory.work / name for name in ("stdout", "stderr", "counted", f"series-{slot.workload}-{slot.position}")
        )
        with disk_errors(self.directory.work):
            (self.directory.work / "scratch").mkdir(exist_ok=True)
            for stale in (out, err, counted, series):
                stale.unlink(missing_ok=True)
        job = make_job(lane, arm, env, cwd=self.cwd, out=out, err=err, csv=series if lane.asked.sample_ms > 0 else None)
        job.update(instrument_job(lane.asked.under, lane.argv, counted))
        busy = busy_cpu_s()
        line = start_runner(self.runner, job)
        after = busy_cpu_s()
        spent = None if busy is None or after is None else after - busy
        seen = Seen(line, _text(out), _text(err), started, spent, _text(counted))
        if line.get("error"):
            raise RunnerFault(f"{line['error']}\n{seen_tail(seen)}")
        own = lane.asked.program is not None
        if bad_arguments(line, own_program=own):
            raise UserError(
                f"lane {slot.workload}, arm {slot.arm}: {lane.asked.program} refuses its arguments ({' '.join(lane.argv[1:])}):\n"
                f"{seen_tail(seen)}"
            )
        self._prove(slot, lane, arm, seen)
        why = failure(line, own_program=own, output=seen_tail(seen))
        if why is not None:
            return failed_record(block.index, block.kind, slot, seen, why, lane.asked), None
        csv = self.directory.series_name(block.index, slot.workload, slot.arm) if series.exists() else None
        record, _ = run_record(block.index, block.kind, slot, lane.asked, seen, csv)
        return record, series if csv else None

    def _prove(self, slot: Slot, lane: Lane, arm: ReadyArm, seen: Seen) -> None:
        """A library that is not there, in the program or in one that it started, makes the experiment
        void, because every further run would measure something else. A failed run is asked too: what
        crashed must be the arm."""
        here = f"VOID: lane {slot.workload}, arm {slot.arm}"
        ended_well = failure(seen.line, own_program=False) is None
        missing = unmapped(seen.line, [arm.preload] if arm.preload else []) if ended_well else []
        if missing:
            complaint = next((text for text in seen.stderr.splitlines() if "preload" in text), "")
            raise UserError(
                f"{here}: the arm's library was not mapped in the process, so the run "
                f"measured another allocator. {' '.join(lane.argv[:1])} may be static, setuid, or clear its environment"
                + (f"; the loader says: {complaint}" if complaint else ""),
                Status.VOID.exit_status,
            )
        if others := unproven(seen.line):
            raise UserError(
                f"{here}: part of the run was done without the arm's library: {'; '.join(others)}. Start programs that load it "
                "and keep their environment, or measure the program itself",
                Status.VOID.exit_status,
            )


def seen_tail(seen: Seen) -> str:
    """The last lines of what the run printed."""
    return tail(seen.stderr or seen.stdout)


def make_job(
    lane: Lane, arm: ReadyArm, env: Mapping[str, str], *, cwd: Path, out: Path, err: Path, csv: Optional[Path]
) -> Dict[str, Any]:
    """The runner's job; see harness/runner for the meaning of each key."""
    return {
        "argv": lane.argv,
        "env": dict(env),
        "cwd": str(cwd),
        "preload": arm.preload,
        "expect_mapped": [arm.preload] if arm.preload else [],
        "cpus": lane.cpus.workload,
        "sampler_cpus": lane.cpus.sampler,
        "timeout_s": lane.timeout_s,
        "rlimit_as_bytes": None,
        "sample_ms": lane.asked.sample_ms,
        "pss_every": 0,
        "stdin": None,
        "stdout_path": str(out),
        "stderr_path": str(err),
        "csv_path": str(csv) if csv else None,
        "clear_thp": False,
    }


def start_runner(runner: Path, job: Mapping[str, Any]) -> Dict[str, Any]:
    """Starts the runner and reads its line; anything but one JSON line is the runner's failure."""
    done = run_process([str(runner), "-"], env={"LC_ALL": "C"}, stdin=json.dumps(job), timeout_s=float(job["timeout_s"]) + _GRACE_S)
    if done.status == RUNNER_INTERRUPTED:
        raise Interrupted("interrupted")
    line = _line_of(done)
    if done.status != 0 or line is None:
        told = (line.get("error") if line else None) or ""
        if done.status == RUNNER_BAD_JOB:
            raise failed(f"the runner refuses the job for {job['argv'][0]}: {told}\n{tail(done.stderr)}")
        raise RunnerFault(f"the runner failed (status {done.status}) for {job['argv'][0]}: {told}\n{tail(done.stderr)}")
    return line


def _line_of(done: Finished) -> Optional[Dict[str, Any]]:
    try:
        line = json.loads(done.stdout)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
