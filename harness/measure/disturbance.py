"""What the machine did to a run: marks against declared limits.

A mark excludes nothing, because to drop the slow runs of one arm is to choose the result; it is
reported, and a person can see whether the machine was fit. The limits are shares of the run's wall
time (for switches: of its CPU time), so that long and short runs are held to the same measure.

A program with more threads than CPUs presses on them and preempts itself; so pressure on the CPU and
involuntary switches accuse others only where the program has one thread. Everywhere, the CPU time
that neither the workload nor the runner used is somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, List, Mapping, Optional


@dataclass(frozen=True)
class Limits:
    """Declared in the manifest of every run."""

    foreign_cpu_share: float = 0.10  # CPU time of other processes, of one CPU
    foreign_cpu_slack_s: float = 0.04  # two ticks of the kernel's accounting on two CPUs
    steal_share: float = 0.01  # CPU time taken by the hypervisor
    psi_cpu_share: float = 0.20  # some task waited for a CPU (the sampler itself may wait a little)
    psi_memory_share: float = 0.01
    psi_io_share: float = 0.05
    involuntary_per_cpu_s: float = 100.0  # a tick of 4 ms preempts at most 250 times a second
    sampler_share: float = 0.02  # CPU time of the runner, where it shares a CPU with the workload
    least_wall_s: float = 0.05  # below it one scheduler tick would already be a mark


LIMITS = Limits()


def foreign_cpu_s(line: Mapping[str, Any], busy_s: Optional[float]) -> Optional[float]:
    """What others used, of the `busy_s` seconds of CPU time that the whole machine spent meanwhile."""
    own = [line.get(key) for key in ("user_ns", "sys_ns")]
    if busy_s is None or None in own:
        return None
    return busy_s - sum(float(value or 0) for value in (*own, line.get("runner_cpu_ns"))) * 1e-9


def disturbances(
    line: Mapping[str, Any], *, busy_s: Optional[float] = None, single_threaded: bool = False, limits: Limits = LIMITS
) -> List[str]:
    """Marks such as `steal 3.1%`; empty for a quiet run. A figure the machine does not give marks
    nothing."""
    wall_s = float(line.get("wall_ns") or 0) * 1e-9
    if wall_s < limits.least_wall_s:
        return []
    machine = line.get("machine") or {}
    shares = [
        ("steal", machine.get("steal_ms"), 1e-3, limits.steal_share),
        ("memory pressure", machine.get("psi_mem_some_us"), 1e-6, limits.psi_memory_share),
        ("io pressure", machine.get("psi_io_some_us"), 1e-6, limits.psi_io_share),
    ]
    if single_threaded:
        shares.append(("cpu pressure", machine.get("psi_cpu_some_us"), 1e-6, limits.psi_cpu_share))
    found = [
        f"{name} {value * unit / wall_s:.1%}"
        for name, value, unit, limit in shares
        if value is not None and value * unit / wall_s > limit
    ]
    sampler_s = float(line.get("runner_cpu_ns") or 0) * 1e-9
    if line.get("sampler_shared") and sampler_s > limits.sampler_share * wall_s:
        found.append(f"the sampler used {sampler_s / wall_s:.1%} of a CPU it shares with the workload")
    foreign = foreign_cpu_s(line, busy_s)
    if foreign is not None and foreign > limits.foreign_cpu_share * wall_s + limits.foreign_cpu_slack_s:
        found.append(f"other processes used {foreign / wall_s:.0%} of a CPU")
    cpu_s = (float(line.get("user_ns") or 0) + float(line.get("sys_ns") or 0)) * 1e-9
    switches = line.get("nivcsw")
    if single_threaded and switches is not None and cpu_s >= limits.least_wall_s:
        if switches / cpu_s > limits.involuntary_per_cpu_s:
            found.append(f"{switches / cpu_s:.0f} involuntary switches per CPU second")
    return found
