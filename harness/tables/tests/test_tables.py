"""A table says what the run says, from what a publication keeps, in forms that paste and that parse."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Dict, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.model import BlockRecord, RunRecord
from harness.report.load import load_run
from harness.report.tests.synthetic import make_run
from harness.run.directory import RunDirectory
from harness.run.tables import blocks_of_csv, runs_csv
from harness.tables.choice import Choice
from harness.tables.command import TableRequest, table
from harness.tables.source import load_figures

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    where = make_run(tmp_path)
    RunDirectory(where).write_tables(load_run(where).blocks)
    return where


def ask(named: str, root: Path, form: str = "medians", format: str = "md", against: str = "base", **choice: List[str]) -> str:
    chosen = Choice(**{name: tuple(values) for name, values in choice.items()})
    return table(TableRequest([named], root, root / "results", form, format, chosen, against))


def rows(text: str) -> List[Dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


names = st.text("abcdefgh_.@1", min_size=1, max_size=8).filter(lambda name: not name.startswith("text."))
numbers = st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\r\x00;"), min_size=1, max_size=12)


@given(st.lists(st.tuples(st.dictionaries(names, numbers), st.dictionaries(names, words), st.booleans()), min_size=1, max_size=5))
def test_runs_csv_loses_no_figure(made: List[tuple]) -> None:
    reserved = {"block", "kind", "position", "workload", "arm", "started_utc", "counts", "reasons", "disturbed", "csv"}
    blocks = []
    for i, (metrics, strings, counts) in enumerate(made):
        kept = {name: value for name, value in metrics.items() if name not in reserved}
        reasons = [] if counts else ["one", "two, and 'three'"]
        run = RunRecord(i, "measured", 0, "lane", "base", "now", kept, strings, counts, reasons, ["x"] if i % 2 else [])
        blocks.append(BlockRecord("", i, "measured", 0, [run]))
    assert blocks_of_csv(runs_csv(blocks)) == blocks


def test_a_publication_gives_the_same_table_as_its_run(run: Path, tmp_path: Path) -> None:
    home = tmp_path / "results" / "published" / "s62"
    home.mkdir(parents=True)
    for name in ("runs.csv", "manifest.json", "verdict.json"):
        shutil.copy(run / name, home / name)
    (home / "run_id").write_text(run.name + "\n")
    for form in ("medians", "arms", "ab", "cycles"):
        wanted = {"metrics": ["rss_joined_kb"]} if form == "cycles" else {}
        assert ask("s62", tmp_path, form, **wanted) == ask(str(run), tmp_path, form, **wanted), form
    shutil.rmtree(home)
    assert ask("s62", tmp_path) == ask(str(run), tmp_path)  # without a publication, the newest finished run


def test_a_run_that_has_no_table_yet_is_read_from_its_blocks(run: Path, tmp_path: Path) -> None:
    before = ask(str(run), tmp_path, "ab")
    (run / "runs.csv").unlink()
    assert ask(str(run), tmp_path, "ab") == before


def test_medians_are_those_of_the_report(run: Path, tmp_path: Path) -> None:
    data = load_run(run)
    found = {row["metric"]: row for row in rows(ask(str(run), tmp_path, format="csv", lanes=["idle"]))}
    for metric, row in found.items():
        for arm in ("base", "treat", "mimalloc:purge-now"):
            assert float(row[arm]) == data.median("idle", arm, metric)
    assert "aa" not in found["peak_rss_kb"]
    assert "aa" in rows(ask(str(run), tmp_path, format="csv", arms=["a*"]))[0]


def test_what_the_gates_ask_stands_first(run: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["experiment"]["gates"] = [{"metric": "idle.minflt"}, {"metric": "idle.rss_joined_kb"}]
    (run / "manifest.json").write_text(json.dumps(manifest))
    found = rows(ask(str(run), tmp_path, format="csv", lanes=["idle"]))
    assert [row["metric"] for row in found[:2]] == ["minflt", "rss_joined_kb"]


def test_runs_that_do_not_count_are_in_no_table(run: Path, tmp_path: Path) -> None:
    data = load_run(run)
    lost = [replace(r, counts=False, reasons=["odd"]) if r.arm == "treat" else r for r in data.runs]
    blocks = [BlockRecord("", b.index, b.kind, 0, [r for r in lost if r.block == b.index]) for b in data.blocks]
    (run / "runs.csv").write_text(runs_csv(blocks))
    assert "treat" not in ask(str(run), tmp_path, format="json", arms=["base"])
    assert {row["treat"] for row in rows(ask(str(run), tmp_path, format="csv"))} == {""}


def test_a_gated_ratio_is_the_verdicts_own_and_others_are_paired(run: Path, tmp_path: Path) -> None:
    verdict = json.loads((run / "verdict.json").read_text())
    found = {(row["lane"], row["metric"]): row for row in rows(ask(str(run), tmp_path, "ab", "csv"))}
    gates = [gate for gate in verdict["gates"] if gate["against"] is not None]
    assert len(gates) >= 2
    for gate in gates:
        row = found[tuple(gate["metric"].split("."))]
        assert (float(row["ratio"]), float(row["low"]), row["gate"]) == (gate["estimate"], gate["low"], gate["status"])
    free = found[("small", "peak_rss_kb")]
    assert float(free["low"]) <= float(free["ratio"]) <= float(free["high"]) and free["gate"] == "" and free["confidence"] == "0.9"


def test_arms_are_held_against_the_one_named_in_the_same_blocks(run: Path, tmp_path: Path) -> None:
    (row,) = rows(ask(str(run), tmp_path, "arms", "csv", "mimalloc", lanes=["small"], metrics=["ops_per_cpu_s"]))
    data = load_run(run)
    base, other = (data.values("small", arm, "ops_per_cpu_s") for arm in ("base", "mimalloc"))
    ratios = sorted(a / b for a, b in zip(base, other))
    assert ratios[0] < float(row["base/mimalloc"]) < ratios[-1]
    assert "mimalloc/mimalloc" not in row


def test_arms_stand_in_the_order_of_the_experiment(run: Path, tmp_path: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["experiment_text"] = "arms: {treat: s62, base: s61}\n"
    (run / "manifest.json").write_text(json.dumps(manifest))
    header = ask(str(run), tmp_path).splitlines()[2]
    assert header.index("treat: s62") < header.index("base: s61") < header.index("mimalloc")


def test_cycles_are_columns_and_arms_rows(run: Path, tmp_path: Path) -> None:
    found = {row["arm"]: row for row in rows(ask(str(run), tmp_path, "cycles", "csv", metrics=["rss_joined_kb"]))}
    data = load_run(run)
    assert float(found["treat"]["cycle_2"]) == data.median("idle", "treat", "rss_joined_kb@2")
    assert {"cycle_1", "cycle_2", "cycle_3"} < set(found["base"]) and "cycle_4" not in found["base"]


def test_several_runs_are_one_csv_with_a_column_for_the_run(run: Path, tmp_path: Path) -> None:
    again = run.with_name("another")
    shutil.copytree(run, again)
    request = TableRequest([str(run), str(again)], tmp_path, tmp_path, "ab", "csv", Choice(), "base")
    assert {row["run"] for row in rows(table(request))} == {run.name, "another"}


@pytest.mark.parametrize(
    "choice, words",
    [
        ({"lanes": ["idel"]}, "has no lane idel; did you mean 'idle'?"),
        ({"arms": ["treta"]}, "has no arm treta; did you mean 'treat'?"),
        ({"metrics": ["rss_idel_kb"]}, "has no metric rss_idel_kb; did you mean"),
        ({"metrics": ["zzz"]}, "has no metric zzz"),
        ({"against": "off"}, "has no arm off to compare with"),
    ],
)
def test_a_name_that_is_not_there_is_told(run: Path, tmp_path: Path, choice: Dict[str, List[str]], words: str) -> None:
    with pytest.raises(UserError) as told:
        ask(str(run), tmp_path, "ab", **choice)
    assert words in told.value.message and told.value.exit_status == 4


def test_no_such_run_and_a_damaged_table_are_sentences(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 's62'"):
        ask("s6", tmp_path)
    (run / "runs.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="there is no column block"):
        ask(str(run), tmp_path)


@pytest.mark.parametrize("home", sorted((PROJECT / "results/published").glob("*/runs.csv")), ids=lambda path: path.parent.name)
def test_every_publication_of_the_project_can_be_shown(home: Path) -> None:
    data = load_figures(home.parent)
    assert data.measured() and runs_csv(list(data.blocks)) == home.read_text(encoding="utf-8")
    assert ask(str(home.parent), PROJECT).count("\n") > 3


def test_the_command_line_prints_what_a_program_can_read() -> None:
    command = ["/usr/bin/python3", "-m", "harness", "table", "s62", "--form", "ab", "--lane", "idle", "--json"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert {"lane", "metric", "base", "treat", "ratio", "low", "high", "gate"} <= set(json.loads(done.stdout)[0])
    done = subprocess.run([*command, "--metric", "nope"], cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (4, "") and "has no metric nope" in done.stderr
