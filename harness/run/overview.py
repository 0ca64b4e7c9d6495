"""What there is to run, and what a plan would do: text for `harness list` and `harness plan`."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional

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


def overview(root: Path, build: Path, what: Optional[str]) -> str:
    """All four lists, or the one named."""
    lists = {"experiments": _experiments, "variants": _variants, "workloads": _workloads, "references": _references}
    chosen: Dict[str, List[str]] = {
        name: make(BuildTree(root, build)) for name, make in lists.items() if what in (None, name)
    }
    return "\n".join(f"{name}:\n" + "\n".join(f"  {row}" for row in rows or ["none"]) for name, rows in chosen.items())


def _experiments(tree: BuildTree) -> List[str]:
    rows = []
    for path in sorted((tree.root / "experiments").glob("*.yaml")):
        try:
            rows.append(f"{path.stem:<18} {load_experiment(path).question}")
        except ExperimentError as error:
            rows.append(f"{path.stem:<18} (cannot be used: {error.problems[0]})")
    return rows


def _variants(tree: BuildTree) -> List[str]:
    done = run_process([PYTHON, str(tree.root / FLAGTOOL), "list"], cwd=tree.root, timeout_s=60)
    if done.status != 0:
        raise UserError(done.stderr.strip())
    return done.stdout.split()


def _workloads(tree: BuildTree) -> List[str]:
    return tree.programs() or ["known after the first build: tools/run, or meson setup build"]


def _references(tree: BuildTree) -> List[str]:
    rows = []
    for peer in PEERS.values():
        path = find(peer)
        where = str(path) if path else "the C library" if not peer.files else f"missing: sudo apt-get install {peer.packages[0]}"
        rows.append(f"{peer.name:<10} presets {', '.join(presets(FAMILIES[peer.family])):<18} {where}")
    return rows


def unfinished_text(experiment: Experiment, plan: Plan, results: Path, root: Path) -> str:
    """What `run` would do with an unfinished run of this plan; empty when there is none."""
    found = find_unfinished(results, plan.experiment_id, plan.key)
    if found is None:
        return ""
    made = len(list((found.root / "blocks").glob("*.json")))
    changed = drift_before_building(found.manifest(), experiment, root)
    if not changed:
        return f"unfinished: {found.root}, {made} blocks; a run continues there, unless the builds have changed"
    told = "".join(f"\n    {text}" for text in changed)
    return f"unfinished: {found.root}, {made} blocks; a run is refused, unless with --fresh, because something has changed:{told}"


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
