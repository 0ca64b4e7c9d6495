"""The doctor's findings, and how they are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.doctor import checks
from harness.doctor.checks import BAD, GOOD, ODD, Finding, exit_status, render

PROJECT = Path(__file__).resolve().parents[3]


def test_every_check_finds_something_here() -> None:
    findings = checks.examine(PROJECT)
    text = render(findings)
    for word in ("interpreter /usr/bin/python3", "packages of tools/packages.txt", "reference jemalloc", "CPUs", "huge pages", "GB free"):
        assert word in text
    assert not [finding for finding in findings if finding.level == BAD]


@pytest.mark.parametrize(
    "levels, status, last",
    [
        ([GOOD, GOOD], 0, "this machine is fit to measure"),
        ([GOOD, ODD], 3, "the lab works here, with these limits: 0 missing, 1 odd"),
        ([BAD, ODD], 3, "the lab cannot work here yet: 1 missing, 1 odd"),
    ],
)
def test_status_and_summary(levels: list[str], status: int, last: str) -> None:
    findings = [Finding(level, f"finding {i}") for i, level in enumerate(levels)]
    assert exit_status(findings) == status
    assert render(findings).splitlines()[-1] == last


def test_the_worst_stands_last() -> None:
    lines = render([Finding(BAD, "a"), Finding(GOOD, "b"), Finding(ODD, "c")]).splitlines()
    assert lines[:3] == ["ok   b", "odd  c", "BAD  a"]


def test_a_missing_package_is_bad_and_either_alternative_will_do(tmp_path: Path) -> None:
    (tmp_path / "tools").mkdir()
    listed = tmp_path / "tools" / "packages.txt"
    listed.write_text("# comment\nno-such-package | to fail\n")
    (finding,) = checks.packages(tmp_path)
    assert finding.level == BAD
    assert finding.text == "package no-such-package is missing (to fail); tools/setup installs it"
    listed.write_text("no-such-package / python3 | either\n")
    assert checks.packages(tmp_path)[0].level == GOOD


def test_another_interpreter_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.sys, "executable", "/opt/python/bin/python3")
    (finding,) = checks.interpreter(PROJECT)
    assert finding.level == BAD and "use tools/run" in finding.text


def test_little_disk_space_is_odd(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": int(0.5e9)})
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda path: usage)
    (finding,) = checks.disk(PROJECT)
    assert finding.level == ODD and "0.5 GB free" in finding.text


def test_high_pressure_is_odd_and_absent_pressure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "pressure", lambda what: 55.0 if what == "io" else 1.0)
    (finding,) = checks.pressures(PROJECT)
    assert finding.level == ODD and "io pressure is 55 %" in finding.text
    monkeypatch.setattr(checks, "pressure", lambda what: None)
    assert "psi=1" in checks.pressures(PROJECT)[0].text
