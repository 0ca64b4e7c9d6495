"""Finds a peer's library in the places where Debian and Ubuntu put libraries."""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from typing import List, Optional, Sequence

from harness.errors import UserError
from harness.peers.catalogue import PEERS, Peer


def library_dirs() -> List[Path]:
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    found = [Path("/usr/local/lib"), Path("/usr/lib") / multiarch, Path("/lib") / multiarch, Path("/usr/lib64"), Path("/usr/lib")]
    return list(dict.fromkeys(found))


def find(peer: Peer, dirs: Optional[Sequence[Path]] = None) -> Optional[Path]:
    """The peer's library, or None where it is not installed."""
    for name in peer.files:
        for folder in library_dirs() if dirs is None else dirs:
            if (folder / name).exists():
                return (folder / name).resolve()
    return None


def find_or_tell(peer: Peer, dirs: Optional[Sequence[Path]] = None) -> Path:
    path = find(peer, dirs)
    if path is None:
        raise UserError(
            f"reference {peer.name} is not installed (looked for {', '.join(peer.files)}); "
            f"sudo apt-get install {peer.packages[0]}"
            + (f"  (or {', '.join(peer.packages[1:])} on other releases)" if peer.packages[1:] else "")
        )
    return path


def parse_allocator(text: str) -> tuple[str, Path]:
    """`name=/path/lib.so` of the option --allocator."""
    name, equals, path = text.partition("=")
    if not equals or not path or re.fullmatch(r"[a-z][a-z0-9_.-]*", name) is None:
        raise UserError(f"--allocator {text}: write NAME=/path/to/lib.so, NAME in small letters, digits, _ . and -")
    if name in PEERS and not PEERS[name].files:
        raise UserError(f"--allocator {text}: {name} is the C library's own allocator and has no file; choose another name")
    if name in ("base", "treat", "aa"):
        raise UserError(f"--allocator {text}: {name} names an arm of the experiment; choose another name")
    found = Path(path).expanduser()
    if not found.is_file():
        raise UserError(f"--allocator {text}: there is no file {path}; check the path")
    return name, found.resolve()
