"""The catalogue of warnings: every entry is used, every use has its facts, every one gives advice."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from harness import warnings

PACKAGE = Path(__file__).resolve().parents[1]


def uses() -> dict[str, set[str]]:
    """Code of a warning to the facts given where it is used, from the sources."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        if "tests" in path.parts or path.name == "warnings.py":
            continue
        for code, facts in re.findall(r'warnings\.text\(\s*"([\w-]+)"([^)]*(?:\([^)]*\)[^)]*)*)\)', path.read_text(encoding="utf-8")):
            found.setdefault(code, set()).update(re.findall(r"(\w+)=", facts))
    return found


def test_every_entry_is_used_and_every_use_is_an_entry() -> None:
    assert set(uses()) == set(warnings.CATALOGUE)


@pytest.mark.parametrize("code", sorted(warnings.CATALOGUE))
def test_an_entry_has_its_facts_and_advice(code: str) -> None:
    entry = warnings.CATALOGUE[code]
    wanted = {name for text in (entry.says, entry.advice) for _, name, _, _ in string.Formatter().parse(text) if name}
    assert wanted <= uses()[code]
    assert entry.advice and not entry.advice.endswith(".")


def test_an_unknown_code_is_a_defect() -> None:
    with pytest.raises(KeyError):
        warnings.text("no-such-warning")
