"""The fast paths of malloc and free: their length, that nothing on them is locked or calls, and, for
the compilers they are recorded for, the very sequence of instructions."""
from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from fast_path import (  # noqa: E402
    LIMITS,
    HotPathError,
    Instruction,
    fast_path,
    hot_path,
    locked,
    shape,
)
from golden_files import golden_file, golden_library  # noqa: E402

FUNCTIONS = sorted(LIMITS)


@pytest.fixture(scope="module")
def library() -> Path:
    return golden_library()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_is_short(library: Path, function: str) -> None:
    path = fast_path(library, function)
    listing = "\n".join(shape(instruction) for instruction in path)
    assert len(path) <= LIMITS[function], f"{len(path)} instructions:\n{listing}"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_has_no_locked_instruction(library: Path, function: str) -> None:
    assert [i for i in fast_path(library, function) if locked(i)] == []


@pytest.mark.parametrize("function", FUNCTIONS)
def test_is_the_recorded_sequence(library: Path, function: str) -> None:
    recorded = golden_file(library, function)
    if not recorded.exists():
        pytest.skip(f"no {recorded.name}: this compiler has no recorded sequence")
    now = [shape(instruction) for instruction in fast_path(library, function)]
    assert now == recorded.read_text().splitlines(), (
        "the fast path changed; if that is meant, run hz3/tests/golden/update_golden.py")


def code(*lines: str) -> dict[int, Instruction]:
    """Instructions at addresses 0, 1, 2, …"""
    return {at: Instruction(at, *(line.split(" ", 1) + [""])[:2]) for at, line in enumerate(lines)}


def test_path_follows_the_fall_through_and_inner_jumps() -> None:
    path = hot_path(code("cmp rdi,rax", "ja 5", "jmp 4", "ud2", "ret", "ret"), 0)
    assert [instruction.address for instruction in path] == [0, 1, 4]


def test_a_call_is_an_error() -> None:
    with pytest.raises(HotPathError, match="call on the hot path"):
        hot_path(code("push rbx", "call 40 <slow>", "ret"), 0)


def test_leaving_the_function_is_an_error() -> None:
    with pytest.raises(HotPathError, match="leaves the function"):
        hot_path(code("test rax,rax", "jmp 400 <slow>"), 0)


def test_a_loop_without_return_is_an_error() -> None:
    with pytest.raises(HotPathError, match="no return"):
        hot_path(code("add rax,rax", "jmp 0"), 0)


def test_shapes_forget_registers_and_offsets() -> None:
    left = Instruction(0, "mov", "rax,QWORD PTR [rdx+rsi*8+0x10]")
    right = Instruction(9, "mov", "r11,QWORD PTR [rcx+rdi*4+0x458]")
    assert shape(left) == shape(right) == "mov r64, QWORD PTR [r64+r64*s+d]"
    assert shape(Instruction(0, "cmp", "edi,0x800")) == "cmp r32, imm"
    assert shape(Instruction(0, "ja", "1234 <malloc+0x40>")) == "ja away"


def test_shapes_keep_what_matters() -> None:
    load = Instruction(0, "mov", "rax,QWORD PTR [rdx]")
    assert shape(load) != shape(Instruction(0, "mov", "QWORD PTR [rdx],rax"))
    assert shape(load) != shape(Instruction(0, "mov", "rax,rdx"))
    assert shape(load) != shape(Instruction(0, "mov", "eax,DWORD PTR [rdx]"))


@pytest.mark.parametrize(
    ("mnemonic", "operands", "is_locked"),
    [("lock xadd", "QWORD PTR [rdi],rax", True), ("xchg", "QWORD PTR [rdi],rax", True),
     ("mfence", "", True), ("xchg", "rax,rdx", False), ("mov", "rax,QWORD PTR [rdi]", False)])
def test_locked_instructions_are_known(mnemonic: str, operands: str, is_locked: bool) -> None:
    assert locked(Instruction(0, mnemonic, operands)) == is_locked
