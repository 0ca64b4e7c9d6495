#!/usr/bin/python3
"""Who keeps which promise of the malloc family, as a table.

Runs `api_conformance --table` under each allocator: hz3's variants by preload, the C library's own without
one, and the reference libraries that are installed. Every promise is checked in a process of its own.
"""
from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[3]
SIGNS = {"kept": "yes", "broken": "**no**", "absent": "–"}
# A finding names addresses, which differ from run to run.
ADDRESS = re.compile(r"0x[0-9a-f]{9,12}\b")


@dataclass(frozen=True)
class Answer:
    source: str
    promise: str
    result: str
    finding: str


def ask(program: Path, library: Optional[Path]) -> list[Answer]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LD_", "MALLOC_"))}
    if library is not None:
        environment["LD_PRELOAD"] = str(library)
    done = subprocess.run([str(program), "--table"], env=environment, text=True, errors="replace", capture_output=True, check=False,
                          timeout=1200)
    answers = [Answer(*line.split("\t")) for line in done.stdout.splitlines() if line.count("\t") == 3]
    if done.returncode != 0 or not answers:
        raise SystemExit(f"conformance: {program} under {library or 'libc'} ended with {done.returncode}: {done.stderr.strip()[:300]}")
    return answers


def references() -> dict[str, tuple[str, Optional[Path]]]:
    """Name in the table to version and library, of those that are installed."""
    sys.path.insert(0, str(ROOT))
    from harness.errors import UserError
    from harness.peers.resolve import resolve
    found: dict[str, tuple[str, Optional[Path]]] = {}
    for name in ("glibc", "mimalloc", "tcmalloc", "jemalloc"):
        try:
            peer = resolve(name)
        except UserError as error:
            print(f"conformance: left out: {error}", file=sys.stderr)
            continue
        found[name] = (peer.version.split("-")[0], peer.path if name != "glibc" else None)
    return found


def render(columns: dict[str, list[Answer]], headings: dict[str, str], command: str) -> str:
    first = next(iter(columns.values()))
    lines = ["# Who keeps which promise", "",
             "The malloc family as C, POSIX, glibc and C++ promise it, and two extensions that allocators offer. Each row is",
             f"checked in a process of its own, under each allocator as its package builds it (`{command}`).", "",
             "yes: kept. **no**: broken; the first finding stands below. –: the allocator has no such function (the C library's, where it",
             "has one, answers for a heap that is empty).", "",
             "| from | promise | " + " | ".join(headings[name] for name in columns) + " |",
             "|---|---|" + ":---:|" * len(columns)]
    for row, answer in enumerate(first):
        signs = [SIGNS[answers[row].result] for answers in columns.values()]
        lines.append(f"| {answer.source} | {answer.promise} | " + " | ".join(signs) + " |")
    totals = [f"{sum(answer.result == 'kept' for answer in answers)} of {len(first)}" for answers in columns.values()]
    lines += ["| | **kept** | " + " | ".join(totals) + " |", "", "## What was found", ""]
    for name, answers in columns.items():
        broken = [answer for answer in answers if answer.result == "broken"]
        if not broken:
            continue
        lines += [f"### {headings[name]}", ""]
        lines += [f"- {answer.promise}: {ADDRESS.sub('an address', answer.finding)}" for answer in broken]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=ROOT / "build", help="build directory (default: build)")
    parser.add_argument("--variant", action="append", help="hz3's variants to ask (default: scale and safe)")
    parser.add_argument("--without-references", action="store_true", help="only hz3 and the C library")
    parser.add_argument("--output", type=Path, default=ROOT / "results/published/conformance.md", help="where the table goes; - for stdout")
    options = parser.parse_args()
    variants = options.variant or ["scale", "safe"]
    program = options.build / "hz3/tests/hz3-test-api_conformance"
    libraries: dict[str, tuple[str, Optional[Path]]] = {
        f"hz3 {variant}": (variant, options.build / f"hz3/libhz3-{variant}.so") for variant in variants}
    for needed in [program, *(path for _, path in libraries.values() if path is not None)]:
        if not needed.exists():
            print(f"conformance: {needed} is not built; run tools/conformance, or ninja -C {options.build} with its name", file=sys.stderr)
            return 5
    known = references()
    libraries.update({name: known[name] for name in known if name == "glibc" or not options.without_references})
    headings = {name: name if name.startswith("hz3 ") else f"{name} {version}" for name, (version, _) in libraries.items()}
    columns = {name: ask(program, library) for name, (_, library) in libraries.items()}
    text = render(columns, headings, "tools/conformance")
    if str(options.output) == "-":
        print(text, end="")
    else:
        options.output.write_text(text, encoding="utf-8")
        print(f"conformance: {options.output}")
    unkept = [f"{name}: {answer.promise}: {answer.finding or answer.result}" for name, answers in columns.items() for answer in answers
              if name.startswith("hz3 ") and answer.result != "kept"]
    for line in unkept:
        print(f"conformance: not kept by {line}", file=sys.stderr)
    return 1 if unkept else 0


if __name__ == "__main__":
    sys.exit(main())
