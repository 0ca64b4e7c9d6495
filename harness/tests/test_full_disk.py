"""A disk that is full from any moment on: nothing complete is lost, nothing half is counted, the verdict
stands once it is given, and the status never is that of an answer that was not reached.

Each run happens in a fork with every way of writing counted; from the k-th on they all fail.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple

import pytest

from harness import cli
from harness.build.meson import BuildTree
from harness.experiment import RunOptions
from harness.run import block, command, manifest
from harness.tests.conftest import Lab

DEEP = os.environ.get("HZ3_LAB_DEEP") == "1"
NEVER = 1_000_000


class Ended(NamedTuple):
    status: int
    out: str
    err: str
    writes: List[str]


def line_of(runner: Path, job: Mapping[str, Any]) -> Dict[str, Any]:
    """A runner that fills no disk of its own: figures that depend on the arm only."""
    for path, text in ((job["stdout_path"], "x\n"), (job["stderr_path"], ""), (job["csv_path"], "t_ms,rss_kb,phase,cycle\n0,9,run,1\n")):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(handle, text.encode())
        os.close(handle)
    speed = 200.0 if "/a01/" in job["preload"] else 100.0
    noise = len(job["env"]["HZ_PAD"]) % 7 / 1e5
    mapped = [{"path": path, "found": True} for path in job["expect_mapped"]]
    return {
        "exit_status": 0, "wall_ns": 10**9, "user_ns": 10**9, "sys_ns": 0, "mapped": mapped, "samples": 1,
        "result": {"ops_per_s": speed * (1 + noise)}, "marks": [],
    }  # fmt: skip


class FullDisk:
    """Counts what writes; the `first`-th and every later one fails, files that are opened stay empty."""

    def __init__(self, first: int) -> None:
        self.first = first
        self.seen: List[str] = []

    def point(self, what: str) -> None:
        self.seen.append(what)
        if len(self.seen) >= self.first:
            raise OSError(errno.ENOSPC, "No space left on device", what)

    def fill(self) -> None:
        plain = io.open

        def opened(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if any(mark in mode for mark in "wxa+") and str(file) != os.devnull:
                stream = plain(file, mode, *args, **kwargs)
                try:
                    self.point(f"open {file}")
                except OSError:
                    stream.close()
                    raise
                return stream
            return plain(file, mode, *args, **kwargs)

        builtins.open = io.open = opened  # type: ignore[assignment]
        for name in ("fsync", "replace", "mkdir"):
            real = getattr(os, name)

            def failing(*args: Any, real: Any = real, name: str = name, **kwargs: Any) -> Any:
                self.point(f"{name} {args[0]}")
                return real(*args, **kwargs)

            setattr(os, name, failing)


class Runs:
    """An experiment that is built once and then run in forks."""

    def __init__(self, lab: Lab, tmp_path: Path) -> None:
        design = "design: {blocks: 5, warmup: 1, seed: 3, aa: false}"
        self.file = lab.experiment("full", evidence="", design=design)
        self.lab, self.tmp = lab, tmp_path
        experiment, _ = command.effective_experiment(Path(self.file), RunOptions())
        self.prepared = command.prepare(experiment, {}, BuildTree(lab.root, lab.root / "build"), {})

    def run(self, results: Path, first: int = NEVER) -> Ended:
        out, err, told = (self.tmp / name for name in ("out", "err", "writes"))
        child = os.fork()
        if child == 0:
            try:
                self._child(results, first, out, err, told)
            except BaseException:
                traceback.print_exc()
            os._exit(99)
        _, status = os.waitpid(child, 0)
        return Ended(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text(), json.loads(told.read_text()))

    def _child(self, results: Path, first: int, out: Path, err: Path, told: Path) -> None:
        with out.open("w") as sys.stdout, err.open("w") as sys.stderr:
            disk = FullDisk(first)
            command.prepare = lambda *args: self.prepared  # type: ignore[assignment]
            manifest.git_state = lambda root: {"commit": None, "dirty": None}  # type: ignore[assignment]
            block.start_runner = line_of  # type: ignore[assignment]
            notes = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            disk.fill()
            status = cli.main(["run", "--root", str(self.lab.root), self.file, "--results", str(results)])
            os.write(notes, json.dumps(disk.seen).encode())
        os._exit(status)


@pytest.fixture
def runs(lab: Lab, tmp_path: Path) -> Runs:
    return Runs(lab, tmp_path)


def blocks(results: Path) -> List[str]:
    """Those on disk, each of which must be whole."""
    found = sorted(results.glob("full/*/blocks/*"))
    for path in found:
        assert path.suffix == ".json", path
        assert len(json.loads(path.read_text())["runs"]) == 2
    return [path.name for path in found]


def left_behind(results: Path) -> List[Path]:
    return [path for path in results.rglob("*") if path.name.endswith((".tmp", ".part"))]


def verdict_of(results: Path) -> Dict[str, Any]:
    (path,) = results.glob("full/*/verdict.json")
    data: Dict[str, Any] = json.loads(path.read_text())
    return data


def test_a_disk_that_is_full_from_the_kth_write_on(runs: Runs, tmp_path: Path) -> None:
    whole = runs.run(tmp_path / "whole")
    assert whole.status == 0 and "GO: full, 5 blocks" in whole.out, whole.err
    expected = verdict_of(tmp_path / "whole")
    writes = whole.writes
    answered = next(i for i, what in enumerate(writes) if "verdict.json" in what) - 1  # its folder is made first
    assert answered > 40 and any("report.html" in what for what in writes[answered:])
    boundary = (answered, answered + 1)
    named = [k for k, what in enumerate(writes, 1) if what.startswith("open") and k > answered and "plots" not in what]
    every = range(1, len(writes) + 1)
    for k in every if DEEP else sorted({*every[::8], *boundary, *named, len(writes)}):
        results = tmp_path / f"k{k}"
        ended = runs.run(results, k)
        where = f"write {k}, {writes[k - 1]}:\n{ended.out}\n{ended.err}"
        assert ended.status == 5, where
        assert "Traceback" not in ended.err and (" is full" in ended.err or "o space" in ended.err), where
        assert left_behind(results) == [], where
        kept = blocks(results)
        assert ("GO: full" in ended.out) == (k > answered), where
        if k > answered:
            assert "the verdict GO stands" in ended.err and len(kept) == 6, where
        if DEEP or k % 40 == 1 or k in boundary:
            again = runs.run(results)
            assert again.status == 0 and "GO: full, 5 blocks, 10 runs" in again.out, where + again.err
            assert verdict_of(results) == expected, where
            assert blocks(results)[: len(kept)] == kept and len(blocks(results)) == 6
            assert len(list(results.glob("full/*"))) == 1, where  # no folder of a run that never began


def test_a_folder_that_cannot_be_written(lab: Lab, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    done = lab.harness("run", lab.experiment("nowhere"), "--results", str(place))
    assert done.returncode == 5 and str(place) in done.stderr and "Traceback" not in done.stderr
    done = lab.harness("run", lab.experiment("nowhere"), "--results", "/proc/nowhere")
    assert done.returncode == 5 and "/proc/nowhere" in done.stderr and "Traceback" not in done.stderr
    done = lab.harness("run", lab.experiment("nowhere"), "--build", "/proc/nowhere")
    assert done.returncode == 5 and "/proc/nowhere" in done.stderr and "Traceback" not in done.stderr


def test_a_report_that_cannot_be_written_leaves_the_verdict_and_is_made_later(lab: Lab) -> None:
    experiment = lab.experiment("dull")
    assert lab.run(experiment, "--quick").returncode == 0
    (where,) = lab.runs("dull")
    (where / "report.html").unlink()
    (where / "report.html.part").mkdir()  # in the way
    done = lab.run(experiment, "--quick")
    assert done.returncode == 5 and "GO: dull" in done.stdout and "report:" not in done.stdout
    assert "the verdict GO stands, but its tables or its report could not be written" in done.stderr
    judged = lab.harness("judge", str(where))
    assert judged.returncode == 0
    assert lab.harness("report", str(where)).returncode == 5
    (where / "report.html.part").rmdir()
    done = lab.run(experiment, "--quick")
    assert done.returncode == 0 and lab.runs("dull") == [where]


