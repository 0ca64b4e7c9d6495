"""Run as a script inside a process that has an allocator preloaded; prints one JSON object.

    probe.py version                  which allocator answers, and its version
    probe.py mallctl NAME…            jemalloc options, as opt.NAME
    probe.py property NAME…           gperftools properties
    probe.py burst                    resident kB at start, after a burst of blocks, and after freeing them

It imports nothing of the harness, and nothing heavy: it is started with `-I -S` for every probe.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

process = ctypes.CDLL(None)


def exported(name: str) -> bool:
    return hasattr(process, name)


def mimalloc_version() -> str:
    number = int(process.mi_version())
    # Three digits up to 2.x and early 3.x (217 is 2.1.7), five from then on (30203 is 3.2.3).
    if number < 10000:
        return ".".join(str(number).rjust(3, "0"))
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def tcmalloc_version() -> str:
    process.tc_version.restype = ctypes.c_char_p
    told = process.tc_version(None, None, None) or b""
    return str(told.decode().replace("gperftools", "").strip())


def jemalloc_version() -> str:
    text, size = ctypes.c_char_p(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_char_p))
    if process.mallctl(b"version", ctypes.byref(text), ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return "unknown"
    return (text.value or b"unknown").decode()


def hz3_version() -> str:
    process.hz3_build_info.restype = ctypes.c_char_p
    record = json.loads(process.hz3_build_info() or b"{}")
    return f"{record.get('variant')} {record.get('git_commit')}"


def version() -> dict[str, str | None]:
    for symbol, read in (
        ("mi_version", mimalloc_version),
        ("tc_version", tcmalloc_version),
        ("mallctl", jemalloc_version),
        ("hz3_build_info", hz3_version),
    ):
        if exported(symbol):
            return {"symbol": symbol, "version": read()}
    return {"symbol": None, "version": None}


def mallctl(names: list[str]) -> dict[str, int]:
    """Every option as a signed number; options of other sizes are refused by mallctl itself."""
    found = {}
    for name in names:
        value = ctypes.c_ssize_t()
        size = ctypes.c_size_t(ctypes.sizeof(value))
        status = process.mallctl(f"opt.{name}".encode(), ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0))
        if status == 0:
            found[name] = value.value
    return found


def properties(names: list[str]) -> dict[str, int]:
    found = {}
    for name in names:
        value = ctypes.c_size_t()
        if process.MallocExtension_GetNumericProperty(name.encode(), ctypes.byref(value)):
            found[name] = value.value
    return found


def resident_kb() -> int:
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def burst(blocks: int = 60_000, size: int = 512) -> dict[str, int]:
    """30 MB in small blocks, touched, then all freed in the order they came."""
    process.malloc.restype = ctypes.c_void_p
    process.free.argtypes = [ctypes.c_void_p]
    held = (ctypes.c_void_p * blocks)()
    start = resident_kb()
    for i in range(blocks):
        block: int = process.malloc(ctypes.c_size_t(size))
        ctypes.memset(block, 1, size)
        held[i] = block
    peak = resident_kb()
    for i in range(blocks):
        process.free(held[i])
    return {"start_kb": start, "peak_kb": peak, "after_kb": resident_kb()}


def main(args: list[str]) -> int:
    what, names = args[0], args[1:]
    answer: object
    if what == "version":
        answer = version()
    elif what == "mallctl":
        answer = mallctl(names)
    elif what == "property":
        answer = properties(names)
    elif what == "burst":
        answer = burst()
    else:
        print(f"probe.py: unknown request {what}", file=sys.stderr)
        return 2
    print(json.dumps(answer, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
