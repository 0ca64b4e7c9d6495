"""`sweep:` written out: an arm for each value of one flag, beside base, so that a report can show how
figures answer to it."""

from __future__ import annotations

from typing import Any, Mapping

from harness.experiment.source import Source

_FEWEST, _MOST = 2, 16


def with_sweep(data: Mapping[str, Any], source: Source) -> dict[str, Any]:
    """The data with the arms of its sweep; as it is where there is none, or one that the schema refuses.
    An arm is called by the flag and the value: HZ3_REFILL_BATCH 8 is refill_batch_8."""
    sweep, arms = data.get("sweep"), data.get("arms")
    if not isinstance(sweep, dict) or not isinstance(arms, dict):
        return dict(data)
    flag, values, parent = sweep.get("flag"), sweep.get("values"), sweep.get("parent", _base_variant(arms))
    if not isinstance(flag, str) or not isinstance(values, list) or any(type(value) is not int for value in values):
        return dict(data)
    if not _FEWEST <= len(values) <= _MOST or len(set(values)) < len(values):
        source.problem(("sweep", "values"), f"expected {_FEWEST} to {_MOST} different values; base's own is there anyway")
        return dict(data)
    if parent is None:
        source.problem(("sweep",), "base is no variant by name, so its arms have no parent; add parent: NAME")
        return dict(data)
    made = {arm_name(flag, value): {"parent": parent, "flags": {flag: value}} for value in values}
    taken = sorted(set(made) & set(arms))
    if taken:
        source.problem(("arms", taken[0]), f"the sweep makes an arm {taken[0]} too; give this one another name", at_key=True)
        return dict(data)
    return {**data, "arms": {**arms, **made}}


def arm_name(flag: str, value: int) -> str:
    return f"{flag.lower().removeprefix('hz3_')}_{value}".replace("-", "m")


def _base_variant(arms: Mapping[str, Any]) -> Any:
    base = arms.get("base")
    return base if isinstance(base, str) else base.get("variant") if isinstance(base, dict) else None
