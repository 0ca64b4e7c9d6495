"""The arms of an experiment as built libraries, proven to be what the experiment says.

Three things are held against each other: what the catalogue says a variant is, what the library's own
build record says it is, and what its bytes are. An experiment is refused when a record disagrees with
the catalogue, when two arms differ in more or in less than their flags, or when they are the same
bytes under two names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

from harness.build.elf import Library, read_library, require_malloc
from harness.build.flags import Difference, InlineVariant, Variant, difference, in_words, show, write_extra
from harness.build.meson import BuildTree
from harness.errors import UserError, failed
from harness.model import BASE, TREAT, Status

# The arguments that a flag or build option accounts for; all others must be equal in every arm.
_DECLARED_ARGS = re.compile(r"-DHZ3_|-O|-flto|-fno-lto|-ffat-lto|-I.*\.p$|-include")


@dataclass(frozen=True)
class WantedArm:
    """`inline` is the definition when the experiment itself holds it; `where` the place of the arm in it."""

    arm: str
    variant: str
    inline: Optional[InlineVariant] = None
    where: str = ""


@dataclass(frozen=True)
class BuiltArm:
    arm: str
    variant: Variant
    library: Library
    changes: Difference  # against base; empty for base

    @property
    def record(self) -> Dict[str, Any]:
        assert self.library.record is not None  # build_arms has refused a library without one
        return self.library.record


class SameBytes(UserError):
    """Two arms that are one library: nothing they do can differ."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Status.VOID.exit_status)


@dataclass(frozen=True)
class Expected:
    """What the experiment says of its arms: `same_bytes` in an A/A experiment, whose arms are copies;
    `difference` are the flags and options that treat must change, all of them (None: not declared)."""

    same_bytes: bool = False
    difference: Optional[Sequence[str]] = None


def build_arms(tree: BuildTree, wanted: Sequence[WantedArm], programs: Sequence[str], expected: Expected) -> List[BuiltArm]:
    """Builds the variants, the workload programs and the runner, and proves the arms."""
    inline = {w.inline.name: w.inline for w in wanted if w.inline is not None}
    if inline:
        write_extra(tree.extra, inline)
    extra = tree.extra if inline else None
    variants = {w.variant: show(tree.root, w.variant, extra, inline, w.where) for w in wanted}
    tree.configure(inline)
    tree.require_programs(programs)
    libraries = {name: tree.library(name) for name in variants}
    tree.compile([tree.runner, *libraries.values(), *(tree.program(name) for name in programs)])
    return prove_arms(wanted, variants, libraries, expected)


def prove_arms(
    wanted: Sequence[WantedArm], variants: Mapping[str, Variant], libraries: Mapping[str, Path], expected: Expected
) -> List[BuiltArm]:
    """Reads every library and holds it against the catalogue, against base and against `expected`."""
    read = {name: read_library(path) for name, path in libraries.items()}
    for name, library in read.items():
        require_malloc(library)
        check_record(library, variants[name])
    base = next((w for w in wanted if w.arm == BASE), None)
    built = []
    for want in wanted:
        changes: Difference = {}
        if base is not None and want.arm != BASE:
            changes = _changes(want, base, read)
            if not expected.same_bytes:
                check_distinct(want, base, read, changes)
                check_declared(want, base, changes, expected.difference if want.arm == TREAT else None)
        built.append(BuiltArm(want.arm, variants[want.variant], read[want.variant], changes))
    return built


def check_record(library: Library, variant: Variant) -> None:
    """The record must say what the catalogue says now; otherwise the file is of another day."""
    record = library.record
    if record is None:
        raise failed(f"{library.path}: carries no build record (section .hz3.build); it is not a build of hz3")
    for what, told, meant in (("flags", record["flags"], variant.flags), ("options", record["options"], variant.options)):
        wrong = difference(told, meant)
        if wrong:
            raise failed(
                f"{library.path}: its build record disagrees with the catalogue on {what} of {variant.name} "
                f"(record -> catalogue: {in_words(wrong)}); delete the file and build again"
            )
    if record["variant"] != variant.name:
        raise failed(f"{library.path}: its build record names the variant {record['variant']}, not {variant.name}")


def check_distinct(want: WantedArm, base: WantedArm, read: Mapping[str, Library], changes: Difference) -> None:
    """An arm must differ from base, in declared flags or options only, and in its bytes."""
    ours, theirs = read[want.variant], read[base.variant]
    if ours.identity == theirs.identity:
        raise SameBytes(
            f"VOID: arm {want.arm} ({want.variant}) and base ({base.variant}) are the same bytes "
            f"(identity {ours.identity[:12]}); their records differ in {in_words(changes)}. "
            "The changed flag has no effect in this build: name another variant, or kind: aa to measure the noise"
        )
    if not changes:
        raise failed(f"arm {want.arm} ({want.variant}) differs from base in its bytes but in no flag or option; build again")
    for key in ("compiler", "git_commit"):
        if _record(ours).get(key) != _record(theirs).get(key):
            raise failed(
                f"arm {want.arm} and base were built with different {key} "
                f"({_record(ours).get(key)} and {_record(theirs).get(key)}); delete both files and build again"
            )
    left, right = _undeclared_args(theirs), _undeclared_args(ours)
    if left != right:
        odd = sorted(set(left) ^ set(right))
        raise failed(f"arm {want.arm} and base were compiled with different arguments ({', '.join(odd)}); build again")


def check_declared(want: WantedArm, base: WantedArm, changes: Difference, difference: Optional[Sequence[str]]) -> None:
    """The changes must be those the experiment declares: by an inline arm on top of base's variant,
    and by its key `difference`."""
    if want.inline is not None and want.inline.parent == base.variant:
        declared = {**want.inline.flags, **want.inline.options}
        idle = sorted(set(declared) - set(changes))
        if idle:
            raise UserError(f"{want.inline.where}: arm {want.arm} sets {', '.join(idle)} to what base has already; leave it out")
        difference = sorted(declared) if difference is None else difference
    if difference is None:
        return
    stray = sorted(set(changes) - set(difference))
    absent = sorted(set(difference) - set(changes))
    if stray or absent:
        says = [f"also changes {', '.join(stray)}"] if stray else []
        says += [f"does not change {', '.join(absent)}"] if absent else []
        raise UserError(
            f"arm {want.arm} ({want.variant}) {' and '.join(says)}, against what the experiment declares; "
            f"it changes {in_words(changes)}. Correct the arm, or the key `difference`"
        )


def _record(library: Library) -> Dict[str, Any]:
    assert library.record is not None
    return library.record


def _changes(want: WantedArm, base: WantedArm, read: Mapping[str, Library]) -> Difference:
    return changes_between(_record(read[base.variant]), _record(read[want.variant]))


def changes_between(base: Mapping[str, Any], arm: Mapping[str, Any]) -> Difference:
    """The flags and options in which two build records differ."""
    return {**difference(base["flags"], arm["flags"]), **difference(base["options"], arm["options"])}


def _undeclared_args(library: Library) -> List[str]:
    return [arg for arg in _record(library).get("cxx_args", []) if not _DECLARED_ARGS.match(arg)]
