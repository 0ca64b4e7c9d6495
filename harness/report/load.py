"""Reads a run directory: the one place that knows its files.

What comes back is immutable in spirit: the report, the plots and the tables are pure functions of
it. Parts that a run need not have (memory series, references, a plan) may be missing; what is there
and cannot be read is an error with the file's name in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Mapping, Optional

import yaml

from harness.errors import UserError
from harness.model import AA, BASE, MEASURED, TREAT, BlockRecord, Plan, RunRecord, Verdict
from harness.run.attempts import ATTEMPTS, AttemptLog

_CYCLE_METRIC = re.compile(r"^(?P<stem>\w+_kb)@(?P<cycle>\d+)$")


@dataclass(frozen=True)
class RunData:
    """`blocks` are the complete ones, warm-up too, in the order they were made; `attempts` every run
    that was begun, those of complete blocks included."""

    root: Path
    manifest: Mapping[str, Any]
    plan: Optional[Plan]
    verdict: Optional[Verdict]
    blocks: tuple[BlockRecord, ...]
    attempts: tuple[RunRecord, ...] = ()

    @property
    def runs(self) -> list[RunRecord]:
        return [run for block in self.blocks for run in block.runs]

    @property
    def experiment_id(self) -> str:
        if self.verdict is not None:
            return self.verdict.experiment_id
        if self.plan is not None:
            return self.plan.experiment_id
        return str(self.manifest.get("experiment_id", self.root.parent.name))

    def measured(self) -> list[RunRecord]:
        return [run for run in self.runs if run.kind == MEASURED]

    def workloads(self) -> list[str]:
        """Lanes in the order the experiment file gives them; blocks run them in random order."""
        present = dict.fromkeys(run.workload for run in self.runs)
        named = [lane for lane in lanes_as_written(self.manifest) if lane in present]
        return named + sorted(lane for lane in present if lane not in named)

    def arms(self) -> list[str]:
        """base, treat, further hz3 arms, the A/A copy, then references."""
        present = dict.fromkeys(run.arm for run in self.runs)
        order = [BASE, TREAT, *declared_arms(self.manifest), AA, *declared_references(self.manifest)]
        named = [arm for arm in dict.fromkeys(order) if arm in present]
        return named + sorted(arm for arm in present if arm not in named)

    def failed(self) -> list[RunRecord]:
        """Every attempt that failed, each once; a run made without a log has only its blocks'."""
        made = self.attempts or tuple(self.runs)
        return [run for run in made if run.failure is not None]

    def values(self, workload: str, arm: str, metric: str) -> list[float]:
        """The metric of every measured run that counts."""
        return [
            run.metrics[metric]
            for run in self.measured()
            if run.counts and run.workload == workload and run.arm == arm and metric in run.metrics
        ]

    def median(self, workload: str, arm: str, metric: str) -> Optional[float]:
        values = self.values(workload, arm, metric)
        return median(values) if values else None

    def has(self, workload: str, metric: str) -> bool:
        return any(self.values(workload, arm, metric) for arm in self.arms())

    def cycles(self, workload: str, stem: str) -> list[int]:
        """Cycles for which `stem@cycle` was measured in this lane."""
        found = set()
        for run in self.measured():
            if run.workload == workload:
                for name in run.metrics:
                    match = _CYCLE_METRIC.match(name)
                    if match and match["stem"] == stem:
                        found.add(int(match["cycle"]))
        return sorted(found)

    def idle_phase(self, workload: str) -> Optional[str]:
        """Which phase lasted the idle window: `held` or `joined`; None if the lane has none."""
        for run in self.runs:
            if run.workload == workload and run.strings.get("idle_phase"):
                return run.strings["idle_phase"]
        return None


def experiment_value(manifest: Mapping[str, Any], key: str, default: Any = None) -> Any:
    """A value of the experiment as it was really run, options of the command line applied."""
    experiment = manifest.get("experiment")
    return experiment.get(key, default) if isinstance(experiment, Mapping) else default


def lanes_as_written(manifest: Mapping[str, Any]) -> list[str]:
    """Only the text keeps the order: the manifest's data has its keys sorted."""
    return _as_written(manifest, "workloads")


def arms_as_written(manifest: Mapping[str, Any]) -> list[str]:
    """Builds of hz3 in the order of the experiment file, which is often that of steps in a work."""
    return _as_written(manifest, "arms")


def _as_written(manifest: Mapping[str, Any], section: str) -> list[str]:
    try:
        data = yaml.safe_load(str(manifest.get("experiment_text", "")))
    except yaml.YAMLError:
        return []
    named = data.get(section) if isinstance(data, Mapping) else None
    return [str(name) for name in named] if isinstance(named, Mapping) else []


def declared_arms(manifest: Mapping[str, Any]) -> list[str]:
    return list(experiment_value(manifest, "arms", {}) or {})


def declared_references(manifest: Mapping[str, Any]) -> list[str]:
    """Arm names of the references: `allocator` or `allocator:preset`."""
    names = []
    for entry in experiment_value(manifest, "references", []) or []:
        if isinstance(entry, str):
            names.append(entry)
            continue
        preset = entry.get("preset")
        stock = preset in (None, "", "stock")
        names.append(entry["allocator"] if stock else f"{entry['allocator']}:{preset}")
    return names


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); is the run damaged?") from error


def _optional(path: Path) -> Any:
    return _read_json(path) if path.exists() else None


def _block(path: Path) -> BlockRecord:
    try:
        return BlockRecord.from_json(_read_json(path))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: not a block record ({error})") from error


def load_run(run_dir: Path) -> RunData:
    """Read a run directory. A verdict or a plan may be absent; a directory with nothing may not."""
    root = Path(run_dir)
    if not (root / "manifest.json").exists():
        raise UserError(f"{root}: no manifest.json; give the directory of one run (results/<id>/<run>)")
    plan = _optional(root / "plan.json")
    verdict = _optional(root / "verdict.json")
    blocks = sorted(
        (_block(path) for path in sorted((root / "blocks").glob("*.json"))), key=lambda b: b.index
    )
    try:
        return RunData(
            root=root,
            manifest=_read_json(root / "manifest.json"),
            plan=Plan.from_json(plan) if plan is not None else None,
            verdict=Verdict.from_json(verdict) if verdict is not None else None,
            blocks=tuple(blocks),
            attempts=tuple(AttemptLog(root / ATTEMPTS).read()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{root}: plan.json or verdict.json is malformed ({error})") from error
