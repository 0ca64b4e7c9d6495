"""Pairs: in each block, the judged arm's value over the value it is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import GateVerdict
from harness.report.load import RunData


@dataclass(frozen=True)
class Pair:
    block: int
    ratio: float
    disturbed: bool


def pairs_of(data: RunData, gate: GateVerdict) -> list[Pair]:
    """Blocks in which both runs count and have the metric, in order; empty for absolute gates."""
    lane, _, metric = gate.metric.partition(".")
    found: dict[tuple[int, str], tuple[float, bool]] = {}
    for run in data.measured():
        if run.workload == lane and run.counts and metric in run.metrics:
            found[(run.block, run.arm)] = (run.metrics[metric], bool(run.disturbed))
    pairs = []
    for (block, arm), (value, disturbed) in sorted(found.items()):
        other = found.get((block, gate.against)) if gate.against else None
        if arm == gate.arm and other is not None and other[0] > 0:
            pairs.append(Pair(block, value / other[0], disturbed or other[1]))
    return pairs
