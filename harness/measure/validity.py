"""Why a run does not count, and whether it failed outright.

Two different things: a run that *failed* (crashed, damaged memory, timed out, ended with a status) says
something about its arm, which the judge weighs; a run that ended well but did not do its work is kept
and shown, with the reasons here, and no verdict uses its figures. From 0.1 % of remote fallbacks on,
frees were local and the lane measured something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional, Sequence

from harness.measure.metrics import phases
from harness.model import Failure, FailureKind

REMOTE_FALLBACK_LIMIT = 0.001
BAD_ARGUMENTS = 2
DECLARED_VOID = 3


@dataclass(frozen=True)
class _IdlePlace:
    """Which arguments, counted from 0, say how long and how often a program idles."""

    idle_s: int
    cycles: int
    default_cycles: int = 1


_IDLE_ARGUMENTS = {
    "bench_burst_idle": _IdlePlace(1, 2),
    "bench_burst_idle_v2": _IdlePlace(1, 2),
    "survivors": _IdlePlace(2, 6),
}

# A workload may end its idle window a timer tick early without having cut it short.
_IDLE_TOLERANCE = 0.99


def failure(line: Mapping[str, Any], *, own_program: bool, output: str = "") -> Optional[Failure]:
    """How the process itself failed, or None when it ended well. `own_program` is for programs of
    workloads/, whose statuses mean what workloads/README.md says: 3 declares the run worthless, which
    is no failure. `output` is what is kept of what it printed."""
    if line.get("timed_out"):
        seconds = float(line.get("wall_ns") or 0) * 1e-9
        return Failure(FailureKind.TIMEOUT, f"it was stopped at its time limit after {seconds:.0f} s", output)
    if line.get("signal") is not None:
        return Failure(FailureKind.SIGNAL, f"it was ended by signal {line['signal']}", output)
    if own_program and line.get("exit_status") == DECLARED_VOID:
        return None
    if line.get("exit_status") != 0:
        return _wrong_status(line, own_program, output)
    return None


def _wrong_status(line: Mapping[str, Any], own_program: bool, output: str) -> Failure:
    result = line.get("result") or {}
    if own_program and result.get("damaged"):
        return Failure(FailureKind.DAMAGE, "a live object was changed by someone else", output)
    if own_program and result.get("alloc_fail"):
        return Failure(FailureKind.NO_MEMORY, "an allocation failed and ended it", output)
    return Failure(FailureKind.STATUS, f"it ended with status {line.get('exit_status')}", output)


def bad_arguments(line: Mapping[str, Any], *, own_program: bool) -> bool:
    """Whether the run could never work: trying again, or in another arm, would say the same."""
    return own_program and line.get("exit_status") == BAD_ARGUMENTS


def unmapped(line: Mapping[str, Any], expected: Sequence[str]) -> List[str]:
    """The libraries of `expected` that the run's processes were not all seen to have mapped, as far as
    they count; `unproven` says which did not."""
    seen = {str(entry.get("path")) for entry in line.get("mapped") or [] if entry.get("found")}
    return [path for path in expected if path not in seen]


_WHY_UNPROVEN = {
    "static": "is a static program",
    "privileged": "is setuid or otherwise privileged",
    "foreign": "is of another word size",
    "unreadable": "may be executed but not looked into",
    "environment": "ran without the library: its environment was cleared, or it could not be loaded",
    "lost": "called exec from a thread, and was lost from sight",
    "unfollowed": "was started by a thread or by clone, and cannot be followed",
}


def unproven(line: Mapping[str, Any], *, counting: bool = True) -> List[str]:
    """A sentence for each program of the run that lacked a library: those that keep it from being
    proved, or those too small to count."""
    cpu_ns = sum(float(line.get(key) or 0) for key in ("user_ns", "sys_ns"))
    found = []
    for entry in line.get("unproven") or []:
        if bool(entry.get("counts")) != counting:
            continue
        share = f", {float(entry['cpu_ns']) / cpu_ns:.1%} of the CPU time" if cpu_ns > 0 and entry.get("cpu_ns") else ""
        times = f" in {entry['processes']} processes" if entry.get("processes", 1) > 1 else ""
        why = _WHY_UNPROVEN.get(entry["why"], entry["why"])
        found.append(f"{entry.get('program') or 'a program'}{times} {why}{share}")
    return found


def reasons(
    line: Mapping[str, Any],
    *,
    program: Optional[str],
    args: Sequence[str],
    missing_figures: Sequence[str],
    series_wanted: bool,
) -> List[str]:
    """Every reason why this run, though it ended well, does not count. `program` is None for a
    command, of which nothing but its figures is known."""
    found = [f"figure {name} was not found in its output" for name in missing_figures]
    result = line.get("result") or {}
    if program is not None and not result:
        found.append("it reported no result (HZ_RESULT_FD)")
    if float(result.get("alloc_fail") or 0) > 0:
        found.append(f"{result['alloc_fail']:g} allocations failed")
    if series_wanted and not line.get("samples"):
        found.append("no memory sample was taken")
    if line.get("leftover_processes"):
        found.append(f"processes outlived it and had to be ended: {line['leftover_processes']}")
    found += _fallback(result) + _cut_short(line, program, args)
    if line.get("exit_status") == DECLARED_VOID and not found:
        found.append("the workload itself says that the run does not count (status 3)")
    return found


def _fallback(result: Mapping[str, Any]) -> List[str]:
    """`fallback_rate` is the share of remote frees that had to be made locally."""
    share = result.get("fallback_rate")
    if share is None or float(share) < REMOTE_FALLBACK_LIMIT:
        return []
    return [f"remote fallback {float(share):.3%}, at or above {REMOTE_FALLBACK_LIMIT:.1%}"]


def _cut_short(line: Mapping[str, Any], program: Optional[str], args: Sequence[str]) -> List[str]:
    """A program that idles must have idled for cycles x idle_s, and in the phase it names."""
    place = _IDLE_ARGUMENTS.get(program or "")
    if place is None or len(args) <= place.idle_s:
        return []
    try:
        idle_s = float(args[place.idle_s])
        cycles = int(args[place.cycles]) if len(args) > place.cycles else place.default_cycles
    except ValueError:
        return []
    found = []
    elapsed_s = float(line.get("wall_ns") or 0) * 1e-9
    if elapsed_s < cycles * idle_s * _IDLE_TOLERANCE:
        found.append(f"it took {elapsed_s:.2f} s, less than {cycles} cycles of {idle_s:g} s idleness")
    idle_phase = (line.get("result") or {}).get("idle_phase")
    marks = line.get("marks") or []
    if idle_phase is None or not marks:
        return found + ["it marked no idle phase"]
    lasted = [seconds for phase, _, _, seconds in phases(marks) if phase == idle_phase]
    if len(lasted) != cycles:
        found.append(f"it marked {len(lasted)} idle phases ({idle_phase}) in {cycles} cycles")
    short = [seconds for seconds in lasted if seconds < idle_s * _IDLE_TOLERANCE]
    if short:
        found.append(f"phase {idle_phase} lasted {min(short):.2f} s, less than {idle_s:g} s")
    return found
