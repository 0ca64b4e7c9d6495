"""From an experiment to the list of all its runs.

A pure function: the same experiment and seed give the same plan, byte for byte, and a plan with
more blocks begins with the blocks of the shorter one, so that a run can be extended after a look.
Each lane draws from its own stream of random numbers; adding a lane does not reorder the others.
The key covers what decides the measured data and nothing else, so that an unfinished run is found again
by it. Whether it may be continued is asked then (`run.manifest.check_drift`): other gates, for one, must
not be judged on data already seen.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterator
from typing import Any

from harness.experiment import Experiment, look_counts
from harness.model import MEASURED, WARMUP, Block, Plan, Slot
from harness.plan.balance import williams_orders

ENV_PAD_BYTES = 4096  # one page: enough to move the stack through every alignment within it


def make_plan(experiment: Experiment, quick: bool = False) -> Plan:
    """The plan of an effective experiment (options already applied); `quick` is a label only,
    but part of the key, so that quick runs never mix with full ones."""
    design = experiment.design
    looks = look_counts(design)
    orders = {lane: _lane_orders(experiment, lane) for lane in experiment.workloads}
    warm = {lane: _lane_orders(experiment, lane, "warmup") for lane in experiment.workloads}
    blocks = []
    for index in range(design.warmup + looks[-1]):
        measured = index - design.warmup  # how many measured blocks stand before this one
        kind, source = (MEASURED, orders) if measured >= 0 else (WARMUP, warm)
        lanes = [
            lane
            for lane, workload in sorted(experiment.workloads.items())
            if workload.blocks is None or measured < workload.blocks
        ]
        rng = random.Random(f"{design.seed}:block:{index}")
        rng.shuffle(lanes)
        slots = [
            Slot(lane, arm, position)
            for lane in lanes
            for position, arm in enumerate(next(source[lane]))
        ]
        blocks.append(Block(index, kind, rng.randrange(ENV_PAD_BYTES), slots))
    key = plan_key(experiment, quick)
    return Plan(experiment.id, key, design.seed, quick, looks, blocks)


def _lane_orders(experiment: Experiment, lane: str, use: str = "orders") -> Iterator[list[str]]:
    return williams_orders(
        experiment.lane_arms(lane), random.Random(f"{experiment.design.seed}:{use}:{lane}")
    )


def blocks_until(plan: Plan, measured: int) -> list[Block]:
    """The warm-up blocks and the first `measured` measured ones, in order."""
    first = sum(block.kind == WARMUP for block in plan.blocks)
    return plan.blocks[: first + measured]


def plan_key(experiment: Experiment, quick: bool = False) -> str:
    """sha256 over all that decides which runs are made and what they record. What the arms' names
    stand for (flags, compiler) is not known here; the run adds the builds' identities itself."""
    relevant: dict[str, Any] = experiment.dict(
        include={"id", "kind", "arms", "references", "workloads", "design"}
    )
    for key in ("confidence", "disturbed_most", "extensions"):  # how runs are judged, or how many
        relevant["design"].pop(key)
    for workload in relevant["workloads"].values():  # these only say how figures are shown
        del workload["figure"], workload["group"]
        if workload["under"] is None:  # so that runs of before there were instruments keep their key
            del workload["under"]
    relevant["arm_ids"] = experiment.arm_ids
    relevant["quick"] = quick
    text = json.dumps(relevant, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
