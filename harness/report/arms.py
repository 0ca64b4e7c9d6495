"""What each arm is, in words: its variant, its flags against base, or the peer and its setting.

Reads the manifest's records of what was built and found, not the experiment's wishes.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from harness.model import AA, BASE, TREAT
from harness.peers.catalogue import OWN_LIBRARIES
from harness.report.load import RunData, declared_references, experiment_value

_SHORT = 12  # characters of a hash that a reader needs to tell two files apart


def arm_entry(data: RunData, arm: str) -> Mapping[str, Any]:
    """The manifest's record of this arm; empty when it has none."""
    for section in ("arms", "references"):
        entry: Any = (data.manifest.get(section) or {}).get(arm)
        if isinstance(entry, Mapping):
            return entry
    return {}


def build_record(data: RunData, arm: str) -> Mapping[str, Any]:
    """The record read from the arm's library; empty for references."""
    record = arm_entry(data, arm).get("record")
    return record if isinstance(record, Mapping) else {}


def variant(data: RunData, arm: str) -> Optional[str]:
    """The variant an hz3 arm was built from."""
    name = build_record(data, arm).get("variant") or arm_entry(data, arm).get("variant")
    if name is None:
        declared = (experiment_value(data.manifest, "arms", {}) or {}).get(arm)
        name = declared.get("variant") if isinstance(declared, Mapping) else declared
    if name is None and (arm == AA or arm == TREAT and _is_aa(data)):
        name = variant(data, BASE)
    return str(name) if name else None


def _is_aa(data: RunData) -> bool:
    return bool(experiment_value(data.manifest, "kind", "ab") == "aa")


def is_reference(data: RunData, arm: str) -> bool:
    return arm in declared_references(data.manifest) or (
        variant(data, arm) is None and arm not in (BASE, TREAT, AA)
    )


def setting(data: RunData, arm: str) -> str:
    """How a reference was run: `stock`, or `tuned: <preset>` with what it sets."""
    if not is_reference(data, arm):
        return "hz3"
    _, _, preset = arm.partition(":")
    return f"tuned: {preset}" if preset else "stock"


def describe_arm(data: RunData, arm: str) -> str:
    """One short line for legends: `treat: s62`, `mimalloc (stock)`, `mimalloc (tuned: purge-now)`."""
    if arm == AA:
        return "aa: copy of base"
    if is_reference(data, arm):
        peer = arm.partition(":")[0]
        return f"{peer} (a yardstick, not for use)" if peer in OWN_LIBRARIES else f"{peer} ({setting(data, arm)})"
    name = variant(data, arm)
    return f"{arm}: {name}" if name and name != arm else arm


def identity(data: RunData, arm: str) -> str:
    entry = arm_entry(data, arm)
    text = entry.get("identity") or entry.get("sha256") or ""
    return str(text)[:_SHORT]


def differences(data: RunData, arm: str, section: str) -> list[tuple[str, Any, Any]]:
    """(name, value in base, value in arm) for every flag or option that is not as in base."""
    ours = build_record(data, arm).get(section) or {}
    theirs = build_record(data, BASE).get(section) or {}
    names = sorted(set(ours) | set(theirs))
    return [(n, theirs.get(n), ours.get(n)) for n in names if theirs.get(n) != ours.get(n)]


def difference_words(data: RunData, arm: str) -> str:
    """Flags and options of an arm against base, as one cell of a table."""
    if arm == BASE:
        return "what the others are compared with"
    if arm == AA or arm == TREAT and _is_aa(data):
        return "none: the same library, copied"
    if is_reference(data, arm):
        return reference_words(data, arm)
    found = differences(data, arm, "flags") + differences(data, arm, "options")
    if not found:
        return "no build record" if not build_record(data, arm) else "none"
    return ", ".join(f"`{name}` {_value(old)} → {_value(new)}" for name, old, new in found)


def reference_words(data: RunData, arm: str) -> str:
    """A peer's version and the environment its preset sets."""
    entry = arm_entry(data, arm)
    words = [f"version {entry['version']}"] if entry.get("version") else []
    settings = entry.get("env") or {}
    words += [f"`{name}={settings[name]}`" for name in sorted(settings)]
    words += [str(entry["proof"])] if entry.get("proof") else []
    return ", ".join(words) or "as installed"


def _value(value: Any) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
