"""Shows that the settings of a preset take effect, or says why they do not.

Allocators ignore variables they do not know, so a preset is believed only when the allocator itself
gives the value back: mimalloc prints its options when verbose, jemalloc and gperftools answer queries
in the process. Where an allocator offers no query, a burst is allocated and freed with and without
the preset, and the memory that stays must differ.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence

from harness.peers.catalogue import Family
from harness.process import PYTHON, Finished, run_process

PROBE = Path(__file__).with_name("probe.py")
CLEAN_ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}

# The property that gperftools keeps for each of its variables that we set.
_PROPERTIES = {"TCMALLOC_AGGRESSIVE_DECOMMIT": "tcmalloc.aggressive_memory_decommit"}

# Read by the C library, whatever the allocator.
_TUNABLES = "GLIBC_TUNABLES"
_LOADERS = ("/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1")

# The memory that stays must change by this share of the burst for a setting to have an effect.
_EFFECT = 0.10


@dataclass(frozen=True)
class Proof:
    """`shown` says what was read; `problem` is None when all settings were found in force."""

    shown: str
    problem: Optional[str]


def probe(library: Path, env: Mapping[str, str], args: Sequence[str]) -> Finished:
    """Runs probe.py with `library` preloaded and nothing but `env` set."""
    full = {**CLEAN_ENV, **env, "LD_PRELOAD": str(library)}
    return run_process([PYTHON, "-I", "-S", str(PROBE), *args], env=full, timeout_s=60)


def prove(library: Path, family: Family, env: Mapping[str, str]) -> Proof:
    """Checks every variable of `env` by the family's own way, else by its effect; what is the C library's
    is read back from there."""
    if not env:
        return Proof("no settings", None)
    if _TUNABLES in env:
        libc = _tunables(env[_TUNABLES])
        own = {name: value for name, value in env.items() if name != _TUNABLES}
        if libc.problem is not None or not own:
            return libc
        rest = prove(library, family, own)
        return Proof(f"{libc.shown}; {rest.shown}", rest.problem)
    ways: Dict[str, Callable[[Path, Mapping[str, str]], Proof]] = {
        "verbose": _verbose,
        "mallctl": _mallctl,
        "property": _property,
    }
    return ways.get(family.read_back, _effect)(library, env)


def _tunables(setting: str) -> Proof:
    """glibc's loader lists every tunable it knows with its value; those it does not know it ignores."""
    loader = next((path for path in _LOADERS if Path(path).exists()), None)
    if loader is None:
        return Proof("", f"{_TUNABLES} is a setting of glibc, and there is no {' or '.join(_LOADERS)} to ask")
    done = run_process([loader, "--list-tunables"], env={**CLEAN_ENV, _TUNABLES: setting}, timeout_s=60)
    told = dict(re.findall(r"^([\w.]+): (\S+)", done.stdout, re.MULTILINE))
    wanted = dict(item.split("=", 1) for item in setting.split(":") if "=" in item)
    if not wanted:
        return Proof("", f"{_TUNABLES}={setting} sets nothing; write NAME=VALUE")
    return _compare(wanted, {name: _as_written(told.get(name), value) for name, value in wanted.items()})


def _as_written(told: Optional[str], wanted: str) -> Optional[str]:
    """Some tunables are listed in hexadecimal."""
    try:
        return wanted if told is not None and int(told, 0) == int(wanted, 0) else told
    except ValueError:
        return told


def _verbose(library: Path, env: Mapping[str, str]) -> Proof:
    """mimalloc prints `option 'name': value` for every option it knows."""
    full = {**CLEAN_ENV, **env, "MIMALLOC_VERBOSE": "1", "LD_PRELOAD": str(library)}
    done = run_process(["/bin/true"], env=full, timeout_s=60)
    told = dict(re.findall(r"option '(\w+)': (-?\d+)", done.stderr))
    if not told:
        return Proof("", "it prints no options under MIMALLOC_VERBOSE=1, so no setting can be read back")
    found = {name: told.get(name.replace("MIMALLOC_", "", 1).lower()) for name in env}
    return _compare(env, found)


def _mallctl(library: Path, env: Mapping[str, str]) -> Proof:
    pairs = [item.partition(":") for item in env.get("MALLOC_CONF", "").split(",") if item]
    wanted = {name: value for name, _, value in pairs if re.fullmatch(r"-?\d+", value)}
    stray = sorted(set(env) - {"MALLOC_CONF"})
    if stray:
        return Proof("", f"{stray[0]} is no setting of jemalloc; it reads MALLOC_CONF")
    done = probe(library, env, ["mallctl", *wanted])
    if done.status != 0:
        return Proof("", f"it refuses MALLOC_CONF={env['MALLOC_CONF']}: {_first_line(done.stderr)}")
    found = {name: str(value) for name, value in json.loads(done.stdout).items()}
    return _compare(wanted, found)


def _property(library: Path, env: Mapping[str, str]) -> Proof:
    unknown = sorted(set(env) - set(_PROPERTIES))
    if unknown:
        return _effect(library, env)
    done = probe(library, env, ["property", *(_PROPERTIES[name] for name in env)])
    if done.status != 0:
        return Proof("", f"its properties cannot be read: {_first_line(done.stderr)}")
    told: Dict[str, int] = json.loads(done.stdout)
    found = {name: str(told[_PROPERTIES[name]]) for name in env if _PROPERTIES[name] in told}
    return _compare(env, found)


def _effect(library: Path, env: Mapping[str, str]) -> Proof:
    kept: List[float] = []
    none: Mapping[str, str] = {}
    for settings in (none, env):
        done = probe(library, settings, ["burst"])
        if done.status != 0:
            return Proof("", f"a burst under it fails: {_first_line(done.stderr)}")
        seen = json.loads(done.stdout)
        kept.append((seen["after_kb"] - seen["start_kb"]) / max(1, seen["peak_kb"] - seen["start_kb"]))
    shown = f"of a 30 MB burst {kept[0]:.0%} stays resident without and {kept[1]:.0%} with it"
    if abs(kept[0] - kept[1]) < _EFFECT:
        names = ", ".join(f"{key}={value}" for key, value in env.items())
        return Proof(shown, f"{names} has no visible effect ({shown})")
    return Proof(shown, None)


def _compare(wanted: Mapping[str, str], found: Mapping[str, Any]) -> Proof:
    shown = ", ".join(f"{name}={found[name]}" for name in wanted if found.get(name) is not None)
    missing = [name for name in wanted if found.get(name) is None]
    if missing:
        return Proof(shown, f"{missing[0]} is not known to this version, which ignores it in silence")
    wrong = [name for name in wanted if found[name] != wanted[name]]
    if wrong:
        return Proof(shown, f"{wrong[0]} was set to {wanted[wrong[0]]} but reads back as {found[wrong[0]]}")
    return Proof(f"read back {shown}", None)


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else "it says nothing"
