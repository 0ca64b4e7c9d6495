"""Which library the fast paths are read from, and which file holds what they should be.

Compilers differ in the code they make, so there is one file for each function, machine and major
version of the compiler, as the library's build record names it.
"""
from __future__ import annotations

import json
import os
import platform
import re
from pathlib import Path

from elftools.elf.elffile import ELFFile  # type: ignore[import]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]


def variant() -> str:
    """Whose fast paths: HZ3_GOLDEN_VARIANT, the default variant if that is not set."""
    return os.environ.get("HZ3_GOLDEN_VARIANT", "scale")


def golden_library() -> Path:
    """The variant's library in HZ3_BUILD_DIR (default: build/)."""
    build = Path(os.environ.get("HZ3_BUILD_DIR", ROOT / "build")).resolve()
    path = build / "hz3" / f"libhz3-{variant()}.so"
    if not path.exists():
        raise FileNotFoundError(f"{path}; build it: meson compile -C {build} hz3-{variant()}")
    return path


def compiler_of(library: Path) -> str:
    """Name and major version of the compiler that made the library, such as gcc-12."""
    with library.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".hz3.build")
        record = json.loads(section.data().split(b"\0")[0])
    found = re.search(r"(\S+)\D*?(\d+)", str(record["compiler"]))
    if not found:
        raise ValueError(f"the build record names no compiler version: {record['compiler']!r}")
    return f"{found.group(1)}-{found.group(2)}"


def golden_file(library: Path, function: str) -> Path:
    whose = "" if variant() == "scale" else f"{variant()}."
    return HERE / f"{whose}{function}.{platform.machine()}.{compiler_of(library)}.txt"
