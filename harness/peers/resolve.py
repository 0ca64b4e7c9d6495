"""From `{allocator, preset}` to an arm: a library of known version whose preset is shown to work."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from harness.build.elf import read_library, require_malloc
from harness.errors import UserError
from harness.peers.catalogue import FAMILIES, PEERS, STOCK, Family, Version, family_of, preset_env
from harness.peers.locate import Given, find_or_tell
from harness.peers.proof import probe, prove


@dataclass(frozen=True)
class ResolvedPeer:
    """An arm made of a reference allocator. `path` is None for glibc, which is not preloaded;
    `problem` is None when the preset was shown to be in force."""

    arm: str
    allocator: str
    preset: str
    family: str
    path: Optional[Path]
    version: str
    version_by: str
    sha256: Optional[str]
    build_id: Optional[str]
    identity: Optional[str]
    env: Dict[str, str]
    proof: str
    problem: Optional[str]

    def to_json(self) -> Dict[str, Any]:
        return {**asdict(self), "path": str(self.path) if self.path else None}


def version_tuple(text: str) -> Version:
    """The leading numbers of a version: `5.3.0-0-g54ea` is (5, 3, 0)."""
    match = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else (0,)


def resolve(allocator: str, preset: str = STOCK, given: Optional[Mapping[str, Given]] = None) -> ResolvedPeer:
    """`given` are the libraries of --allocator, by name; they go before the catalogue."""
    named = (given or {}).get(allocator)
    path = named.path if named is not None else None
    if path is None:
        if allocator not in PEERS:
            raise UserError(
                f"there is no reference {allocator!r}; known are {', '.join(PEERS)}, and any library given as "
                f"--allocator {allocator}=/path/lib.so"
            )
        if PEERS[allocator].family == "glibc":
            return _glibc(allocator, preset)
        path = find_or_tell(PEERS[allocator])
    library = read_library(path)
    require_malloc(library)
    family = family_of(library.exports)
    version, symbol = _version(path, library.soname)
    env = preset_env(family, preset, version_tuple(version), version)
    env = {**env, **(named.env if named is not None else {})}
    proof = prove(path, family, env)
    lacks = next((f"{key}={value}" for key, value in family.needs.items() if env.get(key) != value), None)
    problem = proof.problem if lacks is None else f"it needs {lacks}; write --allocator {allocator}={path},{lacks}"
    return ResolvedPeer(
        arm=arm_name(allocator, preset),
        allocator=allocator,
        preset=preset,
        family=family.name,
        path=path,
        version=version,
        version_by=symbol,
        sha256=library.sha256,
        build_id=library.build_id,
        identity=library.identity,
        env=env,
        proof=proof.shown,
        problem=None if problem is None else f"preset {preset} of {allocator} {version}: {problem}",
    )


def arm_name(allocator: str, preset: str) -> str:
    return allocator if preset == STOCK else f"{allocator}:{preset}"


def _version(path: Path, soname: Optional[str]) -> tuple[str, str]:
    """The version and how it was learnt; a library that cannot even be preloaded is refused."""
    done = probe(path, {}, ["version"])
    if done.status != 0 or "cannot be preloaded" in done.stderr:
        lines: List[str] = done.stderr.strip().splitlines()
        raise UserError(f"{path}: cannot be preloaded: {lines[0] if lines else f'status {done.status}'}")
    told = json.loads(done.stdout)
    if told["symbol"]:
        return str(told["version"]), str(told["symbol"])
    return (soname, "soname") if soname else ("unknown", "nothing")


def _glibc(allocator: str, preset: str) -> ResolvedPeer:
    family: Family = FAMILIES["glibc"]
    version = (os.confstr("CS_GNU_LIBC_VERSION") or "unknown").replace("glibc ", "")
    env = preset_env(family, preset, version_tuple(version), version)
    return ResolvedPeer(arm_name(allocator, preset), allocator, preset, family.name, None, version, "confstr",
                        None, None, None, env, "no settings", None)  # fmt: skip
