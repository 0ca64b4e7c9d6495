"""The records that travel between the stages of the harness.

Plain dataclasses, no behaviour: the planner writes a `Plan`, the runner turns each of its `Block`s
into a `BlockRecord` of `RunRecord`s, the judge turns those into a `Verdict`, the report reads all
three. Every record has `to_json()` (a dict of JSON types) and `from_json(dict)`; `json_text` is the
one way they become bytes, so that the same records always give the same file.

An *arm* is named by a string: "base", "treat", any further arm of the experiment, "aa" (the copy of
base that measures the noise), or a reference such as "mimalloc" or "mimalloc:purge-now".
A metric that is absent from `RunRecord.metrics` was not measured; it is never written as zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any, Optional, TypeVar

RECORD_SCHEMA = 1

BASE = "base"
TREAT = "treat"
AA = "aa"

WARMUP = "warmup"
MEASURED = "measured"

EXIT_BAD_INPUT = 4
EXIT_FAILED = 5
EXIT_INTERRUPTED = 130

T = TypeVar("T")


class Status(str, Enum):
    """What a gate or experiment says. COMPLETE: the good end of a table, which judges nothing."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"
    VOID = "VOID"
    COMPLETE = "COMPLETE"

    @property
    def exit_status(self) -> int:
        """The process exit status; nothing but a good end is ever 0."""
        return {"GO": 0, "COMPLETE": 0, "NO-GO": 1, "INCONCLUSIVE": 2, "VOID": 3}[self.value]

    def __str__(self) -> str:
        return self.value


def json_text(data: Any) -> str:
    """`data` as JSON text with sorted keys and a final newline; NaN and infinity are refused."""
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _checked(cls: type[T], data: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments for `cls`; an unknown key means that another version wrote it."""
    known = {f.name for f in fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ValueError(f"{cls.__name__}: unknown key {unknown[0]!r}; written by another version?")
    return dict(data)


@dataclass(frozen=True)
class Slot:
    """One run to make: `position` counts from 0 among the arms of this workload in this block."""

    workload: str
    arm: str
    position: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Slot:
        return cls(**_checked(cls, data))


@dataclass(frozen=True)
class Block:
    """One run of every arm of every workload. `env_pad` is the number of bytes of padding added to
    the environment of every run of the block, the same for all arms, so that stack placement is
    sampled over blocks and never differs between arms."""

    index: int
    kind: str  # WARMUP or MEASURED
    env_pad: int
    slots: list[Slot]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Block:
        args = _checked(cls, data)
        args["slots"] = [Slot.from_json(s) for s in args["slots"]]
        return cls(**args)


@dataclass(frozen=True)
class Plan:
    """Every block an experiment may run, up to its largest size.

    `looks` are the counts of measured blocks after which the data may be judged, ascending; the run
    stops at the first look that decides, so later blocks may never be run. `key` (sha256) covers
    all that decides what is run: two plans with one key are interchangeable, so a run
    can be resumed.
    """

    experiment_id: str
    key: str
    seed: int
    quick: bool
    looks: list[int]
    blocks: list[Block]

    def to_json(self) -> dict[str, Any]:
        return {"schema": RECORD_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        args = _checked(cls, _without_schema("plan", data))
        args["blocks"] = [Block.from_json(b) for b in args["blocks"]]
        return cls(**args)


@dataclass
class RunRecord:
    """One run of one arm. `counts` is False when the run proved unusable (the `reasons` say why);
    `disturbed` lists what the machine did to it, which is reported but excludes nothing."""

    block: int
    kind: str
    position: int
    workload: str
    arm: str
    started_utc: str
    metrics: dict[str, float] = field(default_factory=dict)
    strings: dict[str, str] = field(default_factory=dict)
    counts: bool = True
    reasons: list[str] = field(default_factory=list)
    disturbed: list[str] = field(default_factory=list)
    csv: Optional[str] = None  # relative to the run directory

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunRecord:
        return cls(**_checked(cls, data))


@dataclass
class BlockRecord:
    """A block of which every slot was run. `plan_key` ties it to its plan."""

    plan_key: str
    index: int
    kind: str
    env_pad: int
    runs: list[RunRecord]

    def to_json(self) -> dict[str, Any]:
        return {"schema": RECORD_SCHEMA, **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> BlockRecord:
        args = _checked(cls, _without_schema("block record", data))
        args["runs"] = [RunRecord.from_json(r) for r in args["runs"]]
        return cls(**args)


@dataclass
class ArmFacts:
    """What the build knows of an arm before anything runs. `identity` is the sha256 of the loaded
    bytes (None where none is known, as for a reference); `problems` are findings that make the arm
    void, e.g. a setting that could not be read back, each one sentence."""

    arm: str
    identity: Optional[str] = None
    variant: Optional[str] = None
    problems: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ArmFacts:
        return cls(**_checked(cls, data))


@dataclass
class GateVerdict:
    """One gate's answer. For ratio gates estimate, low and high are ratios of arm to against; for
    absolute gates they are in the metric's own unit. Bounds that the data cannot give (too few
    pairs) are None, as are the figures of most void gates. `noise_floor` and `mde` (the smallest
    effect found with 80 % power) are fractions: 0.013 is 1.3 %."""

    id: str
    metric: str  # lane.metric
    arm: str
    against: Optional[str]  # None for an absolute gate
    rule: str  # as the experiment says it, e.g. "no_go_if ratio < 0.98"
    kind: str  # target | guard | same | absolute
    status: Status
    estimate: Optional[float] = None
    low: Optional[float] = None
    high: Optional[float] = None
    confidence: Optional[float] = None
    bounds: list[float] = field(default_factory=list)
    n: int = 0
    median_base: Optional[float] = None
    median_treat: Optional[float] = None
    noise_floor: Optional[float] = None
    mde: Optional[float] = None
    needs_blocks: Optional[int] = None  # about so many more
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> GateVerdict:
        args = _checked(cls, data)
        args["status"] = Status(args["status"])
        return cls(**args)


@dataclass
class AaVerdict:
    """The copy of base against base for one gated metric; `ok` is False when they differ."""

    metric: str
    estimate: Optional[float]
    low: Optional[float]
    high: Optional[float]
    ok: bool

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> AaVerdict:
        return cls(**_checked(cls, data))


@dataclass
class EvidenceVerdict:
    """One evidence expression in one workload; `seen` says in words what the runs showed."""

    arm: str
    expr: str
    workload: str
    ok: bool
    seen: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EvidenceVerdict:
        return cls(**_checked(cls, data))


@dataclass
class Verdict:
    """The experiment's answer. `runs` and `disturbed_runs` count measured runs only; `looks` is the
    number of looks paid for, `look` the one (from 1) this verdict was taken at."""

    experiment_id: str
    status: Status
    reasons: list[str]
    gates: list[GateVerdict]
    aa: list[AaVerdict]
    evidence: list[EvidenceVerdict]
    blocks: int
    runs: int
    disturbed_runs: int
    look: int
    looks: int

    @property
    def exit_status(self) -> int:
        return self.status.exit_status

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": RECORD_SCHEMA,
            **asdict(self),
            "status": self.status.value,
            "exit_status": self.exit_status,
            "gates": [g.to_json() for g in self.gates],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        args = _without_schema("verdict", data)
        args.pop("exit_status", None)
        args = _checked(cls, args)
        args["status"] = Status(args["status"])
        args["gates"] = [GateVerdict.from_json(g) for g in args["gates"]]
        args["aa"] = [AaVerdict.from_json(a) for a in args["aa"]]
        args["evidence"] = [EvidenceVerdict.from_json(e) for e in args["evidence"]]
        return cls(**args)


def _without_schema(what: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` without its schema number, which must be ours."""
    rest = dict(data)
    schema = rest.pop("schema", None)
    if schema != RECORD_SCHEMA:
        raise ValueError(f"{what}: schema {schema!r}, this harness reads {RECORD_SCHEMA}")
    return rest
