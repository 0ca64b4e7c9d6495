"""From an experiment to everything a run needs, proven before the first block.

What is quick to find wrong is looked for first: missing programs, then missing references, then the
build. Nothing is written to `results/` here.
"""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from harness import warnings
from harness.build.arms import BuiltArm, Expected, WantedArm, build_arms
from harness.build.baseline import Baseline, against_base, build_base
from harness.build.flags import InlineVariant, inline_name
from harness.build.meson import BuildTree
from harness.errors import UserError
from harness.experiment import Experiment, Workload
from harness.measure.instruments import tools_of
from harness.measure.record import Asked
from harness.model import AA, BASE, ArmFacts
from harness.peers.catalogue import OWN_LIBRARIES
from harness.peers.locate import Given
from harness.peers.resolve import ResolvedPeer, resolve
from harness.run.block import Lane
from harness.run.cpus import cpu_sets, single_threaded, usable_cpus
from harness.run.environment import SEARCH_PATH, lane_environment
from harness.run.instruments import require_instruments

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
    inputs: Mapping[str, Path]

    def settings(self, arm: str) -> Mapping[str, str]:
        return self.peers[arm].env if arm in self.peers else {}


def prepare(
    experiment: Experiment,
    places: Mapping[str, str],
    tree: BuildTree,
    given: Mapping[str, Given],
    base: Optional[Baseline] = None,
) -> Prepared:
    """Checks, builds and proves; `places` says where the file defines each arm, `given` are the libraries
    of --allocator, `base` is the commit that base comes from if it is not of the tree."""
    check_lanes(experiment, tree.root)
    ours = [r for r in experiment.references if r.allocator in OWN_LIBRARIES and r.allocator not in given]
    peers = {r.arm: resolve(r.allocator, r.preset, given) for r in experiment.references if r not in ours}
    names = sorted({w.program for w in experiment.workloads.values() if w.program is not None})
    expected = Expected(same_bytes=experiment.kind == AA_KIND, difference=experiment.difference)
    built = built_arms(tree, wanted_arms(experiment, places), names, expected, base)
    require_instruments(experiment, tree.runner)
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
        inputs=inputs_of(experiment, tree.root),
    )


def built_arms(
    tree: BuildTree, wanted: Sequence[WantedArm], programs: Sequence[str], expected: Expected, base: Optional[Baseline]
) -> Dict[str, BuiltArm]:
    """All arms of hz3 by name, base first; of another commit if `base` says so."""
    if base is None:
        return {b.arm: b for b in build_arms(tree, wanted, programs, expected)}
    if expected.same_bytes:
        raise UserError("--base-ref: an A/A experiment compares base with its own copy; leave the option out")
    if not any(w.arm == BASE for w in wanted):
        raise UserError("--base-ref: this experiment has no arm base to build from another commit; leave the option out")
    others = build_arms(tree, [w for w in wanted if w.arm != BASE], programs, expected)
    mine = build_base(base, next(w for w in wanted if w.arm == BASE))
    return {BASE: mine, **{b.arm: against_base(b, mine) for b in others}}


def build_own_libraries(tree: BuildTree, names: Sequence[str]) -> Dict[str, Given]:
    """Yardsticks of the project that stand among the references."""
    paths = {name: tree.build / OWN_LIBRARIES[name] for name in names}
    tree.compile(list(paths.values()))
    return {name: Given(path) for name, path in paths.items()}


def wanted_arms(experiment: Experiment, places: Mapping[str, str]) -> List[WantedArm]:
    """Inline variants are named after the experiment, the arm and what they are."""
    wanted = []
    for name, arm in experiment.arms.items():
        # In an A/A experiment treat is base once more, and stands nowhere in the file: one variant, one library.
        stem = BASE if experiment.kind == AA_KIND else name
        where = f"{places.get(name) or places.get(BASE) or experiment.id}: arm {name}"
        if arm.variant is not None:
            wanted.append(WantedArm(name, arm.variant, None, where))
            continue
        variant = inline_name(f"{experiment.id}.{stem}", str(arm.parent), arm.flags, arm.options)
        keys = [at for at in places if at.startswith(f"{name}.")]
        inner = {at.partition(".")[2]: f"{places[at]}: arm {name}" for at in keys}
        inline = InlineVariant(variant, str(arm.parent), arm.flags, arm.options, where, inner)
        wanted.append(WantedArm(name, variant, inline, where))
    return wanted


def check_lanes(experiment: Experiment, root: Path) -> None:
    """Every program a lane needs must be there, and no lane may set the harness's own variables."""
    for name, lane in experiment.workloads.items():
        lane_environment(lane.env, "/tmp")
        for program in missing_programs(lane, root):
            raise UserError(warnings.text("requires", workload=name, program=program))


def programs_of(lane: Workload) -> List[str]:
    """What must be installed for the lane, beside the programs of workloads/."""
    return [*(lane.command or [])[:1], *lane.requires, *tools_of(lane.under)]


def missing_programs(lane: Workload, root: Path) -> List[str]:
    needs = programs_of(lane)
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


def inputs_of(experiment: Experiment, root: Path) -> Dict[str, Path]:
    """Files outside the build that decide what the lanes do: the programs of commands and of `requires`,
    the interpreters of scripts, and every plain file that an argument of a command names (the programs of
    workloads/ read none). By the name under which the experiment knows them."""
    found: Dict[str, Path] = {}
    for lane in experiment.workloads.values():
        for name in programs_of(lane):
            program = find_program(name, root)
            if program is not None:
                found[name] = Path(program).resolve()
        if lane.command is not None:
            for word in [*lane.command[1:], *lane.args]:
                found.update(_named_files(word, root))
    for path in list(found.values()):
        script = interpreter_of(path)
        if script is not None:
            found.setdefault(str(script), script.resolve())
    return found


def _named_files(word: str, root: Path) -> Iterator[Tuple[str, Path]]:
    """`data.db`, `--file=data.db`, `if=data.db`: plain files only, for a device has no contents to compare."""
    for name in dict.fromkeys((word, word.rpartition("=")[2])):
        try:
            path = (root / name).resolve()
            if name and path.is_file():
                yield name, path
        except (OSError, ValueError, RuntimeError):
            continue  # too long, or no name at all: then it names no file


def interpreter_of(path: Path) -> Optional[Path]:
    """The program that runs a script, from its first line."""
    try:
        with path.open("rb") as stream:
            first = stream.readline(256)
    except OSError:
        return None
    words = first[2:].split() if first.startswith(b"#!") else []
    if not words:
        return None
    named = words[0].decode("utf-8", "replace")
    if named.endswith("/env") and len(words) > 1:
        named = shutil.which(words[1].decode("utf-8", "replace"), path=SEARCH_PATH) or named
    return Path(named) if Path(named).is_file() else None


def lanes_of(experiment: Experiment, tree: BuildTree) -> Dict[str, Lane]:
    usable = usable_cpus()
    return {name: _lane(name, lane, tree, usable) for name, lane in experiment.workloads.items()}


def _lane(name: str, lane: Workload, tree: BuildTree, usable: List[int]) -> Lane:
    if lane.program is not None:
        argv = [str(tree.program(lane.program)), *lane.args]
    else:
        words = lane.command or []
        argv = [find_program(words[0], tree.root) or words[0], *words[1:], *lane.args]
    alone = single_threaded(lane.program, lane.threads)
    asked = Asked(lane.program, tuple(lane.args), lane.metrics, lane.sample_ms, alone, lane.under)
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
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()


def facts_of_manifest(manifest: Mapping[str, Any]) -> List[ArmFacts]:
    """The facts again, for judging a run later without building anything."""
    return [ArmFacts.from_json(item) for item in manifest["arm_facts"]]
