"""Which lanes, arms and metrics of a run a table shows; names on the command line may be patterns."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Dict, List, Sequence, Tuple

from harness.errors import UserError
from harness.experiment.source import nearest
from harness.model import AA
from harness.report.load import RunData, arms_as_written, experiment_value

# Shown of every lane that has them, when nothing was asked for.
_USUAL = ("ops_per_s", "ops_per_cpu_s", "peak_rss_kb", "rss_idle_kb")

_MOST_TOLD = 12


@dataclass(frozen=True)
class Choice:
    """Empty: what the form shows by itself."""

    lanes: Tuple[str, ...] = ()
    arms: Tuple[str, ...] = ()
    metrics: Tuple[str, ...] = ()

    def lanes_of(self, data: RunData) -> List[str]:
        return _chosen(self.lanes, data.workloads(), "lane", data)

    def arms_of(self, data: RunData) -> List[str]:
        """In the order asked for; by default as the experiment has them, without the copy of base, which is
        no alternative."""
        present = data.arms()
        if not self.arms:
            written = [arm for arm in arms_as_written(data.manifest) if arm in present]
            return written + [arm for arm in present if arm not in written and arm != AA]
        return [arm for text in self.arms for arm in _chosen((text,), present, "arm", data)]

    def metrics_by_lane(self, data: RunData) -> Dict[str, List[str]]:
        """Of each chosen lane; a metric asked for must be in one of them."""
        lanes = self.lanes_of(data)
        present = {lane: _measured(data, lane) for lane in lanes}
        if self.metrics:
            _chosen(self.metrics, list(dict.fromkeys(m for names in present.values() for m in names)), "metric", data)
            return {lane: [m for m in present[lane] if _matches(m, self.metrics)] for lane in lanes}
        return {lane: [m for m in _usual(data, lane) if m in present[lane]] for lane in lanes}


def _usual(data: RunData, lane: str) -> List[str]:
    """What the gates ask, what ranks the lane, its own figures, then what is usual."""
    entry = (experiment_value(data.manifest, "workloads", {}) or {}).get(lane) or {}
    gates = [str(gate["metric"]) for gate in experiment_value(data.manifest, "gates", []) or []]
    gated = [metric.partition(".")[2] for metric in gates if metric.partition(".")[0] == lane]
    figure = [entry["figure"]] if entry.get("figure") else []
    return list(dict.fromkeys([*figure, *gated, *(entry.get("metrics") or {}), *_USUAL]))


def _measured(data: RunData, lane: str) -> List[str]:
    return list(dict.fromkeys(m for run in data.measured() if run.workload == lane and run.counts for m in run.metrics))


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _chosen(patterns: Sequence[str], present: Sequence[str], what: str, data: RunData) -> List[str]:
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in present):
            raise UserError(f"{data.root}: has no {what} {pattern}; {_known(pattern, present)}")
    return [name for name in present if not patterns or _matches(name, patterns)]


def _known(pattern: str, present: Sequence[str]) -> str:
    """A run may have a hundred metrics: of so many only the first are told."""
    if not present:
        return "nothing was measured"
    advice = nearest(pattern, present)
    if advice.startswith("did you mean") or len(present) <= _MOST_TOLD:
        return advice
    return f"the first of {len(present)} are {', '.join(present[:_MOST_TOLD])}; runs.csv has a column for each"
