"""Keeps a finished run for good, without what is private to the machine it was made on.

A publication is one folder an experiment: `<dest>/<experiment>/`. It holds the newest published run;
publishing another run moves what is there to `<dest>/<experiment>/older/<its run id>/`, so nothing is
ever lost or overwritten. Whenever it is stopped, the old publication or the new one is there, whole. What
is published is judged once more from its records first. Publishing the same run again is refused unless
its bytes would be the same. The raw blocks and memory
series stay behind: they are large, `runs.csv` has every figure and `curves.csv` every curve. From these
`harness report` makes the report of a publication again, the same as that of its run. The index of all
publications (index.py) is made anew each time.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from harness.errors import UserError
from harness.model import Verdict
from harness.report.build import build_report
from harness.report.curves_file import CURVES
from harness.report.index import write_index
from harness.report.kept import FAILED, RUN_ID_FILE
from harness.report.load import RunData, load_run
from harness.run.directory import RunDirectory
from harness.run.store import disk_errors

TEXTS = ("report.md", "report.html", "verdict.json", "manifest.json", "runs.csv", CURVES)
OLDER = "older"

# Where distributions put shared files: the same on every machine, and useful to name.
_SHARED_PLACES = ("usr", "lib", "lib64", "bin", "sbin", "etc", "proc", "sys", "dev", "opt", "boot")
_ABSOLUTE = re.compile(r"(?<![\w./<~-])/(?P<top>[\w.-]+)(?:/[\w.+@:-]+)+")


def scrub(text: str, project: Path | None) -> str:
    """Replace absolute paths: inside the project by relative ones, private ones by their last name."""
    if project is not None:
        text = text.replace(f"{project}/", "")

    def private(match: re.Match[str]) -> str:
        if match["top"] in _SHARED_PLACES:
            return match[0]
        return "…/" + match[0].rsplit("/", 1)[1]

    return _ABSOLUTE.sub(private, text)


def project_root(run_dir: Path) -> Path | None:
    """The directory that holds results/<experiment>/<run>, when the run stands in such a tree."""
    parents = run_dir.resolve().parents
    return parents[2] if len(parents) > 2 and parents[1].name == "results" else None


def _finished(data: RunData) -> None:
    """A run is finished when it was judged and its last block is on disk."""
    if data.verdict is None:
        raise UserError(f"{data.root}: has no verdict; finish the run before publishing it")
    only = (data.manifest.get("options") or {}).get("only")
    if only:
        raise UserError(
            f"{data.root}: is a partial run (--only {' '.join(only)}); publish a run of the whole experiment"
        )
    blocks = {run.block for run in data.measured()}
    if len(blocks) < data.verdict.blocks or not blocks:
        raise UserError(
            f"{data.root}: its verdict speaks of {data.verdict.blocks} blocks but {len(blocks)} are "
            "there; judge the run again"
        )


def _same_answer(data: RunData) -> None:
    """The verdict must be what the records give today: a file changed by hand, records that were lost or
    another harness must not stand in git as an answer."""
    stored = data.verdict
    assert stored is not None  # _finished has seen it
    again = judge_records(data.root)
    told, found = stored.to_json(), again.to_json()
    if told == found:
        return
    keys = ", ".join(key for key in found if told.get(key) != found[key])
    raise UserError(
        f"{data.root}: verdict.json says {stored.status.value}, its records judged again say {again.status.value} (they differ "
        f"in: {keys}); see what was changed, or make the records' answer the run's with: python3 -m harness judge {data.root}"
    )


def judge_records(run_dir: Path) -> Verdict:
    """The verdict as `harness judge` finds it."""
    from harness.run.command import judge_stored  # a run imports reports, so not the other way at once

    return judge_stored(run_dir)


def check_publishable(data: RunData) -> None:
    """Every reason not to publish a run, before anything is written."""
    _finished(data)
    _same_answer(data)


def _files(root: Path) -> Iterator[Path]:
    yield from (root / name for name in TEXTS)
    yield from sorted(p for p in (root / "plots").glob("*") if p.suffix in (".svg", ".png"))


def _stage(data: RunData, into: Path) -> None:
    """The publication as it will stand, in a directory beside its destination."""
    project = project_root(data.root)
    (into / "plots").mkdir()
    for source in _files(data.root):
        target = into / source.relative_to(data.root)
        if source.suffix == ".png":
            shutil.copyfile(source, target)
        else:
            text = scrub(source.read_text(encoding="utf-8"), project)
            target.write_text(text, encoding="utf-8")
    json.loads((into / "manifest.json").read_text(encoding="utf-8"))  # scrubbing must keep it JSON
    failed = "".join(json.dumps(run.to_json(), sort_keys=True, ensure_ascii=False) + "\n" for run in data.failed())
    if failed:
        (into / FAILED).write_text(scrub(failed, project), encoding="utf-8")
    (into / RUN_ID_FILE).write_text(data.root.resolve().name + "\n", encoding="utf-8")


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and OLDER not in path.relative_to(folder).parts
    }


def _published_id(home: Path) -> str | None:
    path = home / RUN_ID_FILE
    return path.read_text(encoding="utf-8").strip() if path.exists() else None


def _with_older(staged: Path, home: Path, run_id: str) -> None:
    """Puts copies of the present publication and of those before it under `staged`/older."""
    place = staged / OLDER / run_id
    if (home / OLDER).exists():
        shutil.copytree(home / OLDER, staged / OLDER)
    if place.exists():
        raise UserError(f"{home / OLDER / run_id}: exists already; move it away before publishing again")
    shutil.copytree(home, place, ignore=lambda folder, names: [OLDER] if Path(folder) == home else [])


def _swap(staged: Path, home: Path, aside: Path) -> None:
    """Two renames. Between them the old one is whole in `aside`, where `_mend` finds it."""
    if not home.exists():
        os.replace(staged, home)
        return
    aside.parent.mkdir(exist_ok=True)
    os.replace(home, aside)
    try:
        os.replace(staged, home)
    except OSError:
        os.replace(aside, home)
        raise


_STAGE, _ASIDE = ".publish-", "present"


@contextmanager
def _beside(dest: Path) -> Iterator[Path]:
    """A folder inside the destination, so that the last steps are renames on one file system. It goes away
    with all in it, unless it holds the one copy of what was set aside and could not be put back."""
    beside = Path(tempfile.mkdtemp(dir=dest, prefix=_STAGE))
    try:
        yield beside
    finally:
        if all((dest / old.name).exists() for old in (beside / _ASIDE).glob("*")):
            shutil.rmtree(beside, ignore_errors=True)


def _mend(dest: Path) -> None:
    """Clears what a publishing that was stopped left; puts back what it had set aside and not replaced."""
    for beside in sorted(dest.glob(f"{_STAGE}*")):
        for old in sorted((beside / _ASIDE).glob("*")):
            if not (dest / old.name).exists():
                os.replace(old, dest / old.name)
        shutil.rmtree(beside)


@contextmanager
def _alone(dest: Path) -> Iterator[None]:
    """One publishing at a time: a second waits. The kernel ends the lock with its process."""
    handle = os.open(dest, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def publish(run_dir: Path, dest: Path) -> Path:
    """Returns `dest`/<experiment>. Refuses an unfinished run, one whose verdict is not what its records say,
    and a run id that is already there."""
    data = load_run(run_dir)
    check_publishable(data)
    dest = Path(dest)
    with disk_errors(dest / data.experiment_id):
        dest.mkdir(parents=True, exist_ok=True)
        with _alone(dest):
            with disk_errors(data.root / "report.md"):
                build_report(data.root)
            RunDirectory(data.root).write_tables(data.blocks)
            _mend(dest)
            home = _placed(data, dest)
            write_index(dest)
    return home


def _placed(data: RunData, dest: Path) -> Path:
    """A publication is there whole or not at all, and so is the one that it takes the place of."""
    home, run_id = dest / data.experiment_id, data.root.resolve().name
    with _beside(dest) as beside:
        staged = beside / "new"
        staged.mkdir()
        _stage(data, staged)
        present = _published_id(home)
        if present == run_id or (home / OLDER / run_id).exists():
            if present == run_id and _contents(staged) == _contents(home):
                return home
            raise UserError(f"{home}: run {run_id} is published already and would change; it is kept")
        if present is not None:
            _with_older(staged, home, present)
        _swap(staged, home, beside / _ASIDE / home.name)
    return home
