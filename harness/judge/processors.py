"""Where the machine had its processors: blocks in which it moved them decide nothing.

Prevents the accident that base ran while two virtual processors shared a cache and treat while they
lay on two chips. A program whose threads hand memory to each other is then up to three times as
fast in one of the two runs, whatever its allocator. The runner measures before and after every run
how long a cache line takes from one processor to the other (`handover_ns`, `handover_after_ns`,
harness/runner/handover.hpp). A block is set aside, both runs of it, when these differ by more than
half; a rule that looks at no figure of either arm cannot favour one. Runs on one processor have no
such figure and nothing of theirs is set aside.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from harness.judge.plausible import is_exact
from harness.judge.text import plural
from harness.model import RunRecord

APART = 1.5  # states of one machine differ by a factor of two or more, repeats within one by a fifth

_FIGURES = ("handover_ns", "handover_after_ns")


def handovers(run: RunRecord) -> list[float]:
    return [run.metrics[name] for name in _FIGURES if run.metrics.get(name, 0) > 0]


def moved(key: str, runs: Sequence[RunRecord]) -> bool:
    """Whether the processors were moved during or between these runs, and `key` feels that."""
    found = [value for run in runs for value in handovers(run)]
    return len(found) > 1 and max(found) > APART * min(found) and not is_exact(key)


def distance(runs: Sequence[RunRecord]) -> Optional[float]:
    """The nanoseconds between the processors in one block, where `moved` is false."""
    found = sorted(value for run in runs for value in handovers(run))
    return found[len(found) // 2] if found else None


def states(distances: Sequence[Optional[float]]) -> list[list[int]]:
    """The pairs' indices by the state the machine was in, nearest first: neighbouring distances
    within APART are one state. Unknown distances are one state of their own."""
    known = sorted((d, i) for i, d in enumerate(distances) if d is not None)
    groups: list[list[int]] = []
    last = 0.0
    for value, index in known:
        if not groups or value > APART * last:
            groups.append([])
        groups[-1].append(index)
        last = value
    unknown = [i for i, d in enumerate(distances) if d is None]
    return [sorted(group) for group in groups] + ([unknown] if unknown else [])


def states_note(distances: Sequence[Optional[float]]) -> str:
    """A clause when the blocks were measured in more than one state of the machine."""
    known = [d for d in distances if d is not None]
    groups = states(known)
    if len(groups) < 2:
        return ""
    told = [f"{_middle([known[i] for i in group]):.0f} ns in {plural(len(group), 'block')}" for group in groups]
    return "the machine's processors lay apart by " + ", ".join(told)


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
