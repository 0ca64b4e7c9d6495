"""The manifest: everything a run depends on, written once, and compared when the run is continued.

A run whose blocks were made under different conditions would compare different things, so a run is
continued only when what matters is as it was; the rest (load, time, commit) is recorded for readers.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence, Tuple

from harness import warnings
from harness.build.arms import BuiltArm
from harness.errors import UserError
from harness.experiment import Experiment
from harness.measure.disturbance import LIMITS
from harness.model import RECORD_SCHEMA
from harness.process import run_process
from harness.run.machine import STEADY, c_library, machine_facts, pressure
from harness.run.prepare import Prepared, file_sha256, inputs_of


def make_manifest(
    prepared: Prepared, *, root: Path, text: str, file: str, options: Mapping[str, Any], command: Sequence[str], started_utc: str
) -> Dict[str, Any]:
    """`text` is the experiment file as typed, `options` what the command line changed about it."""
    machine = machine_facts()
    git = git_state(root)
    experiment = prepared.experiment
    return {
        "schema": RECORD_SCHEMA,
        "experiment_id": experiment.id,
        "started_utc": started_utc,
        "command": list(command),
        "quick": bool(options.get("quick")),
        "experiment": experiment.dict(),
        "experiment_file": file,
        "experiment_text": text,
        "options": dict(options),
        "git": git,
        "machine": machine,
        "warnings": machine_warnings(machine, git),
        "arms": {arm: arm_entry(built, arm_folder(prepared, arm)) for arm, built in prepared.built.items()},
        "references": {arm: {**peer.to_json(), "library": arm_folder(prepared, arm)} for arm, peer in prepared.peers.items()},
        "arm_facts": [fact.to_json() for fact in prepared.facts],
        "runner_sha256": file_sha256(prepared.runner),
        "programs_sha256": {name: file_sha256(path) for name, path in prepared.programs.items()},
        "inputs_sha256": {name: input_sha256(path) for name, path in prepared.inputs.items()},
        "c_library": c_library_entry(),
        "lanes": {
            name: {"cpus": lane.cpus.workload, "sampler_cpus": lane.cpus.sampler, "timeout_s": lane.timeout_s}
            for name, lane in prepared.lanes.items()
        },
        "disturbance_limits": asdict(LIMITS),
    }


def arm_folder(prepared: Prepared, arm: str) -> str:
    """Relative to the run directory; every arm's path has the same length."""
    return f"arms/a{list(prepared.sources).index(arm):02d}/lib.so"


def arm_entry(built: BuiltArm, library: str) -> Dict[str, Any]:
    return {
        "variant": built.variant.name,
        "library": library,
        "identity": built.library.identity,
        "sha256": built.library.sha256,
        "build_id": built.library.build_id,
        "changes": {name: list(values) for name, values in built.changes.items()},
        "record": built.record,
    }


def input_sha256(path: Path) -> str:
    """A program that may be run but not read is known by its size and time."""
    try:
        return file_sha256(path)
    except OSError:
        try:
            seen = path.stat()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}); mend it, or leave its lane out with --only") from error
        return f"unreadable, {seen.st_size} bytes of {seen.st_mtime_ns}"


def c_library_entry() -> Dict[str, Any]:
    path = c_library()
    return {"path": None if path is None else str(path), "sha256": None if path is None else input_sha256(path)}


def git_state(root: Path) -> Dict[str, Any]:
    """Commit and whether the tree differs from it; both None outside a repository."""

    def git(*args: str) -> Tuple[int, str]:
        done = run_process(["git", "-C", str(root), *args], timeout_s=60)
        return done.status, done.stdout.strip()

    status, commit = git("rev-parse", "HEAD")
    if status != 0:
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": bool(git("status", "--porcelain", "--untracked-files=no")[1])}


def machine_warnings(machine: Mapping[str, Any], git: Mapping[str, Any]) -> List[str]:
    """What a reader should know of the conditions this run began under."""
    found = []
    if machine["cpus"] < 2:
        found.append(warnings.text("few-cpus", cpus=machine["cpus"]))
    if machine["load"][0] > 0.5 * machine["cpus"]:
        found.append(warnings.text("busy", load=machine["load"][0], cpus=machine["cpus"]))
    for what in ("cpu", "memory", "io"):
        value = pressure(what)
        if value is not None and value > 10:
            found.append(warnings.text("pressure", what=what, value=value))
    if machine["governor"] not in (None, "performance"):
        found.append(warnings.text("governor", governor=machine["governor"]))
    if machine["thp"] == "always":
        found.append(warnings.text("thp-always"))
    if machine["overcommit"] == 2:
        found.append(warnings.text("overcommit"))
    if git["dirty"]:
        found.append(warnings.text("dirty"))
    return found


def check_drift(then: Mapping[str, Any], now: Mapping[str, Any], where: Path) -> None:
    """Refuses to continue a run under other conditions, naming every one that changed."""
    told = "\n".join(f"    {text}" for text in _changes(then, now))
    if not told:
        return
    raise UserError(
        f"{where}: this unfinished run cannot be continued, because what it depends on has changed:\n{told}\n"
        "  restore it, or begin another run with --fresh (the unfinished one is kept)"
    )


def drift_before_building(then: Mapping[str, Any], experiment: Experiment, root: Path) -> List[str]:
    """What would keep an unfinished run from being continued, as far as that is known without a build."""
    now = {
        **then,
        "machine": machine_facts(),
        "experiment": experiment.dict(),
        "inputs_sha256": {name: input_sha256(path) for name, path in inputs_of(experiment, root).items()},
        "c_library": c_library_entry(),
    }
    return _changes(then, now)


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> List[str]:
    before, after = _steady(then), _steady(now)
    names = [name for name in sorted(set(before) | set(after)) if before.get(name) != after.get(name)]
    return [f"{name}: was {_short(before.get(name))}, is {_short(after.get(name))}" for name in names]


def _steady(manifest: Mapping[str, Any]) -> Dict[str, Any]:
    facts = {f"machine.{name}": manifest["machine"].get(name) for name in STEADY}
    facts.update({f"arm {name}": entry["identity"] for name, entry in manifest["arms"].items()})
    for name, entry in manifest["references"].items():
        facts[f"reference {name}"] = (entry["version"], entry["sha256"], tuple(sorted(entry["env"].items())))
    facts.update({f"program {name}": value for name, value in manifest["programs_sha256"].items()})
    facts.update({f"file {name}": value for name, value in manifest.get("inputs_sha256", {}).items()})
    facts["C library"] = manifest.get("c_library", {}).get("sha256")
    facts["runner"] = manifest["runner_sha256"]
    facts.update({f"experiment.{name}": value for name, value in manifest["experiment"].items()})
    facts.update({f"CPUs of lane {name}": value for name, value in manifest["lanes"].items()})
    return facts


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 70 else text[:69] + "…"
