"""What a report must say, whatever the run: the verdict's own figures, and what is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.model import AaVerdict, Status, Verdict
from harness.report import build_report
from harness.report import words
from harness.report.load import load_run
from harness.report.sections import gate_cells
from harness.report.tests.conftest import MakeRun
from harness.report.tests.synthetic import (
    Options,
    absolute_gate,
    go_verdict,
    idle_gate,
    make_verdict,
    speed_gate,
)


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def report_of(root: Path) -> str:
    return build_report(root).read_text(encoding="utf-8")


def rows_under(markdown: str, heading: str) -> list[list[str]]:
    """The cells of the first table after a heading, without its header."""
    section = markdown.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    cells = [[c.strip() for c in line.replace("\\|", "¦").strip("|").split("|")] for line in lines]
    return cells[2:]


# ---- the decision -----------------------------------------------------------------------------


def test_headline_gives_the_status_and_the_figures_that_decided(reported: Path) -> None:
    first = (reported / "report.md").read_text(encoding="utf-8").splitlines()[2]
    assert first.startswith("> **GO** — idle: RSS, idle window −93.9 %")
    assert "0.0606 [0.0581, 0.0633]" in first and "go_if ratio <= 0.5" in first


def test_every_gate_figure_is_the_verdicts(reported: Path) -> None:
    verdict = json.loads((reported / "verdict.json").read_text())
    rows = rows_under((reported / "report.md").read_text(encoding="utf-8"), "Gates")
    assert len(rows) == len(verdict["gates"]) == 3
    for row, gate in zip(rows, verdict["gates"]):
        absolute = gate["kind"] == "absolute"

        def show(value: float, name: str = gate["metric"], plain: bool = absolute) -> str:
            return words.quantity(name, value) if plain else words.ratio(value)

        assert row[1] == f"**{gate['status']}**"
        assert row[3] == words.quantity(gate["metric"], gate["median_base"])
        assert row[4] == words.quantity(gate["metric"], gate["median_treat"])
        assert row[5] == show(gate["estimate"])
        assert row[7] == f"{show(gate['low'])} … {show(gate['high'])}"
        assert row[8].startswith(gate["rule"])
        assert row[9] == show(gate["bounds"][0])
        assert row[11] == str(gate["n"])
        assert row[12] == words.percent(gate["noise_floor"])
        assert row[13] == words.percent(gate["mde"])


def test_figures_are_shown_in_numbers_a_reader_can_check() -> None:
    cells = gate_cells(idle_gate(needs_blocks=14))
    assert cells["median base"] == "132.0 MiB"
    assert cells["interval"] == "0.0581 … 0.0633"
    assert (cells["noise floor"], cells["MDE"]) == ("1.23 %", "3.45 %")
    assert cells["blocks still needed"] == "14"


def test_inconclusive_says_which_gate_and_how_many_more_blocks(run_dir: MakeRun) -> None:
    open_gate = speed_gate(status=Status.INCONCLUSIVE, low=0.9712, high=1.031, needs_blocks=14)
    verdict = make_verdict(Status.INCONCLUSIVE, [idle_gate(), open_gate])
    text = report_of(run_dir(Options(verdict=verdict)))
    assert "> **INCONCLUSIVE** — small: speed per CPU second +0.4 %" in text
    assert "needs about 14 more blocks." in text
    assert rows_under(text, "Gates")[1][14] == "14"


def test_no_go_names_only_the_gates_that_said_so(run_dir: MakeRun) -> None:
    broken = speed_gate(status=Status.NO_GO, estimate=0.951, low=0.944, high=0.959)
    text = report_of(run_dir(Options(verdict=make_verdict(Status.NO_GO, [idle_gate(), broken]))))
    first = text.splitlines()[2]
    assert first.startswith("> **NO-GO** — small: speed per CPU second −4.9 %")
    assert "idle" not in first


def test_void_gives_the_judges_reason_and_survives_gates_without_figures(run_dir: MakeRun) -> None:
    empty = dict(estimate=None, low=None, high=None, median_base=None, median_treat=None, n=0,
                 noise_floor=None, mde=None, status=Status.VOID, note="no evidence")  # fmt: skip
    reason = "evidence missing, arm treat: HZ3_S62_PURGE.pages_purged > 0"
    verdict = make_verdict(
        Status.VOID, [idle_gate(**empty), absolute_gate(**empty)], reasons=[reason], evidence=[], aa=[]
    )
    root = run_dir(Options(verdict=verdict))
    text = report_of(root)
    assert text.splitlines()[2] == f"> **VOID** — {reason}."
    assert rows_under(text, "Gates")[0][5] == words.NONE
    assert not (root / "plots" / "gates.svg").exists()


def test_interval_without_an_end_is_drawn_and_shown_as_missing(run_dir: MakeRun) -> None:
    half = idle_gate(low=None, status=Status.INCONCLUSIVE)
    root = run_dir(Options(verdict=make_verdict(Status.INCONCLUSIVE, [half])))
    assert rows_under(report_of(root), "Gates")[0][7] == f"{words.NONE} … 0.0633"
    assert (root / "plots" / "gates.svg").exists()


def test_table_experiment_reports_medians_and_judges_nothing(run_dir: MakeRun) -> None:
    verdict = make_verdict(Status.COMPLETE, [], aa=[], evidence=[])
    text = report_of(run_dir(Options(verdict=verdict, kind="table")))
    assert "> **COMPLETE** — 6 blocks, 60 runs; a table judges nothing." in text
    assert "## Medians" in text and "## Gates" not in text


# ---- what else is there -----------------------------------------------------------------------


def test_stock_and_tuned_peers_say_which_they_are(reported: Path) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    assert "| mimalloc (stock) | stock |" in text
    assert "| mimalloc (tuned: purge-now) | tuned: purge-now |" in text
    assert "`MIMALLOC_DECOMMIT_DELAY=0`" in text


def test_lanes_stand_in_the_order_of_the_experiment_file(reported: Path) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    assert 0 < text.index("Lane small: medians") < text.index("Lane idle: medians")


def test_the_judges_reasons_stand_but_for_those_the_gates_say(run_dir: MakeRun) -> None:
    gate_line = "idle.rss_idle_kb: GO (go_if ratio <= 0.5): 0.0606"
    verdict = make_verdict(Status.GO, [idle_gate()], reasons=[gate_line, "the machine was busy"])
    text = report_of(run_dir(Options(verdict=verdict)))
    assert "- the machine was busy" in text and gate_line not in text


def test_a_control_of_too_few_blocks_says_so(run_dir: MakeRun) -> None:
    control = [AaVerdict("idle.rss_idle_kb", 1.0002, None, None, True)]
    text = report_of(run_dir(Options(verdict=make_verdict(Status.GO, [idle_gate()], aa=control))))
    assert "| 1.000 | too few blocks | no difference invented |" in text


def test_memory_is_given_held_and_joined_for_every_cycle(reported: Path) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    header = next(line for line in text.splitlines() if "threads held, cycle 1" in line)
    for cycle in (1, 2, 3):
        assert f"threads held, cycle {cycle}" in header and f"threads joined, cycle {cycle}" in header
    assert "firm, threads held" in header and "firm, threads joined" in header


def test_flags_that_differ_come_from_the_build_records(reported: Path) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    assert "`HZ3_S62_PURGE` 0 → 1, `HZ3_S62_RETIRE` 0 → 1" in text
    assert "HZ3_S61_DTOR_HARD_PURGE" not in text  # the same in both arms


def test_disturbed_runs_are_counted_by_cause_and_arm(reported: Path) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    assert "2 of 60 measured runs were disturbed" in text
    assert "| steal | 2 | base 1, mimalloc 1 |" in text


def test_warmup_runs_and_runs_that_do_not_count_are_left_out_of_medians(run_dir: MakeRun) -> None:
    root = run_dir()
    for name, spoil in (("0000", {"counts": True}), ("0003", {"counts": False})):
        path = root / "blocks" / f"{name}.json"
        block = json.loads(path.read_text())
        for run in block["runs"]:
            run["metrics"]["ops_per_cpu_s"] = 1.0
            run.update(spoil)
        path.write_text(json.dumps(block))
    data = load_run(root)
    values = data.values("small", "base", "ops_per_cpu_s")
    assert len(values) == 5 and 1.0 not in values
    assert "10 did not count" in report_of(root)


def test_the_typed_command_repeats_the_run(reported: Path) -> None:
    text = (reported / "report.md").read_text(encoding="utf-8")
    assert "```sh\npython3 -m harness run experiments/s62.yaml --quick\n```" in text


def test_a_bar_in_text_does_not_break_a_table(run_dir: MakeRun) -> None:
    verdict = go_verdict()
    verdict.evidence[0].seen = "1 | 2"
    rows = rows_under(report_of(run_dir(Options(verdict=verdict))), "Evidence that the mechanism worked")
    assert rows[0] == ["treat", "idle", "`HZ3_S62_PURGE.pages_purged > 0`", "yes", "1 ¦ 2"]


# ---- missing parts ----------------------------------------------------------------------------


def test_without_memory_series_there_is_no_curve_but_all_else(run_dir: MakeRun) -> None:
    root = run_dir(Options(series=False))
    text = report_of(root)
    assert "## Memory over time" not in text and "## Gates" in text
    assert not (root / "plots" / "memory-idle.svg").exists()


def test_a_run_left_out_of_the_curves_is_said(run_dir: MakeRun) -> None:
    root = run_dir()
    lost = sorted((root / "memory").glob("0003-idle-*.csv"))
    lost[0].unlink()
    assert "; left out for other phases or no series: 1" in report_of(root)


def test_without_references_the_tables_hold_hz3_only(run_dir: MakeRun) -> None:
    text = report_of(run_dir(Options(references=False)))
    assert "mimalloc" not in text and "| treat: s62 | hz3 |" in text


def test_an_unfinished_run_gets_a_report_that_says_so(run_dir: MakeRun) -> None:
    text = report_of(run_dir(Options(verdict=None)))
    assert "> **UNFINISHED**" in text and "## Gates" not in text


def test_a_directory_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no manifest.json"):
        build_report(tmp_path)


def test_a_damaged_block_is_named(run_dir: MakeRun) -> None:
    root = run_dir()
    (root / "blocks" / "0002.json").write_text("{")
    with pytest.raises(UserError, match="0002.json"):
        build_report(root)


# ---- bytes ------------------------------------------------------------------------------------


def test_the_same_run_gives_the_same_bytes_in_another_process(run_dir: MakeRun) -> None:
    root = run_dir()
    build_report(root)
    first = tree(root)
    code = f"from pathlib import Path; from harness.report import build_report as b; b(Path({str(root)!r}))"
    project = Path(__file__).resolve().parents[3]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=project)
    assert tree(root) == first
    assert Verdict.from_json(json.loads(first["verdict.json"])) == go_verdict()


def test_a_plot_that_a_new_verdict_does_not_call_for_is_removed(run_dir: MakeRun) -> None:
    root = run_dir()
    build_report(root)
    assert (root / "plots" / "gates.svg").exists()
    void = make_verdict(Status.VOID, [], reasons=["the arms are the same bytes"])
    (root / "verdict.json").write_text(json.dumps(void.to_json()))
    build_report(root)
    assert not (root / "plots" / "gates.svg").exists()


def test_importing_the_package_stays_light() -> None:
    code = (
        "import sys, harness.report; "
        "heavy = {'numpy', 'pandas', 'matplotlib'} & set(sys.modules); sys.exit(','.join(heavy) or 0)"
    )
    project = Path(__file__).resolve().parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- the page ---------------------------------------------------------------------------------


class Page(HTMLParser):
    """Collects what a page refers to, its ids, and whether its elements close."""

    _VOID = {"meta", "br", "hr", "img", "link", "input"}

    def __init__(self) -> None:
        super().__init__()
        self.references: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in self._VOID:
            self.open.append(tag)
        self._attributes(attrs)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._attributes(attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def _attributes(self, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "data", "action"):
                self.references.append(value or "")
            elif name == "id":
                self.ids.append(value or "")


def test_the_page_stands_alone(reported: Path) -> None:
    text = (reported / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not page.open
    assert page.references and all(reference.startswith("#") for reference in page.references)
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    assert "http" not in text and "@import" not in text
    assert "svg" in page.tags


def test_ids_are_unique_and_every_reference_has_its_target(reported: Path) -> None:
    page = Page()
    page.feed((reported / "report.html").read_text(encoding="utf-8"))
    assert len(page.ids) == len(set(page.ids))
    assert {reference[1:] for reference in page.references} <= set(page.ids)


def test_the_page_follows_dark_mode_and_phones(reported: Path) -> None:
    text = (reported / "report.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme:dark" in text
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in text
    assert "var(--paper)" in text and "#1c1f24;" not in text.split("</style>")[1]


def test_text_from_a_run_cannot_become_markup(run_dir: MakeRun) -> None:
    verdict = go_verdict()
    verdict.reasons = ["<script>alert(1)</script> & co"]
    root = run_dir(Options(verdict=verdict))
    build_report(root)
    text = (root / "report.html").read_text(encoding="utf-8")
    assert "<script>" not in text and "&lt;script&gt;alert(1)&lt;/script&gt; &amp; co" in text
