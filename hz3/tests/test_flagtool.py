"""The catalogue of flags and variants: what it accepts, and how it refuses the rest.

A refusal is one line `file:line: what is wrong; what to do` and exit status 4, so that a profile can
neither be replaced nor switched off by accident.
"""
from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "hz3/src/config/flagtool.py"


def run(*args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["/usr/bin/python3", str(TOOL), *args], capture_output=True, text=True, check=False)


def refused(tmp_path: Path, text: str, name: str = "mine") -> str:
    extra = tmp_path / "extra.yaml"
    extra.write_text(text, encoding="utf-8")
    done = run("show", name, "--extra", str(extra))
    assert done.returncode == 4, done.stdout
    assert done.stderr.count("\n") == 1, "one line"
    assert "; " in done.stderr, "says what to do"
    return done.stderr


def shown(name: str, *args: str) -> dict[str, object]:
    done = run("show", name, *args)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_variant_of_the_catalogue_resolves() -> None:
    names = run("list").stdout.split()
    assert {"s58", "s61", "s62", "s62_observe", "s62_sub4k", "fast", "scale"} <= set(names)
    for name in names:
        assert shown(name)["flags"]["HZ3_ENABLE"] == 1  # type: ignore[index]


def test_a_variant_adds_to_its_parent(tmp_path: Path) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text("mine: {parent: s62, flags: {HZ3_REFILL_BATCH: 8}}", encoding="utf-8")
    mine, parent = shown("mine", "--extra", str(extra)), shown("s62")
    differing = {k for k, v in mine["flags"].items() if parent["flags"][k] != v}  # type: ignore[attr-defined, index]
    assert differing == {"HZ3_REFILL_BATCH"}
    assert mine["parents"] == ["s62", "s61", "s58"]


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("mine:\n  parent: s62\n  flags: {HZ3_S62_RETIER: 1}", 3, "unknown flag HZ3_S62_RETIER; did you mean HZ3_S62_RETIRE?"),
        ("mine:\n  parent: s62\n  flags: {HZ3_ENABLE: 0}", 3, "would disable the whole profile"),
        ("mine:\n  parent: s62\n  flags: {HZ3_NUM_SHARDS: 1000}", 3, "HZ3_NUM_SHARDS=1000 is out of range; give 1 to 64"),
        ("mine:\n  parent: s62\n  flags: {HZ3_ARENA_SIZE: 100000000}", 3, "power of two"),
        ("mine:\n  parent: s62\n  flags: {HZ3_NUM_SHARDS: many}", 3, "must be a number"),
        ("mine:\n  parent: s61\n  flags: {HZ3_S62_PURGE: 1}", 3, "needs HZ3_S62_RETIRE=1"),
        ("mine:\n  flags: {HZ3_STATS: 1}", 1, "names no parent and would replace the profile"),
        ("mine:\n  parent: s62\n  defs: -DHZ3_STATS=1", 3, "unknown key defs"),
        ("mine:\n  parent: s6x", 1, "unknown parent s6x"),
        ("mine:\n  parent: mine", 1, "its own ancestor"),
        ("s62:\n  parent: s61", 1, "exists already"),
        ("mine:\n  parent: s62\n  parent: s61", 3, "given twice"),
        ("mine:\n  parent: s62\n  options: {lto: maybe}", 3, "is not possible"),
        ("mine:\n  parent: s62\n  options: {speed: 11}", 3, "unknown build option"),
        ("mine: [s62]", 1, "must be a mapping"),
        ("mine: {parent: s62", 1, "not valid YAML"),
        ("- mine", 1, "must be a mapping"),
    ],
)
def test_refusals_name_place_fault_and_remedy(tmp_path: Path, text: str, line: int, says: str) -> None:
    message = refused(tmp_path, text)
    assert says in message
    assert f":{line}: " in message or "ancestor" in says or "not valid" in says


def test_an_unknown_variant_lists_the_known_ones() -> None:
    done = run("show", "s6")
    assert done.returncode == 4
    assert "there is no variant s6" in done.stderr and "s62_sub4k" in done.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    done = run("list", "--extra", str(tmp_path / "none.yaml"))
    assert done.returncode == 4
    assert "none.yaml" in done.stderr and "cannot be read" in done.stderr


@pytest.mark.parametrize(
    ("macro", "says"),
    [("HZ3_S62_RETIRE=1", "not on the command line"), ("HZ3_S62_RETIER=1", "unknown flag"), ("HZ3_X", "unknown flag")],
)
def test_macros_behind_the_catalogue_are_refused(tmp_path: Path, macro: str, says: str) -> None:
    done = run("generate", "scale", "--output", str(tmp_path / "out.hpp"), "--", "c++", f"-D{macro}")
    assert done.returncode == 4
    assert says in done.stderr and macro.split("=")[0] in done.stderr
    assert not (tmp_path / "out.hpp").exists()


def test_the_header_has_every_flag_and_a_record_that_parses(tmp_path: Path) -> None:
    out = tmp_path / "out.hpp"
    done = run("generate", "s62", "--output", str(out), "--compiler-id", "gcc 12", "--", "c++", "-O2")
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    for flag in shown("s62")["flags"]:  # type: ignore[attr-defined]
        assert f" {flag.removeprefix('HZ3_')} = " in text
    literal = text.split("HZ3_BUILD_RECORD ", 1)[1].splitlines()[0]
    record = json.loads(json.loads(literal))
    assert record["variant"] == "s62" and record["flags"]["HZ3_S62_PURGE"] == 1
    assert record["cxx_args"] == ["-O2"] and record["compiler"] == "gcc 12"


def test_the_documented_table_is_up_to_date() -> None:
    assert (ROOT / "hz3/FLAGS.md").read_text(encoding="utf-8") == run("docs").stdout, (
        "make it again: hz3/src/config/flagtool.py docs > hz3/FLAGS.md")


def load_knobs(path: Path) -> object:
    """What flagtool makes of a catalogue of knobs at `path`."""
    spec = importlib.util.spec_from_file_location("flagtool", TOOL)
    assert spec is not None and spec.loader is not None
    flagtool = importlib.util.module_from_spec(spec)
    sys.modules["flagtool"] = flagtool  # dataclasses look their module up
    spec.loader.exec_module(flagtool)
    try:
        return flagtool.load_knobs(flagtool.load_catalogue(), path)
    except flagtool.CatalogueError as error:
        return str(error)


KNOB = "{flag: HZ3_LARGE_CACHE_MS, doc: d}"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("knobs:\n  a: {flag: HZ3_LARGE_CACHE_MSS, doc: d}", 2, "unknown flag HZ3_LARGE_CACHE_MSS; did you mean HZ3_LARGE_CACHE_MS?"),
        ("knobs:\n  a: {flag: HZ3_STATS, doc: d, boxes: [HZ3_S62]}", 2, "unknown flag HZ3_S62"),
        ("knobs:\n  a: {doc: d}", 2, "knob a has no flag; add it"),
        ("knobs:\n  a: {flag: HZ3_STATS}", 2, "knob a has no doc; add it"),
        ("knobs:\n  a: {flag: HZ3_STATS, doc: d, default: 1}", 2, "unknown key default"),
        ("knobs:\n  a: {flag: HZ3_LARGE_CACHE_MS, doc: d, min: 0}", 2, "HZ3_LARGE_CACHE_MS=0 is out of range; give 1 to 3600000"),
        ("knobs:\n  a: {flag: HZ3_LARGE_CACHE_MS, doc: d, min: 9, max: 8}", 2, "knob a cannot have a value; let min be at most 8"),
        (f"knobs:\n  aB: {KNOB}", 2, "'aB' cannot name a knob"),
        (f"knobs:\n  a: {KNOB}\n  a: {KNOB}", 3, "a is given twice"),
        ("knobs: []", 1, "knobs must be a mapping"),
        ("buttons: {}", 1, "unknown key buttons"),
        (f"environment_of_others: [HZ3_A]\nknobs:\n  a: {KNOB}", 1, "HZ3_A is the knob a and of others; rename one"),
    ],
)
def test_mistakes_in_the_catalogue_of_knobs_are_named(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = tmp_path / "knobs.yaml"
    path.write_text(text, encoding="utf-8")
    message = load_knobs(path)
    assert isinstance(message, str) and says in message
    assert message.startswith(f"{path}:{line}: ")


def test_a_knob_begins_at_its_flag_and_exists_with_its_boxes(tmp_path: Path) -> None:
    lines = {}
    for variant in ("s58", "s61", "scale"):
        out = tmp_path / f"{variant}.hpp"
        assert run("generate", variant, "--output", str(out), "--", "c++").returncode == 0
        lines[variant] = next(line for line in out.read_text(encoding="utf-8").splitlines() if '"exit_keep_pages"' in line)
    assert lines["s58"].endswith("0u, 65536u, 0u, false},")
    assert lines["s61"].endswith("0u, 65536u, 0u, true},")
    assert lines["scale"].endswith("0u, 65536u, 64u, true},")


def test_a_default_that_its_knob_forbids_is_an_error_of_the_variant(tmp_path: Path) -> None:
    extra = tmp_path / "extra.yaml"
    extra.write_text("mine: {parent: scale, flags: {HZ3_LARGE_CACHE_MS: 3600000}}", encoding="utf-8")
    assert run("generate", "mine", "--extra", str(extra), "--output", str(tmp_path / "out.hpp"), "--", "c++").returncode == 0
    tool = tmp_path / "hz3/src/config/flagtool.py"
    shutil.copytree(TOOL.parent, tool.parent)
    shutil.copy(ROOT / "hz3/variants.yaml", tmp_path / "hz3/variants.yaml")
    knobs = tool.parent / "knobs.yaml"
    knobs.write_text(knobs.read_text(encoding="utf-8").replace("{flag: HZ3_LARGE_CACHE_MS,", "{flag: HZ3_LARGE_CACHE_MS, max: 1000,"))
    done = subprocess.run(["/usr/bin/python3", str(tool), "generate", "mine", "--extra", str(extra), "--output", str(tmp_path / "o.hpp"),
                           "--", "c++"], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "HZ3_LARGE_CACHE_MS=3600000 of variant mine is out of range of the knob large_cache_ms; give 1 to 1000" in done.stderr


def test_no_knob_takes_a_variable_of_the_lab() -> None:
    """The lab's own variables are listed, so that no program it runs is told of an unknown knob."""
    others = load_knobs(TOOL.parent / "knobs.yaml")[1]  # type: ignore[index]
    read = set()
    for folder in ("harness", "tools", "hz3/tests", "workloads"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in (".py", ".cpp", ".h", ".hpp", ".sh", "") and path.is_file() and "__pycache__" not in path.parts:
                text = path.read_text(encoding="utf-8", errors="replace")
                read |= set(re.findall(r'(?:getenv\("|environ(?:\.get\(|\[)"|\$\{)(HZ3_[A-Z0-9_]+)', text))
    assert read, "the search finds nothing any more"
    assert read <= set(others), "add to environment_of_others"
