"""Builds a newer release of a reference allocator into the cache, once.

    <XDG_CACHE_HOME or ~/.cache>/hz3-lab/peers/<name>-<version>/lib.so   and build.json beside it

Nothing of this is needed for any experiment; it is for those who want a peer newer than the one their
system has. A build is complete or absent: it is made beside its place and moved there at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import List, Optional

from harness.errors import UserError, failed
from harness.model import json_text
from harness.peers.locate import Given, cache, library
from harness.peers.recipes import RECIPES, Recipe
from harness.peers.resolve import resolve, version_tuple
from harness.peers.sources import Fetched, Wanted, fetch
from harness.process import run_process, tail

_BUILD_S = 1800.0


def listing() -> str:
    """Every recipe and what is built of it."""
    rows = []
    for recipe in RECIPES.values():
        built = sorted(path.parent.name for path in cache().glob(f"{recipe.name}-[0-9]*/lib.so"))
        source = f"source package {recipe.debian}, or --git" if recipe.debian else "--git or --source"
        rows.append(f"{recipe.name:<11} {recipe.version:<7} from {source:<42} needs {' '.join(recipe.needs)}")
        rows += [f"{'':<11} built: {option(name, cache() / name / 'lib.so')}" for name in built]
    return "\n".join(rows)


def option(name: str, path: Path) -> str:
    """What to give to tools/run or tools/scoreboard."""
    return f"--allocator {name}={path}"


def recipe_of(name: str) -> Recipe:
    if name not in RECIPES:
        raise UserError(f"there is no recipe for {name}; known are {', '.join(RECIPES)}")
    return RECIPES[name]


def build(wanted: Wanted, *, again: bool = False, jobs: Optional[int] = None) -> Path:
    """Returns the library's path; a release that is built already is not built again."""
    target = library(wanted.recipe.name, wanted.version)
    if target.exists() and not again:
        return target
    missing = [step[0] for step in wanted.recipe.steps if "/" not in step[0] and shutil.which(step[0]) is None]
    if missing:
        raise UserError(f"{missing[0]} is not installed; sudo apt-get install {' '.join(wanted.recipe.needs)}")
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache(), prefix=".building-") as work:
        fetched = fetch(wanted, _made(Path(work) / "source"))
        made = _compile(wanted, fetched.folder, jobs or os.cpu_count() or 1)
        staged = _made(Path(work) / "done")
        shutil.copyfile(made, staged / "lib.so")
        (staged / "lib.so").chmod(0o755)
        (staged / "build.json").write_text(_record(wanted, fetched, staged / "lib.so"), encoding="utf-8")
        if target.parent.exists():
            shutil.rmtree(target.parent)
        os.replace(staged, target.parent)
    return target


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _compile(wanted: Wanted, source: Path, jobs: int) -> Path:
    recipe = wanted.recipe
    for step in recipe.steps:
        words = [word.replace("{jobs}", str(jobs)).replace("{version}", wanted.version) for word in step]
        done = run_process(words, cwd=source, timeout_s=_BUILD_S)
        if done.status != 0:
            needs = " ".join(recipe.needs)
            raise failed(f"{recipe.name}: `{' '.join(words)}` failed; are these installed: {needs}?\n{tail(done.stderr or done.stdout)}")
    found: List[Path] = [path for path in source.glob(recipe.product) if not path.is_symlink()]
    if not found:
        raise failed(f"{recipe.name}: the build left no {recipe.product}; is this source of another layout?")
    return max(found, key=lambda path: len(path.name))


def _record(wanted: Wanted, fetched: Fetched, made: Path) -> str:
    """What was built of what; a library that says it is another release is refused."""
    name = f"{wanted.recipe.name}-{wanted.version}"
    peer = resolve(name, given={name: Given(made)})
    told, meant = version_tuple(peer.version), version_tuple(wanted.version)
    if peer.version_by not in ("soname", "nothing") and told[: len(meant)] != meant:
        raise failed(f"{name}: the library says that it is {peer.version}; is the source of another release?")
    data = {
        "name": wanted.recipe.name,
        "version": wanted.version,
        "says": peer.version,
        "origin": fetched.origin,
        "steps": [" ".join(step) for step in wanted.recipe.steps],
        "sha256": peer.sha256,
    }
    return json_text(json.loads(json.dumps(data)))
