"""Facts about the machine that a result depends on, read from /proc and /sys.

What cannot be read is None: a container hides much, and an absent fact is not an excuse to guess.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

# The facts that must not change between the blocks of one run.
STEADY = ("cpu_model", "cpus", "kernel", "libc", "thp", "thp_defrag", "governor", "overcommit", "page_bytes", "aslr")


def machine_key(machine: Mapping[str, Any]) -> str:
    """Names the machine by the facts that a result depends on: figures of two keys are not of one history."""
    text = json.dumps({name: machine.get(name) for name in STEADY}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read_text(path: str) -> Optional[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def chosen(text: Optional[str]) -> Optional[str]:
    """`always [madvise] never` -> madvise."""
    match = re.search(r"\[(\S+)\]", text or "")
    return match[1] if match else None


def machine_facts() -> Dict[str, Any]:
    cpuinfo = read_text("/proc/cpuinfo") or ""
    return {
        "architecture": platform.machine(),
        "cpu_model": _field(cpuinfo, "model name") or _field(cpuinfo, "CPU part"),
        "microcode": _field(cpuinfo, "microcode"),
        "hypervisor": "hypervisor" in (_field(cpuinfo, "flags") or "").split(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_kb": _number(_field(read_text("/proc/meminfo") or "", "MemTotal")),
        "swap_kb": _number(_field(read_text("/proc/meminfo") or "", "SwapTotal")),
        "page_bytes": os.sysconf("SC_PAGE_SIZE"),
        "kernel": platform.release(),
        "distribution": _distribution(),
        "libc": os.confstr("CS_GNU_LIBC_VERSION"),
        "thp": chosen(read_text("/sys/kernel/mm/transparent_hugepage/enabled")),
        "thp_defrag": chosen(read_text("/sys/kernel/mm/transparent_hugepage/defrag")),
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "overcommit": _number(read_text("/proc/sys/vm/overcommit_memory")),
        "aslr": _number(read_text("/proc/sys/kernel/randomize_va_space")),
        "perf_event_paranoid": _number(read_text("/proc/sys/kernel/perf_event_paranoid")),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def c_library() -> Optional[Path]:
    """The C library that dynamic programs of this machine load, found where this process has it mapped."""
    for line in (read_text("/proc/self/maps") or "").splitlines():
        name = line[line.find("/") :] if "/" in line else ""
        if re.search(r"/(libc\.so\.6|libc-[\d.]+\.so|ld-musl-[^/]+\.so\.1|libc\.musl-[^/]+\.so\.1)$", name):
            return Path(name)
    return None


def pressure(what: str) -> Optional[float]:
    """Per cent of the last 10 s in which some task waited for `what` (cpu, memory, io)."""
    match = re.search(r"^some avg10=([\d.]+)", read_text(f"/proc/pressure/{what}") or "", re.MULTILINE)
    return float(match[1]) if match else None


def busy_cpu_s() -> Optional[float]:
    """CPU seconds that all processes and interrupts have used since boot, in steps of a tick."""
    match = re.match(r"cpu +(\d+) (\d+) (\d+) \d+ \d+ (\d+) (\d+)", read_text("/proc/stat") or "")
    return sum(map(int, match.groups())) / os.sysconf("SC_CLK_TCK") if match else None


def _field(text: str, name: str) -> Optional[str]:
    match = re.search(rf"^{re.escape(name)}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else None


def _number(text: Optional[str]) -> Optional[int]:
    match = re.match(r"-?\d+", text or "")
    return int(match[0]) if match else None


def _distribution() -> Optional[str]:
    match = re.search(r'^PRETTY_NAME="?([^"\n]+)', read_text("/etc/os-release") or "", re.MULTILINE)
    return match[1] if match else None
