"""From an experiment to everything a run needs, proven before the first block.

What is quick to find wrong is looked for first: missing programs, then missing references, then the
build. Nothing is written to `results/` here.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from harness import warnings
from harness.build.arms import BuiltArm, Expected, WantedArm, build_arms
from harness.build.flags import InlineVariant
from harness.build.meson import BuildTree
from harness.errors import UserError
from harness.experiment import Experiment, Workload
from harness.measure.record import Asked
from harness.model import AA, BASE, ArmFacts
from harness.peers.catalogue import OWN_LIBRARIES
from harness.peers.resolve import ResolvedPeer, resolve
from harness.run.block import Lane
from harness.run.cpus import cpu_sets, single_threaded, usable_cpus
from harness.run.environment import SEARCH_PATH, lane_environment

AA_KIND = "aa"


@dataclass(frozen=True)
class Prepared:
    """`sources` are the libraries to copy into the run, by arm; None is the C library's allocator."""

    experiment: Experiment
    built: Mapping[str, BuiltArm]
    peers: Mapping[str, ResolvedPeer]
    lanes: Mapping[str, Lane]
    sources: Mapping[str, Optional[Path]]
    facts: List[ArmFacts]
    runner: Path
    programs: Mapping[str, Path]

    def settings(self, arm: str) -> Mapping[str, str]:
        return self.peers[arm].env if arm in self.peers else {}


def prepare(experiment: Experiment, file: str, tree: BuildTree, given: Mapping[str, Path]) -> Prepared:
    """Checks, builds and proves; `given` are the libraries of --allocator."""
    check_lanes(experiment, tree.root)
    ours = [r for r in experiment.references if r.allocator in OWN_LIBRARIES and r.allocator not in given]
    peers = {r.arm: resolve(r.allocator, r.preset, given) for r in experiment.references if r not in ours}
    names = sorted({w.program for w in experiment.workloads.values() if w.program is not None})
    expected = Expected(same_bytes=experiment.kind == AA_KIND, difference=experiment.difference)
    built = {b.arm: b for b in build_arms(tree, wanted_arms(experiment, file), names, expected)}
    if ours:
        given = {**given, **build_own_libraries(tree, [r.allocator for r in ours])}
        peers = {r.arm: peers.get(r.arm) or resolve(r.allocator, r.preset, given) for r in experiment.references}
    if experiment.has_aa:
        built[AA] = built[BASE]
    sources: Dict[str, Optional[Path]] = {arm: b.library.path for arm, b in built.items()}
    sources.update({arm: peer.path for arm, peer in peers.items()})
    return Prepared(
        experiment=experiment,
        built=built,
        peers=peers,
        lanes=lanes_of(experiment, tree),
        sources={arm: sources[arm] for arm in experiment.arm_ids},
        facts=arm_facts(experiment, built, peers),
        runner=tree.runner,
        programs={name: tree.program(name) for name in names},
    )


def build_own_libraries(tree: BuildTree, names: Sequence[str]) -> Dict[str, Path]:
    """Yardsticks of the project that stand among the references."""
    paths = {name: tree.build / OWN_LIBRARIES[name] for name in names}
    tree.compile(list(paths.values()))
    return paths


def wanted_arms(experiment: Experiment, file: str) -> List[WantedArm]:
    """Inline variants are named after the experiment and the arm, with a dot no catalogue name has."""
    wanted = []
    for name, arm in experiment.arms.items():
        if arm.variant is not None:
            wanted.append(WantedArm(name, arm.variant))
            continue
        where = f"{file}: arm {name}"
        inline = InlineVariant(f"{experiment.id}.{name}", str(arm.parent), arm.flags, arm.options, where)
        if experiment.kind == AA_KIND:  # treat is base once more: one variant, one library
            inline = InlineVariant(f"{experiment.id}.{BASE}", str(arm.parent), arm.flags, arm.options, where)
        wanted.append(WantedArm(name, inline.name, inline))
    return wanted


def check_lanes(experiment: Experiment, root: Path) -> None:
    """Every program a lane needs must be there, and no lane may set the harness's own variables."""
    for name, lane in experiment.workloads.items():
        lane_environment(lane.env, "/tmp")
        for program in missing_programs(lane, root):
            raise UserError(warnings.text("requires", workload=name, program=program))


def missing_programs(lane: Workload, root: Path) -> List[str]:
    needs = list(lane.requires) + ([lane.command[0]] if lane.command else [])
    return [program for program in dict.fromkeys(needs) if find_program(program, root) is None]


def without_missing_lanes(experiment: Experiment, root: Path) -> Tuple[Experiment, List[str]]:
    """The experiment less the lanes whose programs (`requires:`) are not installed, and a sentence for
    each. A lane under a gate stays, and is then refused: a verdict must not lose a question in silence."""
    gated = {gate.lane for gate in experiment.gates}
    told: Dict[str, str] = {}
    for name, lane in experiment.workloads.items():
        absent = missing_programs(lane, root)
        if absent and lane.requires and name not in gated:
            told[name] = warnings.text("skipped", workload=name, program=" and ".join(absent))
    kept = {name: lane for name, lane in experiment.workloads.items() if name not in told}
    if told and not kept:
        raise UserError("no lane is left to run:\n" + "\n".join(f"  {text}" for text in told.values()))
    return experiment.copy(update={"workloads": kept}), list(told.values())


def find_program(name: str, root: Path) -> Optional[str]:
    """As the workload will find it: relative to the project, or on the fixed search path."""
    if "/" in name:
        path = root / name
        return str(path) if path.is_file() else None
    return shutil.which(name, path=SEARCH_PATH)


def lanes_of(experiment: Experiment, tree: BuildTree) -> Dict[str, Lane]:
    usable = usable_cpus()
    return {name: _lane(name, lane, tree, usable) for name, lane in experiment.workloads.items()}


def _lane(name: str, lane: Workload, tree: BuildTree, usable: List[int]) -> Lane:
    if lane.program is not None:
        argv = [str(tree.program(lane.program)), *lane.args]
    else:
        words = lane.command or []
        argv = [find_program(words[0], tree.root) or words[0], *words[1:], *lane.args]
    asked = Asked(lane.program, tuple(lane.args), lane.metrics, lane.sample_ms, single_threaded(lane.program, lane.threads))
    return Lane(name, argv, asked, lane.env, float(lane.timeout_s), cpu_sets(lane.program, usable, lane.threads))


def arm_facts(
    experiment: Experiment, built: Mapping[str, BuiltArm], peers: Mapping[str, ResolvedPeer]
) -> List[ArmFacts]:
    facts = []
    for arm in experiment.arm_ids:
        if arm in built:
            facts.append(ArmFacts(arm, built[arm].library.identity, built[arm].variant.name))
        else:
            problem = peers[arm].problem
            facts.append(ArmFacts(arm, problems=[problem] if problem else []))
    return facts


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def facts_of_manifest(manifest: Mapping[str, Any]) -> List[ArmFacts]:
    """The facts again, for judging a run later without building anything."""
    return [ArmFacts.from_json(item) for item in manifest["arm_facts"]]
