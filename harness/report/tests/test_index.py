"""The index says what lies in results/published, and the one in git is fresh."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import UserError
from harness.model import Status
from harness.report import publish, write_index
from harness.report.index import INDEX
from harness.report.tests.conftest import MakeRun
from harness.report.tests.synthetic import Options, idle_gate, make_verdict
from harness.report.tests.test_report import Page

pytestmark = pytest.mark.usefixtures("believed")

PUBLISHED = Path(__file__).resolve().parents[3] / "results" / "published"


def test_the_index_in_git_is_that_of_what_is_published(tmp_path: Path) -> None:
    for file in (file for kind in ("*/*.json", "*/run_id", "*/older/*/run_id", "**/*.md") for file in PUBLISHED.glob(kind)):
        copy = tmp_path / file.relative_to(PUBLISHED)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    write_index(tmp_path)
    for name in INDEX:
        assert (tmp_path / name).read_bytes() == (PUBLISHED / name).read_bytes(), "stale; make it anew: python3 -m harness index"


def test_publishing_makes_it_and_every_link_leads_somewhere(run_dir: MakeRun, dest: Path) -> None:
    publish(run_dir(), dest)
    page = Page()
    page.feed((dest / "index.html").read_text(encoding="utf-8"))
    links = [link for link in page.references if not link.startswith("#")]
    assert len(links) == 3 and all((dest / link).is_file() for link in links)
    text = (dest / "index.md").read_text(encoding="utf-8")
    assert "| **s62** | **GO** | Does retiring small pages at thread exit halve idle RSS \\| at no cost? |" in text
    assert "| 2026-01-09 | 6 blocks, quick | Example CPU, 2 CPUs |" in text
    assert "1 experiment: 1 GO" in text


def test_a_later_publication_is_the_one_that_stands_there(run_dir: MakeRun, dest: Path) -> None:
    publish(run_dir(), dest)
    verdict = make_verdict(Status.NO_GO, [idle_gate(status=Status.NO_GO)])
    publish(run_dir(Options(verdict=verdict), run_id="20260110T000000Z"), dest)
    text = (dest / "index.md").read_text(encoding="utf-8")
    assert text.count("**s62**") == 1 and "**NO-GO**" in text and "1 earlier run in `s62/older/`" in text


def test_the_sentence_of_many_gates_is_cut_short_and_says_so(run_dir: MakeRun, dest: Path) -> None:
    gates = [idle_gate(id=str(number)) for number in range(9)]
    publish(run_dir(Options(verdict=make_verdict(Status.GO, gates))), dest)
    assert "; and 6 more." in (dest / "index.md").read_text(encoding="utf-8")


def test_an_empty_place_has_an_index_too_and_a_damaged_publication_is_named(tmp_path: Path) -> None:
    assert "0 experiments: none yet" in write_index(tmp_path).read_text(encoding="utf-8")
    with pytest.raises(UserError, match="is no folder"):
        write_index(tmp_path / "nowhere")
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "run_id").write_text("x")
    (tmp_path / "s1" / "verdict.json").write_text(json.dumps({"status": "PERHAPS"}))
    with pytest.raises(UserError, match="s1: is no publication"):
        write_index(tmp_path)


def test_the_command_says_where_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", "--of", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "index.html")
