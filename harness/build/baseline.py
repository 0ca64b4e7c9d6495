"""Base built from another commit of the project, to hold today's tree against it.

The commit is checked out once, outside the tree, into <XDG_CACHE_HOME or ~/.cache>/hz3-lab/bases/, and
has a build directory of its own there. Only base's library comes from it: the workloads, the runner and
all other arms are those of the tree, so that what is measured differs in the allocator alone.

Such a base may differ from treat in flags, in arguments and in code; that is what is asked. The compiler
must be the same, and bytes that are the same end the question (SameBytes).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.build.arms import BuiltArm, SameBytes, WantedArm, changes_between, check_record
from harness.build.elf import read_library, require_malloc
from harness.build.flags import show
from harness.build.meson import BuildTree
from harness.errors import UserError, failed
from harness.process import Finished, run_process


@dataclass(frozen=True)
class Baseline:
    """A commit, and where it is built."""

    commit: str
    tree: BuildTree


def bases() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "hz3-lab" / "bases"


def resolve_commit(root: Path, ref: str) -> str:
    """The full name of the commit that `ref` (a branch, a tag, HEAD~3, …) stands for in the project."""
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.status != 0 or not done.stdout.strip():
        raise UserError(f"--base-ref {ref}: is no commit of {root}; a shallow clone has few (git fetch --unshallow), see git log")
    return done.stdout.strip()


def baseline(root: Path, ref: str) -> Baseline:
    """Checks the commit out if it is not there yet. Every project has its own checkout of a commit."""
    commit = resolve_commit(root, ref)
    whose = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
    place = bases() / f"{commit[:16]}-{whose}"
    if _git(place, "rev-parse", "HEAD").stdout.strip() != commit if place.is_dir() else True:
        _check_out(root, commit, place)
    return Baseline(commit, BuildTree(place, place / "build"))


def _check_out(root: Path, commit: str, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise failed(f"{place.parent}: cannot be made ({error.strerror}); XDG_CACHE_HOME names another place") from error
    _git(root, "worktree", "prune")
    done = _git(root, "worktree", "add", "--detach", "--force", str(place), commit)
    if done.status != 0:
        raise failed(f"git cannot check {commit[:12]} out into {place}:\n    {done.stderr.strip()}")


def _git(root: Path, *args: str) -> Finished:
    return run_process(["git", "-C", str(root), *args], timeout_s=300)


def build_base(base: Baseline, want: WantedArm) -> BuiltArm:
    """Base's library as that commit builds it."""
    if want.inline is not None:
        raise UserError(f"{want.where}: base is defined in the experiment; with --base-ref it must be a variant by name")
    variant = show(base.tree.root, want.variant, None, {}, f"{want.where}, at commit {base.commit[:12]}")
    base.tree.configure({})
    path = base.tree.library(want.variant)
    base.tree.compile([path])
    library = read_library(path)
    require_malloc(library)
    check_record(library, variant)
    return BuiltArm(want.arm, variant, library, {})


def against_base(arm: BuiltArm, base: BuiltArm) -> BuiltArm:
    """The arm with its changes against a base of another commit."""
    if arm.library.identity == base.library.identity:
        raise SameBytes(
            f"VOID: arm {arm.arm} ({arm.variant.name}) is byte for byte what base's commit builds "
            f"(identity {arm.library.identity[:12]}); there is nothing to compare"
        )
    if arm.record.get("compiler") != base.record.get("compiler"):
        raise failed(
            f"arm {arm.arm} and base were built with different compilers ({arm.record.get('compiler')} and "
            f"{base.record.get('compiler')}); remove {base.library.path} and build again"
        )
    return BuiltArm(arm.arm, arm.variant, arm.library, changes_between(base.record, arm.record))
