"""A small run directory made of invented but plausible figures, without running anything.

The figures come from a seeded generator, so the directory is the same every time. Verdicts are
written by hand: the report must show what a verdict says, whatever the records would have led to.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from harness.model import (
    AaVerdict,
    Block,
    BlockRecord,
    EvidenceVerdict,
    GateVerdict,
    Plan,
    RunRecord,
    Slot,
    Status,
    Verdict,
    json_text,
)

KEY = "0" * 64
PHASES = (("burst", 0.2), ("free", 0.05), ("held", 0.1), ("joined", 1.0))
_PEAK_MIB = 430.0
_JOINED_MIB = {"base": 132, "treat": 8, "aa": 132, "mimalloc": 430, "mimalloc:purge-now": 3}
_HELD_MIB = {"base": 430, "treat": 400, "aa": 430, "mimalloc": 430, "mimalloc:purge-now": 380}
_SPEED = {"base": 80e6, "treat": 80.3e6, "aa": 80e6, "mimalloc": 60e6, "mimalloc:purge-now": 58e6}
HZ3 = ("base", "treat", "aa")
REFERENCES = ("mimalloc", "mimalloc:purge-now")


@dataclass
class Options:
    """What the directory has. `verdict` None leaves the run unfinished."""

    verdict: Optional[Verdict] = field(default_factory=lambda: go_verdict())
    references: bool = True
    series: bool = True
    blocks: int = 6
    cycles: int = 3
    kind: str = "ab"
    extra_manifest: dict[str, Any] = field(default_factory=dict)


def idle_gate(**changes: Any) -> GateVerdict:
    values: dict[str, Any] = dict(
        id="idle.rss_idle_kb",
        metric="idle.rss_idle_kb",
        arm="treat",
        against="base",
        rule="go_if ratio <= 0.5",
        kind="target",
        status=Status.GO,
        estimate=0.0606,
        low=0.0581,
        high=0.0633,
        confidence=0.9,
        bounds=[0.5],
        n=6,
        median_base=135168.0,
        median_treat=8191.0,
        noise_floor=0.0123,
        mde=0.0345,
    )
    return GateVerdict(**{**values, **changes})


def speed_gate(**changes: Any) -> GateVerdict:
    values: dict[str, Any] = dict(
        id="small.ops_per_cpu_s",
        metric="small.ops_per_cpu_s",
        arm="treat",
        against="base",
        rule="no_go_if ratio < 0.98",
        kind="guard",
        status=Status.GO,
        estimate=1.0042,
        low=0.9913,
        high=1.0187,
        confidence=0.9,
        bounds=[0.98],
        n=6,
        median_base=80.1e6,
        median_treat=80.4e6,
        noise_floor=0.0087,
        mde=0.0171,
    )
    return GateVerdict(**{**values, **changes})


def absolute_gate(**changes: Any) -> GateVerdict:
    values: dict[str, Any] = dict(
        id="idle-absolute",
        metric="idle.rss_idle_kb",
        arm="treat",
        against=None,
        rule="go_if treat <= 10240",
        kind="absolute",
        status=Status.GO,
        estimate=8200.0,
        low=8000.0,
        high=8500.0,
        confidence=0.9,
        bounds=[10240.0],
        n=6,
        median_treat=8191.0,
    )
    return GateVerdict(**{**values, **changes})


def make_verdict(status: Status, gates: list[GateVerdict], **changes: Any) -> Verdict:
    values: dict[str, Any] = dict(
        experiment_id="s62",
        status=status,
        reasons=[],
        gates=gates,
        aa=[
            AaVerdict("idle.rss_idle_kb", 1.0011, 0.9921, 1.0102, True),
            AaVerdict("small.ops_per_cpu_s", 0.9985, 0.9899, 1.0071, True),
        ],
        evidence=[
            EvidenceVerdict("treat", "HZ3_S62_PURGE.pages_purged > 0", "idle", True, "94860 in all 6 runs"),
            EvidenceVerdict("treat", "HZ3_S62_PURGE.madvise_fail == 0", "idle", True, "0 in all 6 runs"),
        ],
        blocks=6,
        runs=60,
        disturbed_runs=2,
        look=1,
        looks=1,
    )
    return Verdict(**{**values, **changes})


def go_verdict() -> Verdict:
    return make_verdict(Status.GO, [idle_gate(), speed_gate(), absolute_gate()])


def _experiment(options: Options) -> dict[str, Any]:
    data: dict[str, Any] = {
        "id": "s62",
        "kind": options.kind,
        "question": "Does retiring small pages at thread exit halve idle RSS | at no cost?",
        "arms": {"base": {"variant": "s61"}, "treat": {"variant": "s62"}},
        "workloads": {"idle": {"program": "bench_burst_idle_v2"}, "small": {"program": "bench_ssot"}},
    }
    if options.references:
        data["references"] = [
            {"allocator": "mimalloc", "preset": "stock"},
            {"allocator": "mimalloc", "preset": "purge-now"},
        ]
    return data


def _record(variant: str, flags: dict[str, int]) -> dict[str, Any]:
    common = {"HZ3_STATS": 1, "HZ3_S61_DTOR_HARD_PURGE": 1}
    return {"schema": 1, "variant": variant, "flags": {**common, **flags}, "options": {"lto": False}}


def _manifest(options: Options) -> dict[str, Any]:
    off = {"HZ3_S62_RETIRE": 0, "HZ3_S62_PURGE": 0}
    on = {"HZ3_S62_RETIRE": 1, "HZ3_S62_PURGE": 1}
    return {
        "schema": 1,
        "quick": True,
        "experiment": _experiment(options),
        "experiment_text": "id: s62\nworkloads:\n  small: {}\n  idle: {}\n",
        "arms": {
            "base": {"variant": "s61", "identity": "aa11" * 16, "record": _record("s61", off)},
            "treat": {"variant": "s62", "identity": "bb22" * 16, "record": _record("s62", on)},
            "aa": {"variant": "s61", "identity": "aa11" * 16, "record": _record("s61", off)},
        },
        "references": {
            "mimalloc": {"version": "2.0.9", "env": {}, "sha256": "cc33" * 16},
            "mimalloc:purge-now": {
                "version": "2.0.9",
                "env": {"MIMALLOC_DECOMMIT_DELAY": "0"},
                "sha256": "cc33" * 16,
            },
        },
        "machine": {"cpu": "Example CPU", "cpus": 2, "kernel": "6.1.0", "thp": "madvise"},
        "git": {"commit": "1234567", "dirty": False},
        "command": ["python3", "-m", "harness", "run", "experiments/s62.yaml", "--quick"],
        **options.extra_manifest,
    }


def _arms(options: Options) -> list[str]:
    return [*HZ3, *(REFERENCES if options.references else ())]


def _series(arm: str, cycles: int, noise: random.Random) -> str:
    lines = ["t_ms,rss_kb,vms_kb,pss_kb,uss_kb,lazyfree_kb,anon_huge_kb,phase,cycle"]
    clock, level = 1.0, 2.0
    lines.append("0.5,1800,9000,,,,,,")
    for cycle in range(1, cycles + 1):
        ends = {"burst": _PEAK_MIB, "free": _PEAK_MIB, "held": _HELD_MIB[arm], "joined": _JOINED_MIB[arm]}
        for phase, seconds in PHASES:
            length = seconds * noise.uniform(0.9, 1.3) * 1000
            target = ends[phase] * noise.uniform(0.98, 1.02)
            steps = max(4, int(length / 25))
            for step in range(steps):
                share = min(1.0, 3 * step / steps)
                rss = int((level + (target - level) * share) * 1024)
                lines.append(f"{clock + length * step / steps:.2f},{rss},900000,,,,,{phase},{cycle}")
            clock, level = clock + length, target
    lines.append(f"{clock:.2f},{int(level * 1024)},900000,,,,,end,0")
    return "\n".join(lines) + "\n"


def _idle_metrics(arm: str, cycles: int, noise: random.Random) -> dict[str, float]:
    metrics: dict[str, float] = {"wall_s": 4.2, "cpu_s": 0.6, "minflt": 330000.0, "peak_rss_kb": 441000.0}
    for cycle in range(1, cycles + 1):
        for phase, level in (("held", _HELD_MIB[arm]), ("joined", _JOINED_MIB[arm])):
            value = float(int(level * 1024 * noise.uniform(0.98, 1.02)))
            metrics[f"rss_{phase}_kb@{cycle}"] = value
            metrics[f"rss_{phase}_kb"] = value
            metrics[f"firm_{phase}_kb"] = value - 16
    metrics["rss_idle_kb"] = metrics["rss_joined_kb"]
    if arm == "treat":
        metrics["HZ3_S62_PURGE.pages_purged"] = 94860.0
        metrics["HZ3_S62_PURGE.madvise_fail"] = 0.0
    return metrics


def _small_metrics(arm: str, noise: random.Random) -> dict[str, float]:
    speed = _SPEED[arm] * noise.uniform(0.985, 1.015)
    return {
        "wall_s": 0.31,
        "cpu_s": 0.29,
        "peak_rss_kb": 5200.0,
        "ops": 2e7,
        "ops_per_cpu_s": speed,
        "ops_per_s": speed * 0.96,
    }


def _runs(root: Path, index: int, kind: str, options: Options, noise: random.Random) -> list[RunRecord]:
    runs = []
    for workload in ("idle", "small"):
        arms = _arms(options)
        noise.shuffle(arms)
        for position, arm in enumerate(arms):
            run = RunRecord(index, kind, position, workload, arm, f"2026-01-09T00:{index:02d}:00Z")
            if workload == "idle":
                run.metrics = _idle_metrics(arm, options.cycles, noise)
                run.strings = {"idle_phase": "joined"}
                if options.series:
                    run.csv = f"memory/{index:04d}-idle-{arm.replace(':', '_')}.csv"
                    (root / run.csv).write_text(_series(arm, options.cycles, noise))
            else:
                run.metrics = _small_metrics(arm, noise)
            if index == 2 and workload == "small" and arm in ("base", "mimalloc"):
                run.disturbed = ["steal 3.1%", "812 involuntary switches per CPU second"]
            runs.append(run)
    return runs


def make_run(parent: Path, options: Optional[Options] = None, run_id: str = "20260109T000000Z-quick") -> Path:
    """Write results/s62/<run_id> under `parent` and return it."""
    options = options or Options()
    root = parent / "results" / "s62" / run_id
    (root / "blocks").mkdir(parents=True)
    (root / "memory").mkdir()
    noise = random.Random(20260109)
    blocks = []
    for index in range(options.blocks + 1):
        kind = "warmup" if index == 0 else "measured"
        runs = _runs(root, index, kind, options, noise)
        record = BlockRecord(KEY, index, kind, 16 * index, runs)
        (root / "blocks" / f"{index:04d}.json").write_text(json_text(record.to_json()))
        slots = [Slot(r.workload, r.arm, r.position) for r in runs]
        blocks.append(Block(index, kind, 16 * index, slots))
    plan = Plan("s62", KEY, 20260109, True, [options.blocks], blocks)
    (root / "plan.json").write_text(json_text(plan.to_json()))
    (root / "manifest.json").write_text(json.dumps(_manifest(options)))
    if options.verdict is not None:
        (root / "verdict.json").write_text(json_text(options.verdict.to_json()))
    return root
