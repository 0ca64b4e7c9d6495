"""The one table of reference allocators: families, their presets by version, Debian's packages.

A *family* is what a library is (told by a symbol it exports), a *peer* is a name an experiment may use
for it. A preset belongs to a range of versions, because an environment variable that another version
does not know is ignored in silence: mimalloc 2.0.x reads DECOMMIT_DELAY where 2.1 and later read
PURGE_DELAY, and each ignores the other's. A preset whose variables cannot be read back is void.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Mapping, Optional, Tuple

from harness.errors import UserError

Version = Tuple[int, ...]

STOCK = "stock"
PURGE_NOW = "purge-now"


@dataclass(frozen=True)
class Preset:
    """`env` for versions v with `since` <= v < `until` (None: no limit)."""

    env: Mapping[str, str]
    since: Version = (0,)
    until: Optional[Version] = None

    def covers(self, version: Version) -> bool:
        return self.since <= version and (self.until is None or version < self.until)


@dataclass(frozen=True)
class Family:
    """`symbol` is exported by every version of it. `read_back` names the way its settings are read
    (see proof.py): verbose, mallctl, property, or effect where there is none. `needs` are settings without
    which it is not what its makers measure."""

    name: str
    symbol: str
    read_back: str
    presets: Mapping[str, Tuple[Preset, ...]] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Peer:
    """`files` are sought in this order in the system's library directories; empty for glibc, which
    needs no preload. `packages` are the Debian or Ubuntu packages that bring one, newest last. `built` is
    the recipe of one that tools/peers builds instead."""

    name: str
    family: str
    files: Tuple[str, ...]
    packages: Tuple[str, ...]
    built: Optional[str] = None


FAMILIES: Dict[str, Family] = {
    "glibc": Family("glibc", "gnu_get_libc_version", "none"),
    "mimalloc": Family(
        "mimalloc",
        "mi_version",
        "verbose",
        {
            PURGE_NOW: (
                Preset(
                    {"MIMALLOC_DECOMMIT_DELAY": "0", "MIMALLOC_SEGMENT_DECOMMIT_DELAY": "0"},
                    since=(2, 0),
                    until=(2, 1),
                ),
                Preset({"MIMALLOC_PURGE_DELAY": "0"}, since=(2, 1)),
            )
        },
    ),
    "tcmalloc": Family(
        "tcmalloc",
        "tc_version",
        "property",
        {PURGE_NOW: (Preset({"TCMALLOC_AGGRESSIVE_DECOMMIT": "1"}),)},
    ),
    "jemalloc": Family(
        "jemalloc",
        "mallctl",
        "mallctl",
        {PURGE_NOW: (Preset({"MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0,abort_conf:true"}, since=(5, 0)),)},
    ),
    # Without the setting some of its versions and glibc's own use of restartable sequences collide.
    "google-tcmalloc": Family(
        "google-tcmalloc", "MallocExtension_Internal_GetNumericProperty", "effect", needs={"GLIBC_TUNABLES": "glibc.pthread.rseq=0"}
    ),
    "other": Family("other", "malloc", "effect"),
}

PEERS: Dict[str, Peer] = {
    peer.name: peer
    for peer in (
        Peer("glibc", "glibc", (), ("libc6",)),
        Peer(
            "mimalloc",
            "mimalloc",
            ("libmimalloc.so.3", "libmimalloc.so.2", "libmimalloc.so.2.0", "libmimalloc.so"),
            ("libmimalloc2.0", "libmimalloc3"),
        ),
        Peer("tcmalloc", "tcmalloc", ("libtcmalloc_minimal.so.4",), ("libtcmalloc-minimal4", "libtcmalloc-minimal4t64")),
        Peer("jemalloc", "jemalloc", ("libjemalloc.so.2",), ("libjemalloc2",)),
        # The newest releases, beside those of the system; which they are stands in recipes.py.
        Peer("mimalloc-newest", "mimalloc", (), (), built="mimalloc"),
        Peer("tcmalloc-newest", "tcmalloc", (), (), built="gperftools"),
        Peer("jemalloc-newest", "jemalloc", (), (), built="jemalloc"),
    )
}


# Built here, not installed: no allocators anyone should use, but yardsticks to measure against.
OWN_LIBRARIES: Dict[str, str] = {"limit": "workloads/limit/liblimit.so"}


def presets(family: Family) -> List[str]:
    return [STOCK, *family.presets]


def preset_env(family: Family, preset: str, version: Version, version_text: str) -> Dict[str, str]:
    """The environment of `preset` for this version; an unknown preset or version is a `UserError`."""
    if preset == STOCK:
        return {}
    if preset not in family.presets:
        raise UserError(f"{family.name} has no preset {preset!r}; known are {', '.join(presets(family))}")
    for candidate in family.presets[preset]:
        if candidate.covers(version):
            return dict(candidate.env)
    raise UserError(
        f"preset {preset} of {family.name} is not known for version {version_text}; use {STOCK}, or add the "
        "settings of this version to harness/peers/catalogue.py"
    )


def family_of(exports: frozenset[str]) -> Family:
    """What a library is, by the symbols it exports; `other` when it exports none of those known."""
    for family in FAMILIES.values():
        if family.name not in ("glibc", "other") and family.symbol in exports:
            return family
    return FAMILIES["other"]
