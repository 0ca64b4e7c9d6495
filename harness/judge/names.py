"""Names that nothing answers to: asked after the first block, so that a slip of the pen costs one block.

A gate on a figure that no run of its arms gave will be VOID whatever is measured next, and so will an
arm whose evidence names a counter that no run of it printed. That a figure is missing in some runs only
is another matter, and the judge's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from harness.experiment import Experiment, parse_evidence
from harness.model import BlockRecord, RunRecord

MOST_SHOWN = 20

_CYCLE = re.compile(r"@\d+$")


def unknown_names(experiment: Experiment, first_records: Sequence[BlockRecord]) -> list[str]:
    """A sentence for every gated figure and evidence counter that no run of its arm gave in
    `first_records` (warm-up will do). Empty when all are known, or when a lane or arm has no run yet
    that could tell."""
    runs = [run for record in first_records for run in record.runs if run.counts]
    told: list[str] = []
    for gate in experiment.gates:
        for arm in (gate.arm, gate.against):
            of_arm = [run for run in runs if (run.workload, run.arm) == (gate.lane, arm)]
            if of_arm and not _gives(of_arm, gate.key):
                told.append(f"gate {gate.metric}: {_nobody(of_arm, gate.key, f'arm {arm}')}")
    for arm, expressions in experiment.evidence.items():
        for text in expressions:
            told += _unknown_counter(experiment, arm, text, [run for run in runs if run.arm == arm])
    return list(dict.fromkeys(told))


def _unknown_counter(experiment: Experiment, arm: str, text: str, runs: Sequence[RunRecord]) -> list[str]:
    """A counter without a lane may be printed in any lane that the arm has; all must have been seen."""
    counter = parse_evidence(text).counter
    lane, _, rest = counter.partition(".")
    lanes = [name for name in experiment.workloads if arm in experiment.lane_arms(name)]
    key, asked = (rest, [lane]) if lane in lanes else (counter, lanes)
    seen = [run for run in runs if run.workload in asked]
    if {run.workload for run in seen} != set(asked) or _gives(seen, key):
        return []
    return [f"evidence {text!r} of arm {arm}: {_nobody(seen, key, ', '.join(f'lane {name}' for name in asked))}"]


def _gives(runs: Sequence[RunRecord], key: str) -> bool:
    return any(key in run.metrics for run in runs)


def _nobody(runs: Sequence[RunRecord], key: str, where: str) -> str:
    """Cycles are left out of the advice unless one was asked for; so are counters, unless a counter was."""
    names = {name for run in runs for name in run.metrics}
    if not names:
        return f"no run in {where} gave any figure"
    alike = {name for name in names if ("." in name) == ("." in key)} or names
    if not _CYCLE.search(key):
        alike = {name for name in alike if not _CYCLE.search(name)} or alike
    text = {name for run in runs for name in run.strings}
    if key in text:
        return f"{key} is a text in {where}, not a number"
    close = difflib.get_close_matches(key, sorted(alike), n=1, cutoff=0.6)
    if close:
        return f"no run in {where} gave {key}; did you mean {close[0]!r}?"
    shown = sorted(alike)[:MOST_SHOWN]
    more = f" and {len(alike) - len(shown)} more" if len(alike) > len(shown) else ""
    return f"no run in {where} gave {key}; use one of {', '.join(shown)}{more}"
