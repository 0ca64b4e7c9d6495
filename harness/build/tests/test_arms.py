"""Arms must be what the catalogue says, and differ in exactly what the experiment says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Mapping, Optional

import pytest

from harness.build.arms import Expected, WantedArm, check_declared, check_distinct, check_record
from harness.build.elf import Library
from harness.build.flags import InlineVariant, Variant, difference
from harness.errors import UserError


def library(name: str, flags: Mapping[str, int], identity: str, **record: Any) -> Library:
    full: Dict[str, Any] = {
        "schema": 1,
        "variant": name,
        "parents": [],
        "flags": dict(flags),
        "options": {"lto": False},
        "compiler": "gcc 12",
        "cxx_args": ["-O3", "-std=c++20"],
        "git_commit": "abc",
        **record,
    }
    return Library(Path(f"lib{name}.so"), "0" * 64, identity, None, None, "x64", frozenset({"malloc", "free"}), full)


def variant(name: str, flags: Mapping[str, int], lto: bool = False) -> Variant:
    return Variant(name, (), dict(flags), {"lto": lto})


BASE = WantedArm("base", "s61")
TREAT = WantedArm("treat", "s62")


def distinct(ours: Library, theirs: Optional[Library] = None) -> None:
    base = theirs or library("s61", {"A": 0}, "one")
    assert ours.record is not None and base.record is not None
    changes = {**difference(base.record["flags"], ours.record["flags"]), **difference(base.record["options"], ours.record["options"])}
    check_distinct(TREAT, BASE, {"s61": base, "s62": ours}, changes)


def test_a_record_that_agrees() -> None:
    check_record(library("s62", {"A": 1}, "x"), variant("s62", {"A": 1}))


@pytest.mark.parametrize(
    "meant, words",
    [
        (variant("s62", {"A": 2}), r"disagrees with the catalogue on flags of s62 \(record -> catalogue: A 1 -> 2\)"),
        (variant("s62", {"A": 1, "B": 0}), "B None -> 0"),
        (variant("s62", {"A": 1}, lto=True), "on options of s62"),
        (variant("s63", {"A": 1}), "names the variant s62, not s63"),
    ],
)
def test_a_record_that_disagrees(meant: Variant, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        check_record(library("s62", {"A": 1}, "x"), meant)
    assert caught.value.exit_status == 5


def test_arms_that_differ_by_a_flag_pass() -> None:
    distinct(library("s62", {"A": 1}, "two"))


def test_same_bytes_are_void() -> None:
    with pytest.raises(UserError, match="same bytes.*differ in A 0 -> 1") as caught:
        distinct(library("s62", {"A": 1}, "one"))
    assert caught.value.exit_status == 3


def test_other_bytes_without_a_changed_flag() -> None:
    with pytest.raises(UserError, match="differs from base in its bytes but in no flag"):
        distinct(library("s62", {"A": 0}, "two"))


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"compiler": "clang 14"}, "different compiler"),
        ({"git_commit": "def"}, "different git_commit"),
        ({"cxx_args": ["-O3", "-std=c++20", "-march=native"]}, r"different arguments \(-march=native\)"),
    ],
)
def test_arms_built_in_different_ways(changed: Dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        distinct(library("s62", {"A": 1}, "two", **changed))


def test_arguments_of_declared_options_may_differ() -> None:
    distinct(library("s62", {"A": 0}, "two", options={"lto": True}, cxx_args=["-O2", "-flto", "-std=c++20"]))


CHANGES = {"A": (0, 1), "lto": (False, True)}


def test_the_declared_difference_must_be_all_of_it() -> None:
    check_declared(TREAT, BASE, CHANGES, ["lto", "A"])
    check_declared(TREAT, BASE, CHANGES, None)
    with pytest.raises(UserError, match="also changes lto, against"):
        check_declared(TREAT, BASE, CHANGES, ["A"])
    with pytest.raises(UserError, match="does not change B, against"):
        check_declared(TREAT, BASE, CHANGES, ["A", "B", "lto"])


def test_an_inline_arm_declares_its_own_difference() -> None:
    def want(flags: Dict[str, int], parent: str = "s61") -> WantedArm:
        return WantedArm("treat", "x.treat", InlineVariant("x.treat", parent, flags, {"lto": True}, "x.yaml: arm treat"))

    check_declared(want({"A": 1}), BASE, CHANGES, None)
    with pytest.raises(UserError, match="x.yaml: arm treat.*sets B to what base has already"):
        check_declared(want({"A": 1, "B": 1}), BASE, CHANGES, None)
    with pytest.raises(UserError, match="also changes A"):
        check_declared(want({}), BASE, CHANGES, None)
    check_declared(want({}, parent="s58"), BASE, CHANGES, None)


def test_the_default_expects_nothing_unusual() -> None:
    assert Expected() == Expected(same_bytes=False, difference=None)
