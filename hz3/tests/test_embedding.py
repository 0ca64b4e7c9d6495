"""hz3 linked into a C program: beside its malloc, and in the place of it, as pkg-config says.

The pkg-config files of the build tree are the ones that are installed, but for their paths.
"""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("HZ3_BUILD_DIR", HERE.parent.parent / "build"))
COMPILER = shutil.which("cc") or shutil.which("gcc")

pytestmark = pytest.mark.skipif(
    COMPILER is None or shutil.which("pkg-config") is None or not (BUILD / "hz3" / "libhz3-prefixed.a").exists(),
    reason="needs cc, pkg-config and a build of the libraries that programs link")


def flags(package: str, *which: str) -> list[str]:
    environment = dict(os.environ, PKG_CONFIG_PATH=str(BUILD / "meson-uninstalled"))
    done = subprocess.run(["pkg-config", *which, package], env=environment, check=False, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def build(source: str, package: str, tmp_path: Path) -> Path:
    program = tmp_path / source.removesuffix(".c")
    subprocess.run([str(COMPILER), "-O2", "-Wall", "-Werror", "-fno-builtin", str(HERE / "embedding" / source), "-o", str(program),
                    "-D_GNU_SOURCE", *flags(package, "--cflags"), *flags(package, "--libs", "--static")], check=True)
    return program


def run(program: Path, **environment: str) -> str:
    clean = {name: value for name, value in os.environ.items() if name not in ("LD_PRELOAD", "LD_LIBRARY_PATH", "MALLOC_PERTURB_")}
    done = subprocess.run([str(program)], env={**clean, **environment}, text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_beside_the_programs_malloc(tmp_path: Path) -> None:
    assert run(build("beside.c", "hz3-prefixed", tmp_path)) == "ok\n"


def test_the_prefixed_archive_defines_no_other_name() -> None:
    listing = subprocess.run(["nm", "--defined-only", "--extern-only", str(BUILD / "hz3" / "libhz3-prefixed.a")], check=True, text=True,
                             capture_output=True).stdout
    names = {line.split()[2] for line in listing.splitlines() if len(line.split()) == 3 and line.split()[1] in "TDBR"}
    assert "hz3_malloc" in names
    strangers = {name for name in names if not name.startswith(("hz3_", "_ZN3hz3", "_ZGVN3hz3", "_ZTWN3hz3"))}
    assert strangers <= {"__gxx_personality_v0", "__cxa_begin_catch", "__cxa_end_catch"}


@pytest.mark.parametrize("package", ["hz3", "hz3-static"])
def test_in_place_of_malloc(package: str, tmp_path: Path) -> None:
    program = build("instead.c", package, tmp_path)
    assert run(program, LD_LIBRARY_PATH=str(BUILD / "hz3")).startswith('ours "variant": "')


def test_the_archive_needs_no_cxx_runtime(tmp_path: Path) -> None:
    program = build("instead.c", "hz3-static", tmp_path)
    needed = subprocess.run(["readelf", "-d", str(program)], check=True, text=True, capture_output=True).stdout
    assert "libstdc++" not in needed
