"""The directory of one run, and how a run that was cut short is found again.

    results/<experiment>/<run id>/
      manifest.json  plan.json      written once, before the first block
      arms/a00/lib.so …             copies of the libraries, paths of equal length
      blocks/0000.json …            a block, written only when every run of it was made
      attempts.jsonl                every run that was begun, failed and interrupted ones too
      memory/*.csv                  time series of complete blocks
      work/                         what the block in progress needs; worthless afterwards
      runs.csv stats.jsonl          the blocks again, for other tools; made from them
      verdict.json report.*         written last; a directory without both is unfinished
      extensions.json               how often the run was extended after it had finished undecided;
      verdict-1.json …              and its verdicts before that
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional

from harness.errors import UserError, failed
from harness.model import BlockRecord, EarlierRun, Plan, json_text
from harness.run.store import disk_errors, write_whole
from harness.run.tables import runs_csv, stats_jsonl

MANIFEST, PLAN, VERDICT, REPORT = "manifest.json", "plan.json", "verdict.json", "report.html"
EXTENSIONS = "extensions.json"


@dataclass
class RunDirectory:
    root: Path

    @property
    def finished(self) -> bool:
        return (self.root / VERDICT).exists() and (self.root / REPORT).exists()

    @property
    def work(self) -> Path:
        return self.root / "work"

    def block_path(self, index: int) -> Path:
        return self.root / "blocks" / f"{index:04d}.json"

    def series_name(self, block: int, workload: str, arm: str) -> str:
        """Relative to the run directory."""
        return f"memory/{block:04d}-{workload}-{arm.replace(':', '@')}.csv"

    def manifest(self) -> Dict[str, Any]:
        data: Dict[str, Any] = self.read(MANIFEST)
        return data

    def plan(self) -> Plan:
        return Plan.from_json(self.read(PLAN))

    def status(self) -> Optional[str]:
        """That of a finished run, as its verdict was written."""
        return str(self.read(VERDICT)["status"]) if self.finished else None

    def extensions(self) -> int:
        return int(self.read(EXTENSIONS)["extensions"]) if (self.root / EXTENSIONS).exists() else 0

    def extend(self) -> None:
        """Opens a finished run for one more look. Its verdict is kept under another name, moved last,
        so that a run cut off here is either extended or as it was."""
        times = self.extensions() + 1
        write_whole(self.root / EXTENSIONS, json_text({"extensions": times}))
        os.replace(self.root / VERDICT, self.root / f"verdict-{times}.json")

    def read(self, name: str) -> Any:
        try:
            return json.loads((self.root / name).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise failed(f"{self.root / name}: cannot be read ({error}); the run is damaged, begin another with --fresh") from error

    def block(self, index: int, plan: Plan) -> Optional[BlockRecord]:
        """The block's record if it was completed under this plan."""
        if not self.block_path(index).exists():
            return None
        record = BlockRecord.from_json(self.read(str(self.block_path(index).relative_to(self.root))))
        if record.plan_key != plan.key:
            raise failed(f"{self.block_path(index)}: belongs to another plan; begin another run with --fresh")
        return record

    def begin(self, manifest: Dict[str, Any], plan: Plan) -> None:
        """The plan first: a directory with a manifest is complete enough to be continued."""
        write_whole(self.root / PLAN, json_text(plan.to_json()))
        write_whole(self.root / MANIFEST, json_text(manifest))

    @contextmanager
    def or_nothing(self) -> Iterator[None]:
        """Around the making of a new directory: one that cannot be begun goes away again."""
        try:
            yield
        except BaseException:
            shutil.rmtree(self.root, ignore_errors=True)
            raise

    def clean_work(self) -> None:
        with disk_errors(self.work):
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir(parents=True)

    def lock(self) -> int:
        """Held until the process ends; two harnesses in one directory would mix their blocks."""
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise UserError(f"{self.root}: another harness is running this; wait for it, or give --fresh") from error
        return handle

    def write_tables(self, blocks: Iterable[BlockRecord]) -> None:
        """runs.csv and stats.jsonl, from the block records alone."""
        kept = sorted(blocks, key=lambda block: block.index)
        write_whole(self.root / "runs.csv", runs_csv(kept))
        write_whole(self.root / "stats.jsonl", stats_jsonl(kept))


def runs_of_plan(results: Path, experiment_id: str, key: str) -> List[RunDirectory]:
    """Every run that was begun under this plan, oldest first."""
    found = []
    for manifest in sorted((results / experiment_id).glob(f"*/{MANIFEST}")):
        directory = RunDirectory(manifest.parent)
        try:
            plan = directory.plan()
        except (ValueError, TypeError, KeyError, UserError):
            continue  # of another version of the harness, or damaged: not ours
        if plan.key == key:
            found.append(directory)
    return found


def find_unfinished(results: Path, experiment_id: str, key: str) -> Optional[RunDirectory]:
    """The newest run directory of this plan that has no verdict yet."""
    runs = runs_of_plan(results, experiment_id, key)
    return next((run for run in reversed(runs) if not run.finished), None)


def earlier_runs(results: Path, experiment_id: str, key: str) -> List[EarlierRun]:
    """What became of the runs of this plan so far."""
    return [EarlierRun(run.root.name, run.status()) for run in runs_of_plan(results, experiment_id, key)]


def new_directory(results: Path, experiment_id: str, key: str, started_utc: str, quick: bool) -> RunDirectory:
    """A name that sorts by time; a second run within the same second gets a number."""
    stem = f"{started_utc.replace('-', '').replace(':', '')}-{key[:8]}" + ("-quick" if quick else "")
    for attempt in range(100):
        root = results / experiment_id / (stem if attempt == 0 else f"{stem}.{attempt}")
        try:
            with disk_errors(root):
                root.parent.mkdir(parents=True, exist_ok=True)
            root.mkdir()
            return RunDirectory(root)
        except FileExistsError:
            continue
        except OSError as error:
            raise failed(f"{root}: cannot be made ({error.strerror})") from error
    raise failed(f"{results / experiment_id}: a hundred runs began in one second")
