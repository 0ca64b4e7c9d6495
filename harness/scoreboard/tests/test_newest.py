"""The columns that --wide adds: newest releases as far as they are built, and lanes that do not clash."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.experiment import load_experiment
from harness.peers.locate import library
from harness.peers.recipes import RECIPES
from harness.scoreboard.command import EXPERIMENT, WIDE, newest_peers, real_programs

PROJECT = Path(__file__).resolve().parents[3]


def test_what_is_built_has_a_column_and_what_is_not_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    place = library("jemalloc", RECIPES["jemalloc"].version)
    place.parent.mkdir(parents=True)
    place.touch()
    found, missing = newest_peers(["mimalloc-newest=/opt/lib.so,MIMALLOC_VERBOSE=0"])
    assert found == [f"jemalloc-newest={place}"]
    assert missing == ["tcmalloc-newest is not built (tools/peers gperftools), so it has no column"]


def test_the_wide_lanes_stand_beside_the_others() -> None:
    wide = set(load_experiment(PROJECT / WIDE).workloads)
    others = set(load_experiment(PROJECT / EXPERIMENT).workloads) | set(real_programs(PROJECT).workloads)
    assert wide and not wide & others
    for depth in ("deep", "shallow"):
        for memory in ("written", "untouched"):
            assert {f"{sizes}_{depth}_{memory}" for sizes in ("guard", "main", "cross64", "cross128")} <= wide
