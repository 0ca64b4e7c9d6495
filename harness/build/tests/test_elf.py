"""Reading a library's file: its record, its identity, and what is no library."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from harness.build.elf import read_library, require_malloc
from harness.errors import UserError

SOURCE = """
__attribute__((section(".hz3.build"), used)) extern const char record[256];
const char record[256] = RECORD;
void *malloc(unsigned long n) { return (void *)(n + VALUE); }
void free(void *p) { (void)p; }
static void hidden(void) {}
void (*keep)(void) = hidden;
"""


def build(folder: Path, name: str, *, value: int = 1, record: str = "", source: str = SOURCE) -> Path:
    text = record or json.dumps({"schema": 1, "variant": name})
    (folder / f"{name}.c").write_text(source)
    target = folder / f"lib{name}.so"
    macro = "-DRECORD=" + json.dumps(text)
    command = ["cc", "-O1", "-shared", "-fPIC", "-fno-builtin", "-Wl,--build-id", macro, f"-DVALUE={value}"]
    subprocess.run([*command, f"-Wl,-soname,{target.name}", "-o", str(target), str(folder / f"{name}.c")], check=True)
    return target


def test_record_build_id_and_exports(tmp_path: Path) -> None:
    library = read_library(build(tmp_path, "one"))
    assert library.record == {"schema": 1, "variant": "one"}
    assert library.soname == "libone.so"
    assert library.build_id is not None and len(library.build_id) == 40
    assert {"malloc", "free"} <= library.exports
    assert "hidden" not in library.exports
    require_malloc(library)


def test_identity_ignores_the_record_and_the_name_but_not_the_code(tmp_path: Path) -> None:
    one, two, other = build(tmp_path, "one"), build(tmp_path, "two"), build(tmp_path, "other", value=7)
    first, second, third = (read_library(path) for path in (one, two, other))
    assert first.sha256 != second.sha256
    assert first.identity == second.identity
    assert first.identity != third.identity


def test_a_library_without_a_record_is_read_too(tmp_path: Path) -> None:
    library = read_library(build(tmp_path, "plain", source="int answer(void) { return 42; }\n"))
    assert library.record is None
    with pytest.raises(UserError, match="exports no malloc and no free"):
        require_malloc(library)


@pytest.mark.parametrize(
    "name, contents, words",
    [
        ("script.so", b"INPUT(-lfoo)\n", r"not an ELF file \(it begins with b'INPUT"),
        ("empty.so", b"", "not an ELF file"),
        ("cut.so", b"\x7fELF\x02\x01\x01" + b"\0" * 9, "not an ELF file"),
    ],
)
def test_what_is_no_library(tmp_path: Path, name: str, contents: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    with pytest.raises(UserError, match=words) as caught:
        read_library(path)
    assert caught.value.exit_status == 4


def test_an_object_file_and_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a;\n")
    subprocess.run(["cc", "-c", "-o", str(tmp_path / "a.o"), str(tmp_path / "a.c")], check=True)
    with pytest.raises(UserError, match="not a shared library"):
        read_library(tmp_path / "a.o")
    with pytest.raises(UserError, match="No such file"):
        read_library(tmp_path / "nothing.so")


@pytest.mark.parametrize("record", ["{broken", '{"schema": 9}', "[]"])
def test_a_record_that_cannot_be_read(tmp_path: Path, record: str) -> None:
    with pytest.raises(UserError, match="its build record cannot be read"):
        read_library(build(tmp_path, "bad", record=record))
