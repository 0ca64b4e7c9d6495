#!/usr/bin/python3
"""Mutants of hz3: does the suite notice when one thing in the allocator is broken?

For each entry of own_mutants.yaml the sources are copied and edited, a library is built, and the quick suite
of one variant runs on it, the test that is expected to notice first, until one fails. A hang counts as failure.
A mutant that survives them all names something no test looks at.
"""
from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Optional

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
LIST = HERE / "own_mutants.yaml"
SOURCES = ROOT / "hz3/src"
TIMEOUT_S = 60


@dataclass(frozen=True)
class Mutant:
    name: str
    breaks: str
    kill: str
    edits: tuple[tuple[str, str, str], ...]
    quick: bool


@dataclass(frozen=True)
class Test:
    """A test of the suite as Meson would run it."""
    name: str
    command: tuple[str, ...]
    environment: dict[str, str]


@dataclass(frozen=True)
class Death:
    test: Optional[str]  # None: it survived
    how: str
    tried: int


def load() -> list[Mutant]:
    entries: dict[str, Any] = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return [Mutant(name, entry["breaks"], entry["kill"], tuple(tuple(edit) for edit in entry["edits"]), bool(entry.get("quick", False)))
            for name, entry in entries.items()]


def apply(mutant: Mutant, sources: Path) -> None:
    """Edits a copy of the sources; every text must occur exactly once."""
    for name, old, new in mutant.edits:
        path = sources / name
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1 or old == new:
            raise ValueError(f"mutant {mutant.name}: {name} has the text {old!r} {text.count(old)} times; want once, and a change")
        path.write_text(text.replace(old, new), encoding="utf-8")


class Bench:
    """One mutated copy of the sources, and what is built from it."""

    def __init__(self, build: Path, variant: str, folder: Path) -> None:
        self.build, self.variant, self.folder = build.resolve(), variant, folder
        self.sources = folder / "src"
        self.library = folder / f"libhz3-{variant}.so"
        self.commands = json.loads((self.build / "compile_commands.json").read_text(encoding="utf-8"))

    def mutate(self, mutant: Mutant) -> None:
        shutil.rmtree(self.sources, ignore_errors=True)
        shutil.copytree(SOURCES, self.sources)
        apply(mutant, self.sources)

    def compile(self, output_name: str, output: Path) -> None:
        """The build's own compile of an object, of the mutated sources."""
        entry = next(entry for entry in self.commands if entry["output"] == output_name)
        words: list[str] = []
        for word in shlex.split(entry["command"]):
            if word.startswith("-I") and (self.build / word[2:]).resolve() == SOURCES:
                word = "-I" + str(self.sources)
            elif not word.startswith("-") and (self.build / word).resolve() == SOURCES / "hz3.cpp":
                word = str(self.sources / "hz3.cpp")
            words.append(word)
        words[words.index("-o") + 1] = str(output)
        for flag in ("-MF", "-MQ"):
            words[words.index(flag) + 1] = str(output) + ".d"
        done = subprocess.run(words, cwd=self.build, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ValueError(f"it does not compile: {done.stderr.strip().splitlines()[:3]}")

    def handler(self) -> Path:
        return self.build / "hz3/libhz3-throwing-handler.a.p/src_api_throwing_handler.cpp.o"

    def build_library(self) -> None:
        made = self.folder / "hz3.o"
        self.compile(f"hz3/libhz3-{self.variant}.so.p/src_hz3.cpp.o", made)
        subprocess.run(["g++", "-shared", "-fPIC", "-o", str(self.library), str(made), str(self.handler()), "-Wl,-z,nodelete",
                        "-Wl,-z,now", "-Wl,-Bsymbolic-functions", "-pthread"], check=True)

    def build_program(self, program: Path) -> Optional[Path]:
        """A test that is compiled together with the allocator; None if it cannot be made here."""
        folder = str(program.resolve().relative_to(self.build)) + ".p/"
        objects = [entry["output"] for entry in self.commands if entry["output"].startswith(folder)]
        if len(objects) != 1:
            return None
        made, linked = self.folder / "program.o", self.folder / program.name
        self.compile(objects[0], made)
        extra = [] if "fork_anywhere" in program.name else [str(self.handler())]
        subprocess.run(["g++", "-o", str(linked), str(made), *extra, "-pthread", "-ldl"], check=True)
        return linked


def suite(build: Path, variant: str) -> list[Test]:
    told = subprocess.run(["meson", "introspect", "--tests", str(build)], check=True, capture_output=True, text=True).stdout
    tests = []
    for entry in json.loads(told):
        suites = {name.split(":")[-1] for name in entry["suite"]}
        if {variant, "hz3"} <= suites and entry["name"].endswith(" " + variant):
            tests.append(Test(entry["name"].removesuffix(" " + variant), tuple(entry["cmd"]), entry["env"]))
    return tests


def on_mutant(test: Test, bench: Bench, library: str) -> Optional[Test]:
    """The test with the mutated library in place of the built one; None if it does not use it."""
    def changed(text: str) -> str:
        return text.replace(library, str(bench.library))
    command, environment = tuple(map(changed, test.command)), {name: changed(value) for name, value in test.environment.items()}
    environment.pop("LD_LIBRARY_PATH", None)
    if command != test.command or environment.get("LD_PRELOAD") != test.environment.get("LD_PRELOAD"):
        return Test(test.name, command, environment)
    program = Path(test.command[0])
    if bench.variant not in program.name:
        return None
    made = bench.build_program(program)
    return Test(test.name, (str(made), *test.command[1:]), environment) if made is not None else None


def run(test: Test) -> Optional[str]:
    """What went wrong; None if nothing did."""
    process = subprocess.Popen(test.command, env={**os.environ, **test.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                               text=True, errors="replace", start_new_session=True)
    try:
        _, said = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "hangs"
    if process.returncode == 0:
        return None
    lines = [line for line in said.splitlines() if line.startswith(("FAIL", "hz3:"))]
    return lines[0][:160] if lines else f"status {process.returncode}"


def judge(mutant: Mutant, bench: Bench, tests: Iterable[Test], library: str, only_expected: bool) -> Death:
    bench.mutate(mutant)
    bench.build_library()
    tried = 0
    for test in sorted(tests, key=lambda test: test.name != mutant.kill):
        if only_expected and test.name != mutant.kill:
            break
        there = on_mutant(test, bench, library)
        if there is None:
            continue
        tried += 1
        if (how := run(there)) is not None:
            return Death(test.name, how, tried)
    return Death(None, "", tried)


def render(rows: list[tuple[Mutant, Death]], variant: str) -> str:
    killed = sum(death.test is not None for _, death in rows)
    lines = ["# Mutants of hz3", "",
             f"Each breaks one thing in the sources; the quick suite of variant `{variant}` runs on it until a test fails",
             f"(`tools/mutants`). {killed} of {len(rows)} are killed.", "",
             "| mutant | what is broken | killed by | how |", "|---|---|---|---|"]
    for mutant, death in rows:
        how = death.how.replace("|", "\\|")
        lines.append(f"| {mutant.name} | {mutant.breaks} | {death.test or '**survives**'} | {how} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="mutants; default: all")
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build directory with the tests built (default: build)")
    parser.add_argument("--variant", default="scale")
    parser.add_argument("--quick", action="store_true", help="the few marked quick, and only the test expected to notice")
    parser.add_argument("--check", action="store_true", help="only see that every edit can be made")
    parser.add_argument("--output", type=Path, help="write the table there")
    options = parser.parse_args()
    mutants = [mutant for mutant in load() if (mutant.name in options.names if options.names else True)]
    if options.names and len(mutants) != len(set(options.names)):
        print(f"own_mutants: known are {', '.join(mutant.name for mutant in load())}", file=sys.stderr)
        return 4
    mutants = [mutant for mutant in mutants if mutant.quick or not options.quick]
    rows: list[tuple[Mutant, Death]] = []
    with tempfile.TemporaryDirectory(prefix="hz3-mutants-") as folder:
        if options.check:
            for mutant in mutants:
                shutil.copytree(SOURCES, Path(folder) / mutant.name)
                apply(mutant, Path(folder) / mutant.name)
            return 0
        bench = Bench(options.build, options.variant, Path(folder))
        tests = suite(options.build, options.variant)
        library = str(options.build.resolve() / f"hz3/libhz3-{options.variant}.so")
        for mutant in mutants:
            death = judge(mutant, bench, tests, library, options.quick)
            rows.append((mutant, death))
            print(f"{mutant.name}: {'killed by ' + death.test + ': ' + death.how if death.test else f'SURVIVES {death.tried} tests'}",
                  flush=True)
    if options.output is not None:
        options.output.write_text(render(rows, options.variant), encoding="utf-8")
    return 0 if all(death.test is not None for _, death in rows) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ValueError as error:
        print(f"own_mutants: {error}", file=sys.stderr)
        sys.exit(5)
