"""The forecast in words, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from harness import warnings
from harness.forecast.power import Forecast, GateForecast
from harness.judge.text import percent, plural
from harness.run.progress import duration


def forecast_text(found: Forecast) -> str:
    if found.runs == 0:
        return "forecast: none, for no earlier run of these lanes is known; after the first there will be one"
    lines = [f"forecast, from {plural(found.runs, 'earlier run')} of these lanes:", f"  {_time(found)}"]
    lines += [f"  {_gate(gate, found.looks[-1])}" for gate in found.gates]
    return "\n".join(lines)


def _time(found: Forecast) -> str:
    if found.seconds is None:
        return f"time: unknown for lane {', '.join(found.unknown)}"
    first = f"time: about {duration(found.seconds[0])} to {plural(found.looks[0], 'block')}"
    return first if len(found.looks) == 1 else f"{first}, {duration(found.seconds[-1])} to all {found.looks[-1]}"


def _gate(gate: GateForecast, blocks: int) -> str:
    if gate.kind == "exact":
        return f"{gate.gate}: a count that repeats; noise plays no part"
    if gate.kind == "absolute":
        return f"{gate.gate}: not a ratio; nothing is foretold"
    if gate.noise is None or gate.floor is None or gate.mde is None:
        return f"{gate.gate}: too little is known ({plural(gate.pairs, 'pair')} of base and its copy)"
    text = f"{gate.gate}: a pair differs by {percent(gate.noise)}; {plural(blocks, 'block')} find {percent(gate.mde)}, floor {percent(gate.floor)}"
    if gate.answers is None:
        return f"{text}; a target needs that much beyond its bound"
    share = "more than 99 %" if gate.answers > 0.99 else f"{gate.answers * 100:.0f} %"
    return f"{text}; GO in {share} of cases if nothing has changed"


def forecast_warnings(found: Forecast) -> Iterator[str]:
    """A margin that the plan's own noise would drown."""
    for gate in found.gates:
        if gate.below_floor:
            assert gate.margin is not None and gate.floor is not None
            margin, floor = percent(gate.margin), percent(gate.floor)
            yield warnings.text("margin", gate=gate.gate, margin=margin, floor=floor, blocks=gate.blocks)


def forecast_json(found: Forecast) -> dict[str, Any]:
    gates = [{**asdict(gate), "below_floor": gate.below_floor} for gate in found.gates]
    return {"runs": found.runs, "looks": list(found.looks), "seconds": found.seconds, "unknown_lanes": list(found.unknown), "gates": gates}
