"""What must be read with the status, in the order of how much it matters.

Prevents the accident that a verdict is quoted without what takes its weight away: runs that failed,
gates that were left out, a target missed, a machine that disturbed most of it, modes, and how often
the same plan was run before.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.experiment import Experiment
from harness.judge.disturbed import share
from harness.judge.pairs import RunTable
from harness.judge.reliability import Reliability
from harness.judge.targets import missed_targets
from harness.judge.text import plural
from harness.model import Circumstances, EarlierRun, Status, Verdict


def headline(
    experiment: Experiment,
    verdict: Verdict,
    table: RunTable,
    failed: Reliability,
    circumstances: Circumstances,
) -> list[str]:
    """Sentences without a full stop; empty for a verdict that stands by itself."""
    lines = list(failed.findings)
    if circumstances.dropped_gates:
        asked = f"{len(verdict.gates)} of {len(verdict.gates) + len(circumstances.dropped_gates)}"
        left_out = ", ".join(circumstances.dropped_gates)
        lines.append(f"partial: {asked} gates were asked; left out by --only: {left_out}")
    missed = missed_targets(experiment, verdict.gates)
    if verdict.status in (Status.GO, Status.PARTIAL) and missed:
        lines.append(f"missed (any target was enough): {', '.join(missed)}")
    lines += _disturbed(experiment, verdict, table)
    modes = [gate.id for gate in verdict.gates if "two modes" in gate.note]
    if modes:
        lines.append(f"more than one mode in {', '.join(modes)}: look at the figures by run")
    return lines + _earlier(circumstances.earlier)


def _disturbed(experiment: Experiment, verdict: Verdict, table: RunTable) -> list[str]:
    most = float(experiment.design.disturbed_most)
    for gate in experiment.gates:
        disturbed, blocks = share(table, gate, experiment.workloads[gate.lane].blocks)
        if disturbed > most * blocks:
            return [
                f"the machine disturbed {verdict.disturbed_runs} of {plural(verdict.runs, 'run')}"
            ]
    return []


def _earlier(earlier: Sequence[EarlierRun]) -> list[str]:
    if not earlier:
        return []
    told = ", ".join(f"{run.status or 'never finished'}" for run in earlier)
    return [f"run {len(earlier) + 1} of this plan; earlier ones: {told}"]
