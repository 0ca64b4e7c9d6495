"""The instructions a malloc or a free executes when everything is at hand.

The hot path of a function is what runs when no conditional branch is taken: from the entry along the
fall-through, through unconditional jumps inside the function, to the first return. That is how the
allocator is laid out, cold code being moved away, and this module reads it back from the
library with objdump. Instructions are written as mnemonic and operand shapes (`mov r64, [r64+d]`),
so that another choice of registers or offsets is no difference, but another load, branch or
locked operation is.
"""
from __future__ import annotations

import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from elftools.elf.elffile import ELFFile  # type: ignore[import]

# Longest hot path allowed, return included. A pair costs about 35 to 45 instructions in the best
# allocators, of which the caller's loop and the PLT have 13.
LIMITS = {"malloc": 18, "free": 22}

MAX_WALK = 200


class HotPathError(Exception):
    """The function has no hot path: it calls, leaves, or loops before it returns."""


@dataclass(frozen=True)
class Instruction:
    """One instruction as objdump prints it."""

    address: int
    mnemonic: str
    operands: str

    @property
    def target(self) -> int | None:
        """Where a direct jump or call goes."""
        found = re.match(r"(?:[a-z0-9]+, ?)*([0-9a-f]+)(?: <|$)", self.operands)
        return int(found.group(1), 16) if found else None


def function_range(library: Path, name: str) -> tuple[int, int]:
    """Start and end address of an exported function."""
    with library.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(".dynsym")
        symbols = section.get_symbol_by_name(name)
        if not symbols:
            raise HotPathError(f"{library.name} does not export {name}")
        symbol = symbols[0]
        return symbol["st_value"], symbol["st_value"] + symbol["st_size"]


def disassemble(library: Path, start: int, end: int) -> dict[int, Instruction]:
    """The instructions in [start, end) by address."""
    command = ["objdump", "-d", "--no-show-raw-insn", "-w", f"--start-address={start:#x}",
               f"--stop-address={end:#x}", str(library)]
    if platform.machine() == "x86_64":
        command[1:1] = ["-M", "intel"]
    text = subprocess.run(command, check=True, text=True, capture_output=True).stdout
    instructions: dict[int, Instruction] = {}
    for line in text.splitlines():
        found = re.match(r"\s*([0-9a-f]+):\s+(.*?)\s*(?:[#;].*|//.*)?$", line)
        if not found:
            continue
        prefixes = []
        words = found.group(2).split(None, 1)
        while words[0] in ("lock", "rep", "repz", "repnz", "bnd", "notrack", "cs") and len(words) > 1:
            prefixes.append(words[0])
            words = words[1].split(None, 1)
        mnemonic = " ".join([*prefixes, words[0]])
        address = int(found.group(1), 16)
        instructions[address] = Instruction(address, mnemonic, words[1] if len(words) > 1 else "")
    return instructions


def is_return(instruction: Instruction) -> bool:
    return instruction.mnemonic.split()[-1] in ("ret", "retq")


def is_call(instruction: Instruction) -> bool:
    return instruction.mnemonic.split()[-1] in ("call", "callq", "bl", "blr")


def is_jump(instruction: Instruction) -> bool:
    """An unconditional jump; conditional ones are not taken on the hot path."""
    return instruction.mnemonic.split()[-1] in ("jmp", "jmpq", "b", "br")


def is_padding(instruction: Instruction) -> bool:
    last = instruction.mnemonic.split()[-1]
    return last.startswith("nop") or last in ("endbr64", "bti", "data16")


def hot_path(instructions: dict[int, Instruction], start: int) -> list[Instruction]:
    """The instructions from `start` to the first return, no conditional branch being taken."""
    addresses = sorted(instructions)
    following = dict(zip(addresses, addresses[1:]))
    path: list[Instruction] = []
    at: int | None = start
    while at is not None and len(path) < MAX_WALK:
        instruction = instructions.get(at)
        if instruction is None:
            break
        if is_call(instruction):
            raise HotPathError(f"call on the hot path: {instruction.mnemonic} {instruction.operands}")
        if is_return(instruction):
            return [*path, instruction]
        if is_jump(instruction):
            if instruction.target not in instructions:
                raise HotPathError(f"the hot path leaves the function: jmp {instruction.operands}")
            at = instruction.target
            continue
        if not is_padding(instruction):
            path.append(instruction)
        at = following.get(at)
    raise HotPathError("no return found along the fall-through path")


REGISTERS_X86 = (
    (r"\br(?:[abcd]x|[sd]i|[sb]p|8|9|1[0-5])\b", "r64"),
    (r"\b(?:e(?:[abcd]x|[sd]i|[sb]p)|r(?:8|9|1[0-5])d)\b", "r32"),
    (r"\b(?:(?:[abcd]x|[sd]i|[sb]p)|r(?:8|9|1[0-5])w)\b", "r16"),
    (r"\b(?:[abcd][lh]|[sd]il|[sb]pl|r(?:8|9|1[0-5])b)\b", "r8"),
    (r"\b[xyz]mm\d+\b", "vec"),
)
REGISTERS_ARM = ((r"\bx(?:\d+|zr)\b", "r64"), (r"\bw(?:\d+|zr)\b", "r32"), (r"\b[qvdsbh]\d+\b", "vec"))


def shape(instruction: Instruction) -> str:
    """The instruction without what a compiler is free to choose."""
    if instruction.target is not None and re.match(r"j|b\.|cb|tb", instruction.mnemonic):
        return f"{instruction.mnemonic} away"
    operands = re.sub(r"<[^>]*>", "", instruction.operands)
    registers = REGISTERS_ARM if platform.machine() == "aarch64" else REGISTERS_X86
    for pattern, kind in registers:
        operands = re.sub(pattern, kind, operands)
    operands = re.sub(r"\[([^\]]*)\]", lambda m: "[" + memory_shape(m.group(1)) + "]", operands)
    operands = re.sub(r"(?<![\w\]])#?-?(?:0x[0-9a-f]+|\d+)\b(?!\])", "imm", operands)
    return re.sub(r"\s+", " ", f"{instruction.mnemonic} {operands}".replace(",", ", ")).strip()


def memory_shape(address: str) -> str:
    """An address without its numbers: base, scaled index, displacement, or relative to the code."""
    if "rip" in address:
        return "rip"
    scaled = re.sub(r"\*[1248]\b", "*s", address)
    return re.sub(r"([+-]|, ?#)-?(?:0x[0-9a-f]+|\d+)", "+d", scaled)


def locked(instruction: Instruction) -> bool:
    """Whether the instruction is an atomic read-modify-write or a full fence."""
    mnemonic = instruction.mnemonic
    if mnemonic.startswith("lock ") or mnemonic in ("mfence", "sfence", "lfence", "dmb"):
        return True
    if mnemonic == "xchg" and "[" in instruction.operands:
        return True
    return bool(re.match(r"(cas|swp|ld(add|clr|set|eor)|ldx|stx|ldax|stlx)", mnemonic))


def fast_path(library: Path, function: str) -> list[Instruction]:
    """The hot path of an exported function of the library."""
    start, end = function_range(library, function)
    return hot_path(disassemble(library, start, end), start)
