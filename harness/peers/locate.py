"""Finds a peer's library: where Debian and Ubuntu put libraries, or in the cache of those built here."""

from __future__ import annotations

import os
import re
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from harness.errors import UserError
from harness.peers.catalogue import PEERS, Peer
from harness.peers.recipes import RECIPES


def library_dirs() -> List[Path]:
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    found = [Path("/usr/local/lib"), Path("/usr/lib") / multiarch, Path("/lib") / multiarch, Path("/usr/lib64"), Path("/usr/lib")]
    return list(dict.fromkeys(found))


def cache() -> Path:
    """Where tools/peers builds, outside the tree."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "hz3-lab" / "peers"


def library(name: str, version: str) -> Path:
    return cache() / f"{name}-{version}" / "lib.so"


def find(peer: Peer, dirs: Optional[Sequence[Path]] = None) -> Optional[Path]:
    """The peer's library, or None where it is not installed or not built."""
    if peer.built is not None:
        path = library(peer.built, RECIPES[peer.built].version)
        return path if path.exists() else None
    for name in peer.files:
        for folder in library_dirs() if dirs is None else dirs:
            if (folder / name).exists():
                return (folder / name).resolve()
    return None


def find_or_tell(peer: Peer, dirs: Optional[Sequence[Path]] = None) -> Path:
    path = find(peer, dirs)
    if path is None and peer.built is not None:
        raise UserError(f"reference {peer.name} is not built; tools/peers {peer.built}")
    if path is None:
        raise UserError(
            f"reference {peer.name} is not installed (looked for {', '.join(peer.files)}); "
            f"sudo apt-get install {peer.packages[0]}"
            + (f"  (or {', '.join(peer.packages[1:])} on other releases)" if peer.packages[1:] else "")
        )
    return path


@dataclass(frozen=True)
class Given:
    """A library of the option --allocator, and the settings it is to run with, whatever the preset."""

    path: Path
    env: Dict[str, str] = field(default_factory=dict)


_SETTING = re.compile(r",(?=[A-Z_][A-Z0-9_]*=)")


def parse_allocator(text: str) -> Tuple[str, Given]:
    """`name=/path/lib.so` or `name=/path/lib.so,VAR=VALUE,…` of the option --allocator. A comma that no
    variable follows belongs to the path or to the value before it."""
    name, equals, rest = text.partition("=")
    path, *settings = _SETTING.split(rest)
    if not equals or not path or re.fullmatch(r"[a-z][a-z0-9_.-]*", name) is None:
        raise UserError(f"--allocator {text}: write NAME=/path/to/lib.so[,VAR=VALUE…], NAME in small letters, digits, _ . and -")
    if name in PEERS and PEERS[name].family == "glibc":
        raise UserError(f"--allocator {text}: {name} is the C library's own allocator and has no file; choose another name")
    if name in ("base", "treat", "aa"):
        raise UserError(f"--allocator {text}: {name} names an arm of the experiment; choose another name")
    env = dict(setting.split("=", 1) for setting in settings)
    for variable in env:
        if variable.startswith("LD_"):
            raise UserError(f"--allocator {text}: {variable} is the harness's own; it decides which library is measured")
    found = Path(path).expanduser()
    if not found.is_file():
        raise UserError(f"--allocator {text}: there is no file {path}; check the path")
    return name, Given(found.resolve(), env)
