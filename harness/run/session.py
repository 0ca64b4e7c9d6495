"""The loop: makes the blocks of a plan until a look at the data decides, and survives being stopped.

Everything a block leaves is on disk before the next begins, so the state of a run is what its
directory holds. A run that is continued takes the complete blocks as they are, judges at the same
looks, and so ends as it would have without the interruption.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Tuple

from harness.errors import failed
from harness.model import MEASURED, Block, BlockRecord, Plan, Status, Verdict, json_text
from harness.run.block import BlockRunner, ReadyArm
from harness.run.directory import VERDICT, RunDirectory, find_unfinished, new_directory
from harness.run.manifest import arm_folder, check_drift
from harness.run.preload import preloadable
from harness.run.prepare import Prepared, file_sha256
from harness.run.progress import Progress
from harness.run.store import disk_errors, write_whole

Judge = Callable[[List[BlockRecord]], Verdict]


def open_directory(
    results: Path, plan: Plan, manifest: Dict[str, Any], prepared: Prepared, *, fresh: bool
) -> Tuple[RunDirectory, Dict[str, ReadyArm], bool]:
    """The run's directory, locked; its arms; and whether it is one that was begun before. The manifest
    is written last, so that a directory which has one has all it needs."""
    found = None if fresh else find_unfinished(results, plan.experiment_id, plan.key)
    if found is not None:
        found.lock()
        then = found.manifest()
        check_drift(then, manifest, found.root)
        return found, place_arms(prepared, found, then), True
    directory = new_directory(results, plan.experiment_id, plan.key, manifest["started_utc"], plan.quick)
    with directory.or_nothing():
        directory.lock()
        arms = place_arms(prepared, directory, manifest)
        directory.begin(manifest, plan)
    return directory, arms, False


def place_arms(prepared: Prepared, directory: RunDirectory, manifest: Mapping[str, Any]) -> Dict[str, ReadyArm]:
    """Copies every library to a path of equal length, or finds the copy of a run begun before."""
    root = preloadable(directory.root)
    ready = {}
    for arm, source in prepared.sources.items():
        if source is None:
            ready[arm] = ReadyArm(arm, None, prepared.settings(arm))
            continue
        target = root / arm_folder(prepared, arm)
        entry = manifest["arms"].get(arm) or manifest["references"][arm]
        if not target.exists():
            _copy(source, target)
        if file_sha256(target) != entry["sha256"]:
            raise failed(f"{target}: is not the library the manifest names; begin another run with --fresh")
        ready[arm] = ReadyArm(arm, str(target), prepared.settings(arm))
    return ready


def _copy(source: Path, target: Path) -> None:
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_suffix(".tmp")
        shutil.copyfile(source, aside)
        aside.chmod(0o755)
        os.replace(aside, target)


@dataclass
class Session:
    """One go at a run; `judge` is a pure function of what the directory holds, `hopeless` says whether
    failed runs have decided already, `first_block` is told the first complete block."""

    directory: RunDirectory
    plan: Plan
    blocks: BlockRunner
    judge: Judge
    hopeless: Callable[[List[BlockRecord]], bool]
    first_block: Callable[[BlockRecord], None]
    progress: Progress

    def run(self) -> Tuple[Verdict, List[BlockRecord]]:
        """Makes what is missing; the verdict and what it was made from. Writing it is `keep`'s."""
        records: List[BlockRecord] = []
        verdict: Optional[Verdict] = None
        for block in self.plan.blocks:
            records.append(self._block(block))
            if len(records) == 1:
                self.first_block(records[0])
            verdict = None
            if any(run.failure for run in records[-1].runs) and self.hopeless(records):
                verdict = self.judge(records)
                self.progress.note("failed runs have decided; more blocks would not change it")
                break
            verdict = self._look(block, records)
            if verdict is not None and verdict.status is not Status.INCONCLUSIVE:
                break
        assert verdict is not None  # the last block of a plan is a look
        return verdict, records

    def keep(self, verdict: Verdict, records: Iterable[BlockRecord]) -> None:
        """Writes the verdict, then the tables."""
        write_whole(self.directory.root / VERDICT, json_text(verdict.to_json()))
        self.directory.write_tables(records)
        shutil.rmtree(self.directory.work, ignore_errors=True)

    def _look(self, block: Block, records: List[BlockRecord]) -> Optional[Verdict]:
        measured = sum(record.kind == MEASURED for record in records)
        if block.kind != MEASURED or measured not in self.plan.looks:
            return None
        verdict = self.judge(records)
        if measured != self.plan.looks[-1] and verdict.status is Status.INCONCLUSIVE:
            self.progress.note(f"after {measured} blocks the answer is still open; going on")
        return verdict

    def _block(self, block: Block) -> BlockRecord:
        found = self.directory.block(block.index, self.plan)
        if found is not None:
            self.progress.pace.finish(block, made_now=False)
            return found
        self.progress.pace.begin(block)
        record = self.blocks.run(self.plan.key, block)
        self.progress.block(block, self.progress.pace.finish(block, made_now=True))
        return record
