"""Where the source of a release comes from: a suite of Debian's archive, a git repository, or a folder at hand.

Each way leaves one folder with the source and tells what it is (a commit, a package version), so that
a figure can be traced to bytes. A network that does not reach is told in one sentence.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Optional

from harness.errors import UserError, failed
from harness.peers.archive import Archive, open_archive
from harness.peers.recipes import Recipe
from harness.process import run_process, tail

_FETCH_S = 600.0


@dataclass(frozen=True)
class Wanted:
    """One of `git` (a URL or path) and `source` (a folder) may be set; else the source package of `suite`.
    `cache` is where what is fetched for it may lie."""

    recipe: Recipe
    version: str
    suite: str
    cache: Path
    git: Optional[str] = None
    source: Optional[Path] = None


@dataclass(frozen=True)
class Fetched:
    folder: Path
    origin: str


def fetch(wanted: Wanted, into: Path) -> Fetched:
    """`into` is an empty folder."""
    if wanted.source is not None:
        return _copied(wanted.source, into)
    if wanted.git is not None:
        return _cloned(wanted, wanted.git, into)
    return _package(wanted, into)


def _copied(source: Path, into: Path) -> Fetched:
    if not source.is_dir():
        raise UserError(f"--source {source}: there is no such folder; name an unpacked source")
    shutil.copytree(source, into / "src", symlinks=True)
    return Fetched(into / "src", f"a folder named {source.name}")


def _cloned(wanted: Wanted, url: str, into: Path) -> Fetched:
    tag = wanted.recipe.tag.format(version=wanted.version)
    command = ["git", "-c", "advice.detachedHead=false", "clone", "-q", "--depth", "1", "--branch", tag, "--", url, "src"]
    done = run_process(command, cwd=into, env=None, timeout_s=_FETCH_S)
    if done.status != 0:
        raise failed(
            f"git cannot fetch {tag} from {url}; is the network reached, and is there such a tag?\n{tail(done.stderr)}"
        )
    commit = run_process(["git", "-C", str(into / "src"), "rev-parse", "HEAD"], timeout_s=60).stdout.strip()
    return Fetched(into / "src", f"git tag {tag}, commit {commit}")


def _package(wanted: Wanted, into: Path) -> Fetched:
    name = wanted.recipe.debian
    if name is None:
        raise UserError(f"{wanted.recipe.name} is no Debian package; give --git URL, or --source DIR with its source")
    archive = open_archive(wanted.suite, wanted.cache)
    full = _full_version(archive, name, wanted.version)
    folder = archive.fetch(name, full, into)
    return Fetched(folder, f"Debian source package {name} {full} of {archive.suite}, {_dsc_hash(into)}")


def _dsc_hash(into: Path) -> str:
    """The file that names the hashes of all others of a source package."""
    return "; ".join(f"{path.name} sha256 {sha256(path.read_bytes()).hexdigest()}" for path in sorted(into.glob("*.dsc")))


def _full_version(archive: Archive, name: str, version: str) -> str:
    """The package version of this upstream version among those the suite offers."""
    offered = archive.offered(name)
    for full in offered:
        if upstream(full) == version:
            return full
    way = "give --version for one that is offered, another --suite, --git URL, or --source DIR"
    if offered:
        raise UserError(f"{archive.suite} offers {name} {', '.join(dict.fromkeys(offered))}, not {version}; {way}")
    raise UserError(f"{archive.suite} has no source package {name}; {way}")


def upstream(full: str) -> str:
    """`1:2.10-1+b2` is upstream 2.10; what a packager adds after + or ~ is not upstream's."""
    return re.split(r"[+~]", full.split(":", 1)[-1].rsplit("-", 1)[0])[0]
