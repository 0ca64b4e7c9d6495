"""Rules of an experiment file that span fields, each with what to do when it is broken.

The models in `schema.py` have already settled keys and types; here names (lanes, arms) are
resolved, predicates are read, and the design is asked whether it can decide at all: an exact
interval needs a least number of pairs, and a look that can decide nothing still costs its share of
the error.
"""

from __future__ import annotations

import re

from harness.experiment.figures import is_exact
from harness.experiment.looks import lane_look_counts, least_blocks, least_pairs, look_alphas, look_counts
from harness.experiment.predicate import parse_evidence, parse_predicate
from harness.experiment.schema import Arm, Design, Experiment, Gate, Workload
from harness.experiment.source import KeyPath, Source, nearest
from harness.model import AA, BASE, TREAT

_ID = re.compile(r"^[a-z0-9][a-z0-9._-]*$")
_NAME = re.compile(r"^[a-z][a-z0-9_-]*$")
_RESERVED_COUNTS = 100_000
MOST_ALLOWANCE = 0.02  # of an exact gate


def check_experiment(experiment: Experiment, source: Source) -> None:
    """Records every broken rule in `source`; the caller raises."""
    if not _ID.match(experiment.id):
        source.problem(("id",), f"id {experiment.id!r} names a folder; use a-z, 0-9, '.', '_', '-'")
    if not experiment.question.strip():
        source.problem(("question",), "the question is empty; say what the verdict answers")
    _check_arms(experiment, source)
    for lane, workload in experiment.workloads.items():
        _check_workload(lane, workload, source)
        _check_without(lane, experiment, source)
    _check_evidence(experiment, source)
    _check_gates(experiment, source)
    design_ok = _check_design(experiment.design, source)
    _check_quick(experiment, source)
    _check_nightly(experiment, source)
    _check_truth(experiment, source)
    if design_ok and not source.problems:
        _check_decidable(experiment, source)


def _check_arms(experiment: Experiment, source: Source) -> None:
    arms = experiment.arms
    for name, arm in arms.items():
        here: KeyPath = ("arms", name)
        if name == AA:
            text = "arm 'aa' is the harness's own copy of base; use another name, or design.aa"
            source.problem(here, text, at_key=True)
        elif not _NAME.match(name):
            source.problem(here, f"arm name {name!r}; use a-z, 0-9, '_' and '-'", at_key=True)
        _check_arm(arm, here, source)
    if experiment.kind != "table" and BASE not in arms:
        source.problem(("arms",), "arm 'base' is missing; name the variant to compare with")
    if experiment.kind == "ab" and TREAT not in arms:
        source.problem(("arms",), "arm 'treat' is missing; name the variant to judge")
    if experiment.kind == "aa" and TREAT in arms:
        text = "in kind aa the harness makes treat a copy of base; remove it, or use kind ab"
        source.problem(("arms", TREAT), text, at_key=True)
    if not arms and not experiment.references:
        source.problem(("arms",), "nothing is measured; name arms or references")
    seen = set(arms)
    for i, reference in enumerate(experiment.references):
        if reference.arm in seen:
            text = f"{reference.arm!r} is there already; remove one or choose another preset"
            source.problem(("references", i), text)
        seen.add(reference.arm)


def _check_arm(arm: Arm, here: KeyPath, source: Source) -> None:
    if arm.variant is None and arm.parent is None:
        source.problem(here, "the arm names no variant; write its name, or parent and flags")
    elif arm.variant is not None and (arm.parent is not None or arm.flags or arm.options):
        text = "a named variant takes no parent, flags or options; use parent instead of variant"
        source.problem(here, text)


def _check_workload(lane: str, workload: Workload, source: Source) -> None:
    here: KeyPath = ("workloads", lane)
    if not _NAME.match(lane):
        source.problem(here, f"lane name {lane!r}; use a-z, 0-9, '_' and '-'", at_key=True)
    if (workload.program is None) == (workload.command is None):
        source.problem(here, "a workload has exactly one of program and command; keep one", True)
    if workload.command is not None and not workload.command:
        source.problem(here + ("command",), "the command is empty; name a program")
    if workload.sample_ms < 0:
        source.problem(here + ("sample_ms",), "an interval is not negative; use 0 for no series")
    if workload.timeout_s <= 0:
        source.problem(here + ("timeout_s",), "a time-out is above 0; give seconds")
    if workload.threads is not None and workload.threads < 1:
        source.problem(here + ("threads",), "a lane has at least 1 thread; correct or remove it")
    if workload.blocks is not None and workload.blocks < 1:
        source.problem(here + ("blocks",), "a lane runs in at least 1 block; remove it instead")
    if workload.under == "cachegrind" and workload.program is None:
        text = "cachegrind counts programs of workloads/ only, which say how many operations they did; use calls or counters"
        source.problem(here + ("under",), text)
    if workload.under == "cachegrind" and workload.sample_ms > 0:
        source.problem(here + ("sample_ms",), "the memory under cachegrind is cachegrind's; use 0, or another lane")
    for name, pattern in workload.metrics.items():
        _check_pattern(here + ("metrics", name), pattern, source)


def _check_without(lane: str, experiment: Experiment, source: Source) -> None:
    here: KeyPath = ("workloads", lane, "without")
    for i, arm in enumerate(experiment.workloads[lane].without):
        if arm not in experiment.arm_ids:
            source.problem(here + (i,), f"unknown arm {arm!r}; {nearest(arm, experiment.arm_ids)}")
        elif any(gate.lane == lane and arm in (gate.arm, gate.against) for gate in experiment.gates):
            source.problem(here + (i,), f"a gate on this lane needs arm {arm!r}; remove one of them")
    if experiment.arm_ids and not experiment.lane_arms(lane):
        source.problem(here, "no arm is left in this lane; remove the lane instead")


def _check_pattern(here: KeyPath, pattern: str, source: Source) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        source.problem(here, f"bad regular expression: {error}; mind YAML's quoting")
        return
    if groups != 1:
        text = f"the expression has {groups} groups; put ( ) around the number, (?: ) elsewhere"
        source.problem(here, text)


def _check_evidence(experiment: Experiment, source: Source) -> None:
    arms = experiment.arm_ids + ([TREAT] if experiment.kind == "aa" else [])
    for arm, expressions in experiment.evidence.items():
        here: KeyPath = ("evidence", arm)
        if arm not in arms:
            source.problem(here, f"evidence on unknown arm {arm!r}; {nearest(arm, arms)}", True)
        for i, text in enumerate(expressions):
            try:
                parse_evidence(text)
            except ValueError as error:
                source.problem(here + (i,), str(error))


def _check_gates(experiment: Experiment, source: Source) -> None:
    if experiment.kind == "table" and experiment.gates:
        source.problem(("gates",), "a table judges nothing; remove the gates or use kind ab", True)
    if experiment.kind != "table" and not experiment.gates:
        source.problem(("gates",), "there is no gate to decide; add one, or use kind table")
    for i, gate in enumerate(experiment.gates):
        _check_gate(gate, ("gates", i), experiment, source)


def _check_gate(gate: Gate, here: KeyPath, experiment: Experiment, source: Source) -> None:
    lanes = experiment.workloads
    if not gate.key:
        source.problem(here + ("metric",), f"{gate.metric!r} names no lane; write lane.metric")
    elif gate.lane not in lanes:
        text = f"gate on unknown lane {gate.lane!r}; {nearest(gate.lane, lanes)}"
        source.problem(here + ("metric",), text)
    arms = experiment.arm_ids + ([TREAT] if experiment.kind == "aa" else [])
    for key, arm in (("arm", gate.arm), ("against", gate.against)):
        if arm not in arms and arm not in (BASE, TREAT):  # whose absence is reported already
            source.problem(here + (key,), f"gate on unknown arm {arm!r}; {nearest(arm, arms)}")
    if gate.arm == gate.against:
        source.problem(here + ("arm",), f"{gate.arm!r} is compared with itself; change against")
    rules = [r for r in ("go_if", "no_go_if", "same_within") if getattr(gate, r) is not None]
    if len(rules) != 1:
        found = " and ".join(rules) if rules else "no rule"
        source.problem(here, f"the gate has {found}; give one of go_if, no_go_if, same_within")
    _check_exact(gate, here, source)
    for rule in rules:
        if rule == "same_within":
            if not 0 < float(gate.same_within or 0) < 1:
                text = "the width of same_within is a fraction; use e.g. 0.02 for 2 %"
                source.problem(here + (rule,), text)
            continue
        try:
            predicate = parse_predicate(getattr(gate, rule))
        except ValueError as error:
            source.problem(here + (rule,), str(error))
            continue
        if rule == "no_go_if" and predicate.subject == "ratio" and predicate.holds(1.0):
            side = f"'ratio {'<' if predicate.upward else '>'} {predicate.bound:g}'"
            text = f"no change at all (a ratio of 1) would be NO-GO; name the bad side, e.g. {side}, or use go_if"
            source.problem(here + (rule,), text)


def _check_exact(gate: Gate, here: KeyPath, source: Source) -> None:
    """Only counts repeat, and only ratios have a range that an allowance widens."""
    if gate.exact_within is None:
        return
    place = here + ("exact_within",)
    if not 0 <= float(gate.exact_within) <= MOST_ALLOWANCE:
        text = f"an allowance of {gate.exact_within:g} is none of a count that repeats; use e.g. 0.001 for 0.1 %"
        source.problem(place, text)
    if gate.key and not is_exact(gate.key):
        source.problem(place, f"{gate.key!r} is a time or a rate and never exact; leave it out")
    text = gate.go_if if gate.go_if is not None else gate.no_go_if
    if text is not None and not text.strip().startswith("ratio"):
        source.problem(place, "an exact gate is one on a ratio; use same_within or a rule like 'ratio <= 1.01'")


def _check_design(design: Design, source: Source) -> bool:
    before = len(source.problems)
    here: KeyPath = ("design",)
    if not 1 <= design.blocks <= _RESERVED_COUNTS:
        source.problem(here + ("blocks",), f"{design.blocks} blocks; use 1 or more, mostly 10")
    elif design.max_blocks is not None:
        below = design.max_blocks < design.blocks
        if below or design.max_blocks % design.blocks or design.max_blocks > _RESERVED_COUNTS:
            text = (
                f"max_blocks {design.max_blocks} is no multiple of blocks {design.blocks}; the "
                f"data is judged every {design.blocks} blocks, so use e.g. {4 * design.blocks}"
            )
            source.problem(here + ("max_blocks",), text)
    if design.warmup < 0:
        source.problem(here + ("warmup",), "warm-up blocks are not negative; use 0 for none")
    if not 0 <= design.disturbed_most <= 1:
        text = f"disturbed_most {design.disturbed_most:g} is no share; use e.g. 0.5"
        source.problem(here + ("disturbed_most",), text)
    if design.extensions:
        text = "extensions are counted by the harness; remove it and use `run --extend`"
        source.problem(here + ("extensions",), text)
    if not 0.5 <= design.confidence < 1:
        text = f"confidence {design.confidence:g} is no level of an interval; use e.g. 0.90"
        source.problem(here + ("confidence",), text)
    return len(source.problems) == before


def _check_quick(experiment: Experiment, source: Source) -> None:
    quick = experiment.quick
    if quick is None:
        return
    if quick.blocks < 1:
        source.problem(("quick", "blocks"), f"{quick.blocks} blocks; use 1 or more, mostly 6")
    if quick.warmup is not None and quick.warmup < 0:
        source.problem(("quick", "warmup"), "warm-up blocks are not negative; use 0 for none")
    for lane in quick.args:
        if lane not in experiment.workloads:
            text = f"quick changes unknown lane {lane!r}; {nearest(lane, experiment.workloads)}"
            source.problem(("quick", "args", lane), text, at_key=True)


def _check_nightly(experiment: Experiment, source: Source) -> None:
    """Only a guard on a ratio can be screened, and the second stage must be able to decide even if every
    gate reaches it."""
    nightly = experiment.nightly
    if nightly is None:
        return
    here: KeyPath = ("nightly",)
    if not 5 <= nightly.screen_blocks <= _RESERVED_COUNTS:
        source.problem(here + ("screen_blocks",), f"{nightly.screen_blocks} blocks give no 90 % interval; use 5 or more")
    if not 0 <= nightly.suspicious <= 1:
        text = f"suspicious {nightly.suspicious:g} is no share of the way to the bound; use e.g. 0.5"
        source.problem(here + ("suspicious",), text)
    if not 0 < nightly.error < 0.5:
        source.problem(here + ("error",), f"error {nightly.error:g} is no rate of false alarms; use e.g. 0.05")
        return
    least = least_pairs(float(nightly.error) / max(1, len(experiment.gates)))
    if not least <= nightly.confirm_blocks <= _RESERVED_COUNTS:
        text = f"{nightly.confirm_blocks} blocks cannot confirm {len(experiment.gates)} gates at an error of {nightly.error:g}; use at least {least}"
        source.problem(here + ("confirm_blocks",), text)
    names = [gate.id or gate.metric for gate in experiment.gates]
    for i, gate in enumerate(experiment.gates):
        if names.index(names[i]) < i:
            source.problem(("gates", i), f"two gates are called {names[i]}; give one an id, the stages of a night know them by name")
        if not _is_ratio_guard(gate):
            source.problem(("gates", i), f"{gate.metric}: a nightly gate is a guard on a ratio, e.g. no_go_if: \"ratio < 0.97\"; change it")


def _check_truth(experiment: Experiment, source: Source) -> None:
    """Every case names arms and lanes that exist, and asks something."""
    if experiment.truth is None:
        return
    if experiment.kind != "ab":
        source.problem(("truth",), "the cases compare arms with base; use kind ab", True)
    effect = experiment.truth.effect
    if effect is not None and effect.partition(".")[0] not in experiment.workloads:
        source.problem(("truth", "effect"), f"unknown lane in {effect!r}; {nearest(effect, experiment.workloads)}")
    for name, case in experiment.truth.cases.items():
        here: KeyPath = ("truth", "cases", name)
        if not _NAME.match(name):
            source.problem(here, f"case name {name!r}; use a-z, 0-9, '_' and '-'", at_key=True)
        if case.arm is not None and (case.arm == BASE or case.arm not in experiment.arms):
            source.problem(here + ("arm",), f"{case.arm!r} is no arm beside base; {nearest(case.arm, experiment.arms)}")
        for i, lane in enumerate(case.lanes):
            if lane not in experiment.workloads:
                source.problem(here + ("lanes", i), f"unknown lane {lane!r}; {nearest(lane, experiment.workloads)}")
        if not any(gate.lane in case.lanes for gate in experiment.gates):
            source.problem(here + ("lanes",), "no gate is on these lanes; name one that has some")
        if case.rounds < 1:
            source.problem(here + ("rounds",), f"{case.rounds} rounds; use 1 or more")


def _is_ratio_guard(gate: Gate) -> bool:
    try:
        return gate.no_go_if is not None and parse_predicate(gate.no_go_if).subject == "ratio"
    except ValueError:
        return True  # told of already


def _check_decidable(experiment: Experiment, source: Source) -> None:
    """Every look at a gated lane must be able to give an interval with two ends."""
    design = experiment.design
    looks = len(look_counts(design))
    if experiment.gates:
        least = least_blocks(experiment.gates, look_alphas(design, look_counts(design))[0])
        if design.blocks < least:
            source.problem(
                ("design", "blocks"),
                f"{design.blocks} blocks cannot decide at confidence {design.confidence:g} with "
                f"{looks} look{'s' if looks > 1 else ''}; use at least {least}",
            )
        one_look = least_blocks(experiment.gates, look_alphas(design, [1])[0])
        if experiment.quick is not None and experiment.quick.blocks < one_look:
            source.problem(
                ("quick", "blocks"),
                f"{experiment.quick.blocks} blocks cannot decide at confidence "
                f"{design.confidence:g}; use at least {one_look}",
            )
    for lane in {gate.lane: None for gate in experiment.gates}:
        cap = experiment.workloads[lane].blocks
        counts = lane_look_counts(experiment, lane)
        gates = [gate for gate in experiment.gates if gate.lane == lane]
        needed = least_blocks(gates, look_alphas(design, counts)[0])
        if cap is not None and counts[0] == cap and cap < needed:
            text = f"a cap of {cap} blocks cannot decide the lane's gates; use at least {needed}"
            source.problem(("workloads", lane, "blocks"), text)
