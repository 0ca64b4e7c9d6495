"""The checks, each a function from the machine to findings; none changes anything.

A finding is `bad` when the lab cannot work with it, `odd` when results suffer, `good` otherwise.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

from harness import warnings
from harness.errors import UserError
from harness.peers.catalogue import FAMILIES, PEERS, presets
from harness.peers.locate import find
from harness.peers.resolve import resolve
from harness.process import PYTHON, run_process
from harness.run.machine import machine_facts, pressure, read_text

GOOD, ODD, BAD = "good", "odd", "bad"

_LEAST_FREE_GB = 2.0


@dataclass(frozen=True)
class Finding:
    level: str
    text: str


Check = Callable[[Path], List[Finding]]


def examine(root: Path) -> List[Finding]:
    """Everything, in the order a person would ask."""
    checks: Sequence[Check] = (interpreter, packages, peers, processors, memory_policy, pressures, counters, disk)
    return [finding for check in checks for finding in check(root)]


def interpreter(root: Path) -> List[Finding]:
    if Path(sys.executable).resolve() != Path(PYTHON).resolve():
        return [Finding(BAD, warnings.text("python", python=sys.executable))]
    return [Finding(GOOD, f"interpreter {PYTHON} {sys.version.split()[0]}")]


def package_list(root: Path) -> List[Tuple[str, str]]:
    """(package, why) from tools/packages.txt; `a / b` means either."""
    lines = (root / "tools" / "packages.txt").read_text(encoding="utf-8").splitlines()
    rows = [line.partition("|") for line in lines if line.strip() and not line.startswith("#")]
    return [(name.strip(), why.strip()) for name, _, why in rows]


def packages(root: Path) -> List[Finding]:
    if shutil.which("dpkg-query") is None:
        return [Finding(ODD, "no dpkg here; the packages of tools/packages.txt cannot be checked; compare them by hand")]
    done = run_process(["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n"], timeout_s=60)
    installed = {line.split()[0] for line in done.stdout.splitlines() if line.endswith(" installed")}
    wanted = package_list(root)
    missing = [(name, why) for name, why in wanted if not any(part.strip() in installed for part in name.split("/"))]
    if not missing:
        return [Finding(GOOD, f"all {len(wanted)} packages of tools/packages.txt are installed")]
    return [Finding(BAD, warnings.text("package", package=name, why=why)) for name, why in missing]


def peers(root: Path) -> List[Finding]:
    found = []
    for peer in PEERS.values():
        if peer.built is not None and find(peer) is None:
            continue  # nothing needs one
        if peer.files and find(peer) is None:
            found.append(Finding(ODD, warnings.text("peer", peer=peer.name, package=peer.packages[0])))
            continue
        for preset in presets(FAMILIES[peer.family]):
            found.append(_preset(peer.name, preset))
    return found


def _preset(name: str, preset: str) -> Finding:
    try:
        resolved = resolve(name, preset)
    except UserError as error:
        return Finding(ODD, error.message)
    if resolved.problem:
        return Finding(ODD, warnings.text("preset", peer=name, preset=preset, reason=resolved.problem))
    return Finding(GOOD, f"reference {resolved.arm} {resolved.version}: {resolved.proof}")


def processors(root: Path) -> List[Finding]:
    facts = machine_facts()
    cpus, load = facts["cpus"], facts["load"][0]
    found = [Finding(GOOD, f"{cpus} CPUs ({facts['cpu_model']}), kernel {facts['kernel']}, load {load}")]
    if cpus < 2:
        found.append(Finding(ODD, warnings.text("few-cpus", cpus=cpus)))
    if load > 0.5 * cpus:
        found.append(Finding(ODD, warnings.text("busy", load=load, cpus=cpus)))
    if facts["governor"] not in (None, "performance"):
        found.append(Finding(ODD, warnings.text("governor", governor=facts["governor"])))
    return found


def memory_policy(root: Path) -> List[Finding]:
    facts = machine_facts()
    found = [Finding(GOOD, f"huge pages {facts['thp']}, overcommit {facts['overcommit']}, {facts['memory_kb'] // 1024} MB of memory")]
    if facts["thp"] == "always":
        found.append(Finding(ODD, warnings.text("thp-always")))
    if facts["overcommit"] == 2:
        found.append(Finding(ODD, warnings.text("overcommit")))
    return found


def pressures(root: Path) -> List[Finding]:
    values = {what: pressure(what) for what in ("cpu", "memory", "io")}
    if all(value is None for value in values.values()):
        return [Finding(ODD, warnings.text("no-psi"))]
    high = {what: value for what, value in values.items() if value is not None and value > 10}
    if not high:
        return [Finding(GOOD, "pressure is low")]
    return [Finding(ODD, warnings.text("pressure", what=what, value=value)) for what, value in high.items()]


def counters(root: Path) -> List[Finding]:
    """Hardware counters, and valgrind, which counts instructions where there are none."""
    found = []
    paranoid = read_text("/proc/sys/kernel/perf_event_paranoid")
    if Path("/sys/bus/event_source/devices/cpu").exists():
        found.append(Finding(GOOD, f"hardware counters exist (perf_event_paranoid={paranoid})"))
    else:
        found.append(Finding(ODD, warnings.text("no-counters", paranoid=paranoid)))
    if shutil.which("valgrind") is None:
        return [*found, Finding(ODD, warnings.text("valgrind", reason="it is not installed"))]
    done = run_process(["valgrind", "--tool=none", "-q", "/bin/true"], timeout_s=60)
    if done.status != 0:
        return [*found, Finding(ODD, warnings.text("valgrind", reason=f"status {done.status}"))]
    return [*found, Finding(GOOD, "valgrind runs")]


def disk(root: Path) -> List[Finding]:
    free_gb = shutil.disk_usage(root).free / 1e9
    if free_gb < _LEAST_FREE_GB:
        return [Finding(ODD, warnings.text("disk", free_gb=free_gb, where=root))]
    return [Finding(GOOD, f"{free_gb:.0f} GB free")]


def render(findings: Sequence[Finding]) -> str:
    """One line a finding, the good ones first, and a last line that sums up."""
    order = {GOOD: 0, ODD: 1, BAD: 2}
    rows = sorted(findings, key=lambda f: order[f.level])
    lines = [f"{'ok ' if f.level == GOOD else 'odd' if f.level == ODD else 'BAD'}  {f.text}" for f in rows]
    odd, bad = (sum(f.level == level for f in findings) for level in (ODD, BAD))
    if odd + bad == 0:
        return "\n".join([*lines, "this machine is fit to measure"])
    verdict = "the lab cannot work here yet" if bad else "the lab works here, with these limits"
    return "\n".join([*lines, f"{verdict}: {bad} missing, {odd} odd"])


def as_json(findings: Sequence[Finding]) -> Dict[str, Any]:
    """In the order of the checks; `fit` is whether all is good."""
    listed = [{"level": f.level, "text": f.text} for f in findings]
    return {"fit": exit_status(findings) == 0, "exit_status": exit_status(findings), "findings": listed}


def exit_status(findings: Sequence[Finding]) -> int:
    """3 when something is odd or missing: what is measured now may prove nothing."""
    return 0 if all(f.level == GOOD for f in findings) else 3
