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
from collections.abc import Mapping, Sequence
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
EXIT_PARTIAL = 6
EXIT_INTERRUPTED = 130

T = TypeVar("T")


class Status(str, Enum):
    """What a gate or experiment says. COMPLETE: the good end of a table, which judges nothing.
    PARTIAL: every gate that was asked holds, but --only left some out, so it is no GO."""

    GO = "GO"
    NO_GO = "NO-GO"
    INCONCLUSIVE = "INCONCLUSIVE"
    VOID = "VOID"
    COMPLETE = "COMPLETE"
    PARTIAL = "PARTIAL"

    @property
    def exit_status(self) -> int:
        """The process exit status; nothing but a good end is ever 0."""
        return {
            "GO": 0,
            "COMPLETE": 0,
            "NO-GO": 1,
            "INCONCLUSIVE": 2,
            "VOID": 3,
            "PARTIAL": EXIT_PARTIAL,
        }[self.value]

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


class FailureKind(str, Enum):
    """How a run failed. The first five are the arm's doing and never rolled again; HARNESS is the
    lab's own fault and tried again; INTERRUPTED is a person's or a signal's."""

    SIGNAL = "signal"
    STATUS = "status"
    DAMAGE = "damage"  # the workload found a live object changed by someone else
    NO_MEMORY = "no memory"  # the workload was refused an allocation and gave up
    TIMEOUT = "timeout"
    HARNESS = "harness"
    INTERRUPTED = "interrupted"

    def __str__(self) -> str:
        return self.value

    @property
    def of_the_arm(self) -> bool:
        return self not in (FailureKind.HARNESS, FailureKind.INTERRUPTED)


@dataclass(frozen=True)
class Failure:
    """A run that did not end well: `text` is a clause ("it was ended by signal 11"), `output` the
    last lines it printed."""

    kind: FailureKind
    text: str
    output: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "kind": self.kind.value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Failure:
        args = _checked(cls, data)
        args["kind"] = FailureKind(args["kind"])
        return cls(**args)


@dataclass
class RunRecord:
    """One run of one arm. `counts` is False when the run proved unusable (the `reasons` say why),
    as is every run with a `failure`; `disturbed` lists what the machine did to it, which is
    reported but excludes nothing."""

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
    failure: Optional[Failure] = None

    def to_json(self) -> dict[str, Any]:
        data = asdict(self)
        data["failure"] = None if self.failure is None else self.failure.to_json()
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunRecord:
        args = _checked(cls, data)
        if args.get("failure") is not None:
            args["failure"] = Failure.from_json(args["failure"])
        return cls(**args)


@dataclass
class BlockRecord:
    """A block of which every slot was run. `plan_key` ties it to its plan."""

    plan_key: str
    index: int
    kind: str
    env_pad: int
    runs: list[RunRecord]

    def to_json(self) -> dict[str, Any]:
        runs = [run.to_json() for run in self.runs]
        return {"schema": RECORD_SCHEMA, **asdict(self), "runs": runs}

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


@dataclass(frozen=True)
class EarlierRun:
    """A run of the same plan that was begun before; `status` is None for one never finished."""

    run: str
    status: Optional[str]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EarlierRun:
        return cls(**_checked(cls, data))


@dataclass(frozen=True)
class Circumstances:
    """What the judge must know beside the complete blocks: every attempt at a run, failed and
    interrupted ones of blocks that were never completed included; the gates that the command line
    left out; the runs of the same plan that were begun before this one."""

    attempts: Sequence[RunRecord] = ()
    dropped_gates: Sequence[str] = ()
    earlier: Sequence[EarlierRun] = ()


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
    """The copy of base against base for one gated metric; `ok` is False when they differ, and
    `checked` when there were too few blocks to find out (`note` then says how many it takes)."""

    metric: str
    estimate: Optional[float]
    low: Optional[float]
    high: Optional[float]
    ok: bool
    checked: bool = True
    note: str = ""

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
    number of looks paid for, `look` the one (from 1) this verdict was taken at. `headline` holds
    what must be read with the status: failed runs, a missed target, a disturbed machine, earlier
    runs of the same plan."""

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
    headline: list[str] = field(default_factory=list)

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
