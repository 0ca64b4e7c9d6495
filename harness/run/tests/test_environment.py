"""Every arm sees an environment of the same size, and nothing of the person's own."""

from __future__ import annotations

import os
from typing import Dict, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.run.cpus import cpu_sets
from harness.run.environment import arm_environments, environment_bytes, lane_environment

NAMES = st.text("ABCDEFGH_", min_size=1, max_size=8).filter(lambda name: not name.startswith("HZ_PAD"))
SETTINGS = st.dictionaries(NAMES, st.text("abc:=,0", max_size=30), max_size=4)
ARMS = st.dictionaries(st.sampled_from(["base", "treat", "aa", "glibc", "mimalloc"]), SETTINGS, min_size=1)


@given(ARMS, SETTINGS, st.integers(0, 4096), st.data())
def test_all_arms_get_as_many_variables_and_bytes(
    settings: Dict[str, Dict[str, str]], common: Dict[str, str], pad: int, data: st.DataObject
) -> None:
    preloads: Dict[str, Optional[str]] = {
        arm: data.draw(st.sampled_from([None, "/r/arms/a00/lib.so", "/r/arms/a000/lib.so"])) for arm in settings
    }
    found = arm_environments(common, settings, preloads, pad)
    assert len({environment_bytes(env, preloads[arm]) for arm, env in found.items()}) == 1
    assert len({len(env) + (preloads[arm] is not None) for arm, env in found.items()}) == 1
    for arm, env in found.items():
        assert {**common, **settings[arm]}.items() <= env.items()
        assert len(env["HZ_PAD"]) >= pad


def test_the_pad_moves_all_arms_alike() -> None:
    arms: Dict[str, Dict[str, str]] = {"base": {}, "glibc": {}}
    preloads = {"base": "/x", "glibc": None}
    small, large = (arm_environments({}, arms, preloads, pad) for pad in (0, 100))
    for arm in arms:
        assert environment_bytes(large[arm], preloads[arm]) - environment_bytes(small[arm], preloads[arm]) == 100


def test_nothing_is_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_CONF", "dirty_decay_ms:1")
    monkeypatch.setenv("LD_PRELOAD", "/evil.so")
    env = lane_environment({"DEPTH": "3"}, "/scratch")
    assert set(env) == {"PATH", "LC_ALL", "TZ", "HOME", "TMPDIR", "DEPTH"}
    assert env["PATH"] != os.environ["PATH"] or env["PATH"].startswith("/usr/local/sbin")


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_AUDIT", "HZ_RESULT_FD", "HZ_PHASE_FD", "HZ_PAD", "HZ_PAD_1"])
def test_a_lane_may_not_set_what_the_harness_sets(name: str) -> None:
    with pytest.raises(UserError, match=f"env: {name} is set by the harness"):
        lane_environment({name: "x"}, "/scratch")


def test_single_threaded_programs_are_pinned_away_from_the_sampler() -> None:
    pinned = cpu_sets("bench_ssot", [2, 3, 5])
    assert (pinned.workload, pinned.sampler) == ([2], [5])
    assert cpu_sets("micro/micro_pairs", [0, 1]).workload == [0]


@pytest.mark.parametrize("program", ["bench_mt_remote", None])
def test_programs_that_may_have_threads_get_every_cpu(program: Optional[str]) -> None:
    assert cpu_sets(program, [0, 1]).workload == [0, 1]
    assert cpu_sets(program, [0, 1]).sampler == [1]


def test_one_cpu_is_shared() -> None:
    assert cpu_sets("bench_ssot", [4]).workload == cpu_sets("bench_ssot", [4]).sampler == [4]
