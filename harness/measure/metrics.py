"""Named numbers from one runner line.

A mark stands at the *start* of a phase and its memory is the state at that moment; so the memory of
phase X is that of the mark after it. Times are in seconds, memory in kB. `firm` is resident memory
less the part the kernel may take back at once (LazyFree): what MADV_FREE leaves behind counts in RSS
but is given up. A figure that was not measured is absent, never zero.
"""

from __future__ import annotations

import math
import re
from typing import Any, Dict, Iterator, List, Mapping, Tuple

NS = 1e-9

# Runner keys that are metrics under their own name.
_PLAIN = ("minflt", "majflt", "nvcsw", "nivcsw")
# The same of the machine, which the judge needs to know by run.
_OF_MACHINE = ("handover_ns", "handover_after_ns")


def metrics_of(line: Mapping[str, Any]) -> Tuple[Dict[str, float], Dict[str, str]]:
    """Numbers and texts of a run; `line` is the runner's JSON object."""
    numbers = _accounting(line)
    texts: Dict[str, str] = {}
    for key, value in (line.get("result") or {}).items():
        if isinstance(value, str):
            texts[key] = value
        elif _is_number(value):
            numbers[key] = float(value)
    numbers.update(memory_metrics(line.get("marks") or [], texts.get("idle_phase")))
    return numbers, texts


def _accounting(line: Mapping[str, Any]) -> Dict[str, float]:
    found: Dict[str, float] = {}
    for key, name in (("wall_ns", "wall_s"), ("user_ns", "user_s"), ("sys_ns", "sys_s")):
        if _is_number(line.get(key)):
            found[name] = line[key] * NS
    if "user_s" in found and "sys_s" in found:
        found["cpu_s"] = found["user_s"] + found["sys_s"]
    for key in _PLAIN:
        if _is_number(line.get(key)):
            found[key] = float(line[key])
    machine = line.get("machine") or {}
    found.update({key: float(machine[key]) for key in _OF_MACHINE if _is_number(machine.get(key))})
    for key in ("peak_rss_kb", "max_rss_kb"):  # of the tree, and where it is not told of its largest process
        if _is_number(line.get(key)):
            found.setdefault("peak_rss_kb", float(line[key]))
    return found


def phases(marks: List[Mapping[str, Any]]) -> Iterator[Tuple[str, int, Mapping[str, Any], float]]:
    """Phase, cycle, the mark that closes it, and how long it lasted in seconds."""
    for opened, closed in zip(marks, marks[1:]):
        seconds = (float(closed["t_ms"]) - float(opened["t_ms"])) / 1000.0
        yield str(opened["phase"]), int(opened["cycle"]), closed, seconds


def memory_metrics(marks: List[Mapping[str, Any]], idle_phase: str | None) -> Dict[str, float]:
    """rss_<phase>_kb and firm_<phase>_kb of the last cycle, and of every cycle with @<cycle> behind.
    The phase the workload names as its idle one is found under `idle` as well."""
    found: Dict[str, float] = {}
    for phase, cycle, closed, _ in phases(marks):
        names = [phase] + (["idle"] if phase == idle_phase and phase != "idle" else [])
        for kind, value in _kinds(closed).items():
            for name in names:
                found[f"{kind}_{name}_kb"] = value
                found[f"{kind}_{name}_kb@{cycle}"] = value
    return found


def _kinds(mark: Mapping[str, Any]) -> Dict[str, float]:
    found: Dict[str, float] = {}
    if _is_number(mark.get("rss_kb")):
        found["rss"] = float(mark["rss_kb"])
        if _is_number(mark.get("lazyfree_kb")):
            found["firm"] = float(mark["rss_kb"]) - float(mark["lazyfree_kb"])
    return found


def command_metrics(patterns: Mapping[str, str], output: str) -> Tuple[Dict[str, float], List[str]]:
    """Figures read from a command's output by regular expression, the last match counting; and the
    names of those that were not found."""
    found: Dict[str, float] = {}
    missing: List[str] = []
    for name, pattern in patterns.items():
        matches = list(re.finditer(pattern, output, re.MULTILINE))
        try:
            found[name] = float(matches[-1][1].replace(",", ""))
        except (IndexError, ValueError, AttributeError):
            missing.append(name)
            continue
        if not math.isfinite(found[name]):
            del found[name]
            missing.append(name)
    return found, missing


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
