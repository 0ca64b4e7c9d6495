"""What a library is, read from its file without running it.

The build record of hz3 stands in the section `.hz3.build` as JSON padded with zero bytes. The record
names the variant, so the bytes of two variants always differ as files; whether they are the same
*program* is answered by `identity`: the hash of every loaded PROGBITS section but the record itself
(notes, with the build id, are of another type and stay out as well).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import NoteSection, SymbolTableSection

from harness.errors import UserError

RECORD_SECTION = ".hz3.build"
RECORD_SCHEMA = 1


@dataclass(frozen=True)
class Library:
    """`record` is None for a library that is not hz3, `build_id` for one linked without."""

    path: Path
    sha256: str
    identity: str
    build_id: Optional[str]
    soname: Optional[str]
    machine: str
    exports: frozenset[str]
    record: Optional[Dict[str, Any]]


def read_library(path: Path) -> Library:
    """Reads the shared library at `path`; a file that is none is a `UserError` that says so."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); check the path of the library") from error
    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            if elf.header["e_type"] != "ET_DYN":
                raise UserError(f"{path}: not a shared library ({elf.header['e_type']}); give a .so file")
            return Library(
                path=path,
                sha256=hashlib.sha256(raw).hexdigest(),
                identity=_identity(elf),
                build_id=_build_id(elf),
                soname=_soname(elf),
                machine=str(elf.get_machine_arch()),
                exports=_exports(elf),
                record=_record(elf, path),
            )
    except (ELFError, UnicodeDecodeError, ValueError, KeyError) as error:
        first = raw[:16].split(b"\n")[0]
        raise UserError(
            f"{path}: not an ELF file (it begins with {first!r}); give the .so itself, not a linker script or archive"
        ) from error


def require_malloc(library: Library) -> None:
    """A preload that defines no malloc would measure the C library under another name."""
    missing = [name for name in ("malloc", "free") if name not in library.exports]
    if missing:
        raise UserError(
            f"{library.path}: exports no {' and no '.join(missing)}; preloading it would leave the C library's "
            "allocator in charge. Give a library that replaces malloc"
        )


def _identity(elf: ELFFile) -> str:
    digest = hashlib.sha256()
    for section in elf.iter_sections():
        loaded = section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        if not loaded or section["sh_type"] != "SHT_PROGBITS" or section.name == RECORD_SECTION:
            continue
        digest.update(f"{section.name}:{section['sh_size']}\n".encode())
        digest.update(section.data())
    return digest.hexdigest()


def _build_id(elf: ELFFile) -> Optional[str]:
    section = elf.get_section_by_name(".note.gnu.build-id")
    if not isinstance(section, NoteSection):
        return None
    return next((str(note["n_desc"]) for note in section.iter_notes() if note["n_type"] == "NT_GNU_BUILD_ID"), None)


def _soname(elf: ELFFile) -> Optional[str]:
    dynamic = elf.get_section_by_name(".dynamic")
    if dynamic is None:
        return None
    return next((str(tag.soname) for tag in dynamic.iter_tags("DT_SONAME")), None)


def _exports(elf: ELFFile) -> frozenset[str]:
    table = elf.get_section_by_name(".dynsym")
    if not isinstance(table, SymbolTableSection):
        return frozenset()
    return frozenset(
        symbol.name
        for symbol in table.iter_symbols()
        if symbol["st_shndx"] != "SHN_UNDEF" and symbol["st_info"]["bind"] in ("STB_GLOBAL", "STB_WEAK")
    )


def _record(elf: ELFFile, path: Path) -> Optional[Dict[str, Any]]:
    section = elf.get_section_by_name(RECORD_SECTION)
    if section is None:
        return None
    text = section.data().rstrip(b"\0").decode("utf-8", "replace")
    try:
        record = json.loads(text)
        if not isinstance(record, dict) or record.get("schema") != RECORD_SCHEMA:
            raise json.JSONDecodeError("not a record of schema 1", text, 0)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: its build record cannot be read ({error.msg}); build it again with this tree") from error
    return record
