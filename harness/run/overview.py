"""What there is to run, and what a plan would do: text and data for `harness list` and `harness plan`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from harness.build.flags import FLAGTOOL
from harness.build.meson import BuildTree
from harness.errors import UserError
from harness.experiment import Experiment, ExperimentError, load_experiment
from harness.model import Plan
from harness.peers.catalogue import FAMILIES, PEERS, presets
from harness.peers.locate import find
from harness.process import PYTHON, run_process
from harness.run.directory import find_unfinished
from harness.run.manifest import drift_before_building

_SHOWN_BLOCKS = 12

Entry = Mapping[str, Any]


def overview(root: Path, build: Path, what: Optional[str]) -> Dict[str, List[Entry]]:
    """All four lists, or the one named."""
    lists = {"experiments": _experiments, "variants": _variants, "workloads": _workloads, "references": _references}
    return {name: make(BuildTree(root, build)) for name, make in lists.items() if what in (None, name)}


def overview_text(lists: Mapping[str, Sequence[Entry]]) -> str:
    """The lists for people, who are told why one is empty."""
    empty = {"workloads": "known after the first build: tools/run, or meson setup build"}
    parts = []
    for name, entries in lists.items():
        rows = [_ROWS[name](entry) for entry in entries] or [empty.get(name, "none")]
        parts.append(f"{name}:\n" + "\n".join(f"  {row}" for row in rows))
    return "\n".join(parts)


def _experiments(tree: BuildTree) -> List[Entry]:
    entries: List[Entry] = []
    for path in sorted((tree.root / "experiments").glob("*.yaml")):
        try:
            experiment = load_experiment(path)
            entries.append({"name": path.stem, "kind": experiment.kind, "question": experiment.question, "problem": None})
        except ExperimentError as error:
            entries.append({"name": path.stem, "kind": None, "question": None, "problem": str(error.problems[0])})
    return entries


def _variants(tree: BuildTree) -> List[Entry]:
    done = run_process([PYTHON, str(tree.root / FLAGTOOL), "list"], cwd=tree.root, timeout_s=60)
    if done.status != 0:
        raise UserError(done.stderr.strip())
    return [{"name": name} for name in done.stdout.split()]


def _workloads(tree: BuildTree) -> List[Entry]:
    return [{"name": name} for name in tree.programs()]


def _references(tree: BuildTree) -> List[Entry]:
    entries: List[Entry] = []
    for peer in PEERS.values():
        path = find(peer)
        entries.append(
            {
                "name": peer.name,
                "presets": list(presets(FAMILIES[peer.family])),
                "library": str(path) if path else None,
                "missing": path is None and peer.family != "glibc",
                "package": peer.packages[0] if peer.packages else None,
                "built_by": f"tools/peers {peer.built}" if peer.built else None,
            }
        )
    return entries


def _experiment_row(entry: Entry) -> str:
    return f"{entry['name']:<18} {entry['question'] or '(cannot be used: ' + str(entry['problem']) + ')'}"


def _reference_row(entry: Entry) -> str:
    missing = f"not built: {entry['built_by']}" if entry["built_by"] else f"missing: sudo apt-get install {entry['package']}"
    where = entry["library"] or (missing if entry["missing"] else "the C library")
    return f"{entry['name']:<10} presets {', '.join(entry['presets']):<18} {where}"


_ROWS: Mapping[str, Callable[[Entry], str]] = {
    "experiments": _experiment_row,
    "variants": lambda entry: str(entry["name"]),
    "workloads": lambda entry: str(entry["name"]),
    "references": _reference_row,
}


@dataclass(frozen=True)
class Unfinished:
    """A run of the plan that has no verdict yet; `changed` is what keeps it from being continued."""

    where: Path
    blocks: int
    changed: List[str]


def find_unfinished_run(experiment: Experiment, plan: Plan, results: Path, root: Path) -> Optional[Unfinished]:
    found = find_unfinished(results, plan.experiment_id, plan.key)
    if found is None:
        return None
    made = len(list((found.root / "blocks").glob("*.json")))
    return Unfinished(found.root, made, drift_before_building(found.manifest(), experiment, root))


def unfinished_text(found: Unfinished) -> str:
    """What `run` would do with it."""
    if not found.changed:
        return f"unfinished: {found.where}, {found.blocks} blocks; a run continues there, unless the builds have changed"
    told = "".join(f"\n    {text}" for text in found.changed)
    return f"unfinished: {found.where}, {found.blocks} blocks; a run is refused, unless with --fresh, because something has changed:{told}"


def plan_json(experiment: Experiment, plan: Plan, found: Optional[Unfinished], foretold: Mapping[str, Any]) -> Dict[str, Any]:
    """The plan as it is kept in a run, and what stands around it."""
    unfinished = None if found is None else {"run": str(found.where), "blocks": found.blocks, "changed": found.changed}
    return {
        "question": experiment.question,
        "arms": experiment.arm_ids,
        "lanes": list(experiment.workloads),
        "gates": [{"gate": gate.id or gate.metric, "metric": gate.metric, "rule": gate.rule} for gate in experiment.gates],
        "plan": plan.to_json(),
        "unfinished": unfinished,
        "forecast": dict(foretold),
    }


def plan_text(experiment: Experiment, plan: Plan) -> str:
    """The head of a plan: what is compared, how often it is judged, and the first blocks in order."""
    runs = sum(len(block.slots) for block in plan.blocks)
    lines = [
        f"{experiment.id}: {experiment.question}",
        f"arms: {', '.join(experiment.arm_ids)}",
        f"lanes: {', '.join(experiment.workloads)}",
        f"judged after {', '.join(map(str, plan.looks))} measured blocks; at most {len(plan.blocks)} blocks, {runs} runs",
        f"key {plan.key[:12]}, seed {plan.seed}",
    ]
    for block in plan.blocks[:_SHOWN_BLOCKS]:
        lanes: Dict[str, List[str]] = {}
        for slot in block.slots:
            lanes.setdefault(slot.workload, []).append(slot.arm)
        order = "; ".join(f"{lane}: {' '.join(arms)}" for lane, arms in lanes.items())
        lines.append(f"  block {block.index:>3} {block.kind:<8} pad {block.env_pad:>4}  {order}")
    if len(plan.blocks) > _SHOWN_BLOCKS:
        lines.append(f"  … and {len(plan.blocks) - _SHOWN_BLOCKS} more")
    return "\n".join(lines)
