"""What a variant should be, asked from the flag tool, and how two variants differ.

The harness never interprets the catalogues itself: `hz3/src/config/flagtool.py` is the only reader of
flags and variants, and its one-line errors are passed on as they stand. Variants that an experiment
defines inline are written to a file of the same form as `hz3/variants.yaml` and given to the tool (and
to Meson) as the extra catalogue.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import yaml

from harness.errors import UserError
from harness.process import PYTHON, run_process, tail

FLAGTOOL = Path("hz3/src/config/flagtool.py")

# A flag or option that one side lacks; None would hide a flag that is null.
Difference = Dict[str, Tuple[Any, Any]]


@dataclass(frozen=True)
class Variant:
    name: str
    parents: Tuple[str, ...]
    flags: Mapping[str, int]
    options: Mapping[str, Any]


@dataclass(frozen=True)
class InlineVariant:
    """A variant defined by an experiment; `where` is the place a reader finds it (file:line), `places` those
    of its parent, flags and options."""

    name: str
    parent: str
    flags: Mapping[str, int]
    options: Mapping[str, Any]
    where: str
    places: Mapping[str, str] = field(default_factory=dict)


def inline_name(stem: str, parent: str, flags: Mapping[str, int], options: Mapping[str, Any]) -> str:
    """A name for a variant of an experiment, which no other definition has: its libraries lie in the build
    tree beside those of other experiments. The dot sets it apart from the names of the catalogue."""
    text = json.dumps([parent, dict(flags), dict(options)], sort_keys=True, default=str)
    return f"{stem}.{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def show(root: Path, name: str, extra: Optional[Path], inline: Mapping[str, InlineVariant], where: str = "") -> Variant:
    """The variant `name` with every flag resolved; raises the flag tool's own error. `where` is the place
    that names it."""
    command = [PYTHON, str(root / FLAGTOOL), "show", name]
    if extra is not None:
        command += ["--extra", str(extra)]
    done = run_process(command, cwd=root, timeout_s=60)
    if done.status != 0:
        told = _placed(_unknown(done.stderr.strip(), name, where), extra, inline)
        raise UserError(told or f"{FLAGTOOL} failed:\n{tail(done.stdout)}")
    data = json.loads(done.stdout)
    return Variant(data["variant"], tuple(data["parents"]), data["flags"], data["options"])


def write_extra(path: Path, inline: Mapping[str, InlineVariant]) -> str:
    """Writes the extra catalogue and returns its text; leaves a file alone that says the same."""
    data = {
        v.name: {"parent": v.parent, "doc": f"defined in {v.where}", "flags": dict(v.flags), "options": dict(v.options)}
        for v in inline.values()
    }
    text: str = yaml.safe_dump(data, sort_keys=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return text


def difference(left: Mapping[str, Any], right: Mapping[str, Any]) -> Difference:
    """The keys whose values differ, each with both values (None where a side lacks the key)."""
    keys = sorted(set(left) | set(right))
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}


def in_words(changes: Difference) -> str:
    """`HZ3_S62_RETIRE 0 -> 1, lto False -> True`, or `nothing`."""
    return ", ".join(f"{key} {old} -> {new}" for key, (old, new) in changes.items()) or "nothing"


def _unknown(message: str, name: str, where: str) -> str:
    """A variant that does not exist is a mistake of the file that names it, not of the catalogue."""
    text = re.sub(r"^[^:]+:\d+: ", "", message)
    if not where or not text.startswith(f"there is no variant {name};"):
        return message
    known = text.partition("known are ")[2].split(", ")
    near = difflib.get_close_matches(name, known, n=1)
    return f"{where}: {text}" + (f"; did you mean {near[0]}?" if near else "")


def _placed(message: str, extra: Optional[Path], inline: Mapping[str, InlineVariant]) -> str:
    """A mistake in an inline variant is told at its place in the experiment, not in our file."""
    match = re.match(r"(?P<file>[^:]+):(?P<line>\d+): (?P<text>.*)", message, re.S)
    if extra is None or match is None or Path(match["file"]).name != extra.name:
        return message
    lines = extra.read_text(encoding="utf-8").splitlines()[: int(match["line"])]
    names = [line.split(":")[0].strip("'\"") for line in lines if line and not line[0].isspace()]
    owner = inline.get(names[-1]) if names else None
    if owner is None:
        return message
    parent_wrong = "parent" if "unknown parent" in match["text"] else ""
    key = parent_wrong or lines[-1].split(":")[0].strip(" '\"")
    return f"{owner.places.get(key, owner.where)}: {match['text']}"
