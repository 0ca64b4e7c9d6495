"""Where the source of a release comes from: a package source, a git repository, or a folder at hand.

Each way leaves one folder with the source and tells what it is (a commit, a package version), so that
a figure can be traced to bytes. A network that does not reach is told in one sentence.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional

from harness.errors import UserError, failed
from harness.peers.recipes import Recipe
from harness.process import Finished, run_process, tail

_FETCH_S = 600.0


@dataclass(frozen=True)
class Wanted:
    """One of `git` (a URL or path) and `source` (a folder) may be set; else the package source."""

    recipe: Recipe
    version: str
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
    full = _offered(name, wanted.version)
    done = run_process(["apt-get", "source", "-q", "--only-source", f"{name}={full}"], cwd=into, timeout_s=_FETCH_S)
    folders = sorted(path for path in into.iterdir() if path.is_dir())
    if done.status != 0 or len(folders) != 1:
        raise failed(f"apt-get cannot fetch the source of {name} {full}; is the network reached?\n{tail(done.stderr or done.stdout)}")
    return Fetched(folders[0], f"Debian source package {name} {full}")


def _offered(name: str, version: str) -> str:
    """The package version of this upstream version among those the configured sources offer."""
    done: Finished = run_process(["apt-cache", "showsrc", "--only-source", name], timeout_s=60)
    offered: List[str] = re.findall(r"^Version: (\S+)$", done.stdout, re.MULTILINE)
    for full in offered:
        if upstream(full) == version:
            return full
    way = "give --git URL, --source DIR, or --version for one that is offered"
    if offered:
        raise UserError(f"the package sources offer {name} {', '.join(dict.fromkeys(offered))}, not {version}; {way}")
    raise UserError(
        f"the package sources offer no source of {name}; add `Types: deb-src` for a newer suite and run apt-get update, or {way}"
    )


def upstream(full: str) -> str:
    """`1:2.10-1+b2` is upstream 2.10; what a packager adds after + or ~ is not upstream's."""
    return re.split(r"[+~]", full.split(":", 1)[-1].rsplit("-", 1)[0])[0]
