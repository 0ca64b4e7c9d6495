"""Every warning of the harness, each with advice: one catalogue, so that a person reads the same words
for the same thing everywhere, and so that no warning is without a way out.

`text(code, **facts)` gives the sentence; the codes are stable and stand in manifests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict


@dataclass(frozen=True)
class Warning_:
    """`says` states a fact, `advice` what to do about it; both take {facts}."""

    says: str
    advice: str


CATALOGUE: Dict[str, Warning_] = {
    # The machine
    "few-cpus": Warning_("only {cpus} CPU is usable", "sampling disturbs the workload; read memory, not speed, from this machine"),
    "busy": Warning_("the machine is busy (load {load:.1f} on {cpus} CPUs)", "wait, or expect wide intervals and more blocks"),
    "pressure": Warning_("{what} pressure is {value:.0f} % over the last 10 s", "find what else is running before trusting speed"),
    "governor": Warning_("the frequency governor is {governor}", "set it with: cpupower frequency-set -g performance"),
    "thp-always": Warning_("transparent huge pages are 'always'", "RSS falls in steps of 2 MiB; 'madvise' shows returns more finely"),
    "no-counters": Warning_("no hardware counters (kernel.perf_event_paranoid={paranoid}, or a VM)", "use cachegrind as second opinion"),
    "no-psi": Warning_("/proc/pressure is missing", "boot with psi=1; until then pressure cannot mark a run"),
    "overcommit": Warning_("vm.overcommit_memory=2", "large reservations may fail; hz3 halves its own, peers may not start"),
    "disk": Warning_("{free_gb:.1f} GB free in {where}", "long runs with memory series need about 1 GB; free some"),
    "disk-full": Warning_("{where} is full", "free space, then run the same command again: it continues"),
    # Tools
    "python": Warning_("running under {python}, not /usr/bin/python3", "use tools/run; other interpreters lack the packages"),
    "package": Warning_("package {package} is missing ({why})", "tools/setup installs it"),
    "peer": Warning_("reference {peer} is not installed", "sudo apt-get install {package}"),
    "preset": Warning_("preset {peer}:{preset} cannot be shown to work: {reason}", "do not name it in an experiment on this machine"),
    "valgrind": Warning_("valgrind does not run ({reason})", "sudo apt-get install valgrind; needed only for instruction counts"),
    # An experiment
    "good-side": Warning_("`{rule}` on {metric} {asks}, of which {better} is better", "turn the comparison round if that is not meant"),
    "cpu-speed": Warning_(
        "{metric} counts CPU time, and lane {lane} may have several threads: time spent waiting for locks is not in it",
        "use the rate per second, or say `threads: 1` in the lane",
    ),
    "margin": Warning_(
        "gate {gate}: its margin of {margin} lies below the noise floor of {floor} that this plan would have",
        "widen it, or raise the blocks to about {blocks}",
    ),
    "instrument": Warning_("lane {lane} asks for `under: {under}`, which this machine does not give ({reason})", "{advice}"),
    # A run
    "dirty": Warning_("the tree has uncommitted changes", "commit before publishing; the figures cannot be repeated as they stand"),
    "skipped": Warning_("lane {workload} is skipped: {program} is not installed", "install it to have the lane"),
    "requires": Warning_("workload {workload} needs {program}, which is missing", "install it, or leave the lane out with --only"),
}


def text(code: str, **facts: object) -> str:
    """`what is; what to do`. An unknown code or a missing fact is a defect and raises."""
    entry = CATALOGUE[code]
    return f"{entry.says.format(**facts)}; {entry.advice.format(**facts)}"
