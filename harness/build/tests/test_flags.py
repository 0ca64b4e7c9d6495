"""Differences between variants, and inline variants as a catalogue the flag tool reads."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.build.flags import InlineVariant, difference, in_words, inline_name, show, write_extra
from harness.errors import UserError

PROJECT = Path(__file__).resolve().parents[3]
FLAGS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


@given(FLAGS, FLAGS)
def test_a_difference_leads_from_one_side_to_the_other(left: dict[str, int], right: dict[str, int]) -> None:
    changes = difference(left, right)
    assert (not changes) == (left == right)
    turned = {**left, **{key: new for key, (_, new) in changes.items()}}
    assert {key: value for key, value in turned.items() if value is not None} == right


def test_words() -> None:
    assert in_words({}) == "nothing"
    assert in_words({"A": (0, 1), "lto": (False, True)}) == "A 0 -> 1, lto False -> True"


def inline(name: str, **flags: int) -> InlineVariant:
    return InlineVariant(name, "scale", flags, {}, f"x.yaml: arm {name}")


def test_the_extra_catalogue_has_the_form_of_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "extra.yaml"
    text = write_extra(path, {"x.treat": inline("x.treat", HZ3_STATS=1)})
    assert path.read_text() == text
    assert yaml.safe_load(text) == {
        "x.treat": {"parent": "scale", "doc": "defined in x.yaml: arm x.treat", "flags": {"HZ3_STATS": 1}, "options": {}}
    }
    before = path.stat().st_mtime_ns
    write_extra(path, {"x.treat": inline("x.treat", HZ3_STATS=1)})
    assert path.stat().st_mtime_ns == before  # so that nothing is built again


def test_the_real_flag_tool_resolves_an_inline_variant(tmp_path: Path) -> None:
    path = tmp_path / "extra.yaml"
    arms = {"x.treat": inline("x.treat", HZ3_STATS=1)}
    write_extra(path, arms)
    resolved = show(PROJECT, "x.treat", path, arms)
    assert resolved.flags["HZ3_STATS"] == 1
    assert "scale" in resolved.parents


def test_an_error_in_an_inline_variant_is_told_at_the_arm_it_belongs_to(tmp_path: Path) -> None:
    path = tmp_path / "extra.yaml"
    arms = {"x.base": inline("x.base", HZ3_STATS=1), "x.treat": inline("x.treat", HZ3_STATZ=1)}
    write_extra(path, arms)
    with pytest.raises(UserError, match=r"^x.yaml: arm x.treat: unknown flag HZ3_STATZ; did you mean HZ3_STATS\?$"):
        show(PROJECT, "x.treat", path, arms)


def test_an_unknown_variant_of_the_catalogue() -> None:
    with pytest.raises(UserError, match="there is no variant s6x; known are"):
        show(PROJECT, "s6x", None, {})


def test_an_unknown_variant_is_a_mistake_of_the_file_that_names_it() -> None:
    with pytest.raises(UserError, match=r"^e.yaml:3:5: arm base: there is no variant s6x; known are .*; did you mean s6\d\?$"):
        show(PROJECT, "s6x", None, {}, "e.yaml:3:5: arm base")


def test_a_mistake_in_an_inline_variant_has_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "extra.yaml"
    places = {"HZ3_STATZ": "x.yaml:9:7: arm treat", "parent": "x.yaml:8:5: arm treat"}
    for parent, words in (("scale", "^x.yaml:9:7: arm treat: unknown flag HZ3_STATZ"), ("scail", "^x.yaml:8:5: arm treat: .* unknown parent scail")):
        flags = {"HZ3_STATZ": 1} if parent == "scale" else {}
        arms = {"x.treat": InlineVariant("x.treat", parent, flags, {}, "x.yaml:7:3: arm treat", places)}
        write_extra(path, arms)
        with pytest.raises(UserError, match=words):
            show(PROJECT, "x.treat", path, arms)


def test_the_name_of_an_inline_variant_tells_definitions_apart() -> None:
    name = inline_name("x.treat", "scale", {"A": 1, "B": 2}, {"lto": True})
    assert name.startswith("x.treat.") and name.replace(".", "").isalnum()
    assert name == inline_name("x.treat", "scale", {"B": 2, "A": 1}, {"lto": True})
    others = [("s61", {"A": 1, "B": 2}, {"lto": True}), ("scale", {"A": 1}, {"lto": True}), ("scale", {"A": 1, "B": 2}, {})]
    assert name not in [inline_name("x.treat", *other) for other in others]
