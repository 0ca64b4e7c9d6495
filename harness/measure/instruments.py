"""Instruments: what a lane's key `under` adds to the runner's job, and the figures that come of it.

An instrument either leaves a run as it is (the processor's counters) or changes how long it takes and
not what it does. The latter's times and, under cachegrind, memory and faults belong to the instrument;
so they are dropped here, and absent rather than wrong.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from harness.experiment.figures import CALLS, COUNTERS, INSTRUMENTS, survives

VALGRIND = "valgrind"

# Figure -> the runner's name for it.
_CALL = {name: name[:-1] for name in CALLS}
_COUNTER = {name: name.partition("_")[2] for name in COUNTERS}

# The last line of cachegrind's file: instructions first, then what it may have simulated beside them.
_SUMMARY = re.compile(r"^summary: (\d+)", re.MULTILINE)


def tools_of(under: Optional[str]) -> List[str]:
    """Programs that must be installed."""
    return [VALGRIND] if under == "cachegrind" else []


def instrument_job(under: Optional[str], argv: Sequence[str], counted: Path) -> Dict[str, Any]:
    """What of the runner's job differs from a plain run; `counted` is where a tool may write."""
    if under == "cachegrind":
        tool = [VALGRIND, "-q", "--tool=cachegrind", "--cache-sim=no", f"--cachegrind-out-file={counted}"]
        return {"argv": [*tool, *argv]}
    if under == "calls":
        return {"count_calls": True}
    if under == "counters":
        return {"counters": list(_COUNTER.values())}
    return {}


def under_instrument(
    under: str, numbers: Mapping[str, float], line: Mapping[str, Any], counted: str
) -> Tuple[Dict[str, float], List[str]]:
    """The figures that mean something under the instrument, with its own; and those it failed to give."""
    kept = {name: value for name, value in numbers.items() if survives(under, name)}
    if under == "cachegrind":
        own = _instructions(counted, kept.get("ops"))
    else:
        told = line.get("calls" if under == "calls" else "counters") or {}
        names = _CALL if under == "calls" else _COUNTER
        own = {name: float(told[key]) for name, key in names.items() if told.get(key) is not None}
    return {**kept, **own}, [name for name in INSTRUMENTS[under] if name not in own]


def _instructions(counted: str, ops: Optional[float]) -> Dict[str, float]:
    found = _SUMMARY.search(counted)
    if found is None:
        return {}
    instructions = float(found[1])
    return {"instructions": instructions, **({"instructions_per_op": instructions / ops} if ops else {})}
