"""The files of a run: whole or absent, found again by plan, and tables made from the blocks alone."""

from __future__ import annotations

import csv
import errno
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.model import MEASURED, WARMUP, Block, BlockRecord, Plan, RunRecord, Slot, json_text
from harness.run import store
from harness.run.directory import RunDirectory, find_unfinished, new_directory
from harness.run.tables import runs_csv, stats_jsonl


def plan(key: str = "k" * 64) -> Plan:
    blocks = [Block(0, WARMUP, 10, [Slot("x", "base", 0)]), Block(1, MEASURED, 20, [Slot("x", "base", 0)])]
    return Plan("exp", key, 1, False, [1], blocks)


def record(index: int = 0, key: str = "k" * 64, **metrics: float) -> BlockRecord:
    run = RunRecord(index, MEASURED, 0, "x", "base", "2026-01-09T00:00:00Z", metrics=metrics, strings={"S.why": "exit"})
    return BlockRecord(key, index, MEASURED, 10, [run])


def begun(results: Path, started: str = "2026-01-09T10:00:00Z", key: str = "k" * 64) -> RunDirectory:
    directory = new_directory(results, "exp", key, started, False)
    directory.begin({"schema": 1}, plan(key))
    return directory


def test_a_new_directory_never_takes_an_old_ones_place(tmp_path: Path) -> None:
    first, second = begun(tmp_path), begun(tmp_path)
    assert first.root.name == "20260109T100000Z-kkkkkkkk"
    assert second.root.name == "20260109T100000Z-kkkkkkkk.1"
    assert new_directory(tmp_path, "exp", "k" * 64, "2026-01-09T10:00:01Z", True).root.name.endswith("-quick")


def test_the_newest_unfinished_run_of_the_plan_is_found(tmp_path: Path) -> None:
    assert find_unfinished(tmp_path, "exp", "k" * 64) is None
    old, new = begun(tmp_path), begun(tmp_path, "2026-01-10T10:00:00Z")
    begun(tmp_path, "2026-01-11T10:00:00Z", key="z" * 64)

    def found() -> Any:
        unfinished = find_unfinished(tmp_path, "exp", "k" * 64)
        return None if unfinished is None else unfinished.root

    assert found() == new.root
    (new.root / "verdict.json").write_text("{}")
    assert found() == new.root  # judged but not reported yet: the report is still to be made
    (new.root / "report.html").write_text("")
    assert found() == old.root
    (old.root / "plan.json").write_text("{half")
    assert found() is None


def test_a_directory_without_manifest_was_never_begun(tmp_path: Path) -> None:
    new_directory(tmp_path, "exp", "k" * 64, "2026-01-09T10:00:00Z", False)
    assert find_unfinished(tmp_path, "exp", "k" * 64) is None


def test_two_harnesses_cannot_share_a_directory(tmp_path: Path) -> None:
    directory = begun(tmp_path)
    directory.lock()
    with pytest.raises(UserError, match="another harness is running this"):
        RunDirectory(directory.root).lock()


def test_blocks_of_the_plan_are_read_and_others_refused(tmp_path: Path) -> None:
    directory = begun(tmp_path)
    assert directory.block(0, plan()) is None
    store.write_whole(directory.block_path(0), json_text(record(ops=1.0).to_json()))
    found = directory.block(0, plan())
    assert found is not None and found.runs[0].metrics == {"ops": 1.0}
    with pytest.raises(UserError, match="belongs to another plan"):
        directory.block(0, plan("z" * 64))
    directory.block_path(0).write_text("{half")
    with pytest.raises(UserError, match="the run is damaged"):
        directory.block(0, plan())


def test_series_names_are_file_names(tmp_path: Path) -> None:
    assert RunDirectory(tmp_path).series_name(7, "idle", "mimalloc:purge-now") == "memory/0007-idle-mimalloc@purge-now.csv"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "file.json"
    store.write_whole(path, "one")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(UserError, match=f"{path.parent} is full; free space, then run the same command again") as caught:
        store.write_whole(path, "two")
    assert caught.value.exit_status == 5
    assert path.read_text() == "one"


def test_a_full_disk_while_moving_a_series(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "series"
    source.write_text("t_ms\n")
    store.move_whole(source, tmp_path / "memory" / "a.csv")
    assert (tmp_path / "memory" / "a.csv").read_text() == "t_ms\n" and not source.exists()
    with pytest.raises(UserError, match="cannot be written"):
        store.move_whole(source, tmp_path / "memory" / "b.csv")


@given(st.lists(st.dictionaries(st.sampled_from(["ops", "wall_s", "S.n"]), st.floats(allow_nan=False, allow_infinity=False)), max_size=5))
def test_numbers_survive_the_csv(rows: list[dict[str, float]]) -> None:
    blocks = [record(index, **metrics) for index, metrics in enumerate(rows)]
    read = list(csv.DictReader(io.StringIO(runs_csv(blocks))))
    assert len(read) == len(rows)
    for cells, metrics in zip(read, rows):
        for name in ("ops", "wall_s", "S.n"):
            if name in metrics:
                assert float(cells[name]) == metrics[name]
            else:
                assert cells.get(name, "") == ""


def test_stats_lines_of_every_run() -> None:
    (line,) = stats_jsonl([record(3, ops=1.0, **{"S.n": 2.0})]).splitlines()
    assert json.loads(line) == {
        "block": 3,
        "kind": "measured",
        "workload": "x",
        "arm": "base",
        "line": "S",
        "values": {"n": 2.0, "why": "exit"},
    }
