"""A run is continued only under the conditions it began under."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Callable, Dict

import pytest

from harness.errors import UserError
from harness.run.machine import STEADY, busy_cpu_s, chosen, machine_facts
from harness.run import manifest
from harness.run.manifest import c_library_entry, check_drift, git_state, input_sha256, machine_warnings
from harness.run.prepare import file_sha256

MANIFEST: Dict[str, Any] = {
    "started_utc": "2026-01-09T10:00:00Z",
    "git": {"commit": "a", "dirty": False},
    "machine": {"cpu_model": "X", "kernel": "6.1", "thp": "madvise", "load": [0.1, 0.1, 0.1]},
    "arms": {"base": {"identity": "1", "sha256": "2"}},
    "references": {"mimalloc": {"version": "2.0.9", "sha256": "3", "env": {}}},
    "programs_sha256": {"bench": "4"},
    "runner_sha256": "5",
    "inputs_sha256": {"lua": "6", "data.db": "7"},
    "c_library": {"path": "/lib/libc.so.6", "sha256": "8"},
    "experiment": {"id": "x", "gates": ["g"]},
    "lanes": {"idle": {"cpus": [0, 1], "sampler_cpus": [1]}},
}


def changed(change: Callable[[Dict[str, Any]], None]) -> Dict[str, Any]:
    copied = copy.deepcopy(MANIFEST)
    change(copied)
    return copied


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.update(started_utc="2026-02-02T00:00:00Z"),
        lambda m: m["git"].update(commit="b", dirty=True),
        lambda m: m["machine"].update(load=[9, 9, 9]),
        lambda m: m["arms"]["base"].update(sha256="built again, same program"),
    ],
)
def test_what_may_change(change: Callable[[Dict[str, Any]], None]) -> None:
    check_drift(MANIFEST, changed(change), Path("results/x/run"))


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda m: m["machine"].update(kernel="6.2"), "machine.kernel: was 6.1, is 6.2"),
        (lambda m: m["arms"]["base"].update(identity="9"), "arm base: was 1, is 9"),
        (lambda m: m["references"]["mimalloc"].update(version="3.1"), "reference mimalloc: was"),
        (lambda m: m["references"]["mimalloc"].update(env={"A": "1"}), "reference mimalloc: was"),
        (lambda m: m["references"].clear(), "reference mimalloc: was .*, is absent"),
        (lambda m: m.update(runner_sha256="6"), "runner: was 5, is 6"),
        (lambda m: m["programs_sha256"].update(bench="7"), "program bench: was 4, is 7"),
        (lambda m: m["inputs_sha256"].update(lua="7"), "file lua: was 6, is 7"),
        (lambda m: m["inputs_sha256"].pop("data.db"), "file data.db: was 7, is absent"),
        (lambda m: m["c_library"].update(sha256="9"), "C library: was 8, is 9"),
        (lambda m: m["experiment"].update(gates=["h"]), "experiment.gates"),
        (lambda m: m["lanes"]["idle"].update(cpus=[0]), "CPUs of lane idle"),
    ],
)
def test_what_may_not(change: Callable[[Dict[str, Any]], None], words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        check_drift(MANIFEST, changed(change), Path("results/x/run"))
    assert caught.value.exit_status == 4
    assert "--fresh" in caught.value.message


def test_machine_facts_are_read_or_none() -> None:
    facts = machine_facts()
    assert set(STEADY) <= set(facts)
    assert facts["cpus"] >= 1 and facts["memory_kb"] > 0 and facts["kernel"]
    assert chosen("always [madvise] never") == "madvise"
    assert chosen(None) is None and chosen("none chosen") is None


def test_warnings_of_a_bad_machine_and_of_a_good_one() -> None:
    bad = {"cpus": 1, "load": [3.0], "governor": "powersave", "thp": "always", "overcommit": 2}
    found = "\n".join(machine_warnings(bad, {"dirty": True}))
    for words in ("only 1 CPU", "load 3.0", "governor is powersave", "'always'", "overcommit_memory=2", "uncommitted changes"):
        assert words in found
    good = {"cpus": 8, "load": [0.1], "governor": None, "thp": "madvise", "overcommit": 0}
    assert not [text for text in machine_warnings(good, {"dirty": False}) if "pressure" not in text]


def test_outside_a_repository_there_is_no_commit(tmp_path: Path) -> None:
    assert git_state(tmp_path) == {"commit": None, "dirty": None}


def test_busy_time_only_grows() -> None:
    first = busy_cpu_s()
    assert first is not None and first > 0
    second = busy_cpu_s()
    assert second is not None and second >= first


def test_the_c_library_is_found_and_a_file_that_may_not_be_read_is_known_by_its_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = c_library_entry()
    assert entry["path"] and entry["sha256"] == file_sha256(Path(entry["path"]))
    path = tmp_path / "secret"
    path.write_text("x")

    def refused(path: Path) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(manifest, "file_sha256", refused)
    assert input_sha256(path).startswith("unreadable, 1 bytes of ")
    with pytest.raises(UserError, match="cannot be read"):
        input_sha256(tmp_path / "gone")
