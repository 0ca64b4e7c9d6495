"""The form of an experiment file: every key, its type, its default and its meaning.

These models are the one description of the format: the loader checks files against them, the editor
schema (`experiments/experiment.schema.json`) is generated from them, and so are the docs. They hold
types only; rules that span fields are in `check.py`, so that each can say what to do about it.
An `Experiment` is immutable in use: options (`--quick` …) make changed copies (`options.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Optional

if TYPE_CHECKING:
    from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr
else:
    try:  # pydantic 2 carries the interface of pydantic 1 in a submodule; Debian 12 has pydantic 1
        from pydantic.v1 import BaseModel, Field, StrictBool, StrictInt, StrictStr
    except ImportError:
        from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr

from harness.experiment.predicate import Predicate, parse_predicate
from harness.model import AA, BASE, TREAT

Kind = Literal["ab", "aa", "table"]
Statistic = Literal["hodges-lehmann", "median"]
Instrument = Literal["cachegrind", "calls", "counters"]


class Number(float):
    """A finite whole or decimal number; unlike plain float it takes no text and no true/false."""

    @classmethod
    def __get_validators__(cls) -> Iterator[Callable[[Any], float]]:
        yield cls._validate

    @classmethod
    def _validate(cls, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("not a number")
        return float(value)

    @classmethod
    def __modify_schema__(cls, schema: dict[str, Any]) -> None:
        schema["type"] = "number"


class Record(BaseModel):
    """Base of all models: an unknown key is an error, never ignored."""

    class Config:
        extra = "forbid"
        allow_mutation = False


def _or_string(schema: dict[str, Any], meaning: str) -> None:
    """Lets the editor schema also accept the short form, a plain string."""
    full = {key: schema.pop(key) for key in list(schema) if key not in ("title", "description")}
    schema["anyOf"] = [{"type": "string", "description": meaning}, full]


_SCALARS = {"type": ["string", "number", "boolean"]}


class Arm(Record):
    """What one arm runs: the name of a variant, or a variant defined on the spot."""

    variant: Optional[StrictStr] = Field(None, description="A name in hz3/variants.yaml.")
    parent: Optional[StrictStr] = Field(
        None, description="The variant that this inline variant adds to."
    )
    flags: dict[str, StrictInt] = Field(
        default_factory=dict, description="Flags of the inline variant that differ from its parent."
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="Build options of the inline variant, e.g. lto: true."
    )

    class Config:
        @staticmethod
        def schema_extra(schema: dict[str, Any], model: Any) -> None:
            _or_string(schema, "The name of a variant in hz3/variants.yaml.")


class Sweep(Record):
    """Further arms that are base but for one flag, a value each; the report draws the answer to it."""

    flag: StrictStr = Field(..., description="The flag, e.g. HZ3_REFILL_BATCH.")
    values: list[StrictInt] = Field(..., description="Its values but for base's own, 2 to 16 of them.")
    parent: Optional[StrictStr] = Field(
        None, description="The variant that the arms add to. Default: base's."
    )


class Reference(Record):
    """A third-party allocator measured beside the arms."""

    allocator: StrictStr = Field(..., description="Its name in the catalogue of peers.")
    preset: StrictStr = Field(
        "stock", description="A named group of settings of it; stock changes nothing."
    )

    @property
    def arm(self) -> str:
        return self.allocator if self.preset == "stock" else f"{self.allocator}:{self.preset}"


class Workload(Record):
    """A lane: one program with its arguments, run once per arm in every block."""

    program: Optional[StrictStr] = Field(
        None, description="A program of workloads/, which reports figures and phases by itself."
    )
    command: Optional[list[StrictStr]] = Field(
        None, description="Any other command: a list of words, or one string, split as by a shell."
    )
    args: list[str] = Field(
        default_factory=list, description="Arguments, handed over exactly as they are written here."
    )
    env: dict[str, str] = Field(
        default_factory=dict, description="Environment variables of the run, the same in every arm."
    )
    sample_ms: StrictInt = Field(
        0, description="Interval of the memory time series in ms; 0 takes none, only phase marks."
    )
    timeout_s: Number = Field(
        Number(600), description="A run that lasts longer (seconds) is stopped and fails."
    )
    blocks: Optional[StrictInt] = Field(
        None, description="A lower limit of measured blocks for this lane, e.g. a slow one."
    )
    metrics: dict[str, StrictStr] = Field(
        default_factory=dict,
        description="Figures to read from the output: name to regular expression with one group.",
    )
    requires: list[StrictStr] = Field(
        default_factory=list,
        description="Programs this lane needs; where one is not installed, an ungated lane is skipped.",
    )
    threads: Optional[StrictInt] = Field(
        None, description="How many threads the lane has, where known; 1 pins it to one CPU."
    )
    without: list[StrictStr] = Field(
        default_factory=list,
        description="Arms that do not run in this lane, e.g. a yardstick that has one thread only.",
    )
    under: Optional[Instrument] = Field(
        None,
        description="An instrument that counts what repeats. cachegrind: instructions, one program of "
        "workloads/, some fifty times slower. calls: the system calls for memory (mmaps, munmaps, "
        "madvises, membarriers, …). counters: the processor's, where the machine has them, beside all "
        "other figures. Under cachegrind and calls a lane gives no times.",
    )
    figure: Optional[StrictStr] = Field(
        None,
        description="The metric that ranks allocators in the scoreboard. Names ending in _per_s, "
        "_per_cpu_s or the like are better when larger, all others when smaller.",
    )
    group: Optional[StrictStr] = Field(
        None,
        description="Heading of the lane in the scoreboard. Default: one thread, several threads, "
        "or, for commands, real programs.",
    )

    class Config:
        @staticmethod
        def schema_extra(schema: dict[str, Any], model: Any) -> None:
            fields = schema["properties"]
            fields["args"]["items"] = _SCALARS
            fields["env"]["additionalProperties"] = _SCALARS
            _or_string(fields["command"], "A command line, split into words like a shell does.")


class Gate(Record):
    """One declared decision: a metric, the arms compared, and exactly one rule."""

    id: Optional[StrictStr] = Field(None, description="Short name in reports. Default: metric.")
    metric: StrictStr = Field(..., description="lane.metric, e.g. idle.rss_idle_kb.")
    arm: StrictStr = Field(TREAT, description="The arm that is judged.")
    against: StrictStr = Field(BASE, description="The arm that it is compared with.")
    go_if: Optional[StrictStr] = Field(
        None,
        description="A target: GO if the whole interval satisfies the predicate (ratio <= 0.5, "
        "treat <= 10240), NO-GO if none of it does.",
    )
    no_go_if: Optional[StrictStr] = Field(
        None,
        description="A guard: NO-GO if the whole interval satisfies the predicate "
        "(ratio < 0.98), GO if none of it does.",
    )
    same_within: Optional[Number] = Field(
        None,
        description="Equivalence: GO if the interval of the ratio lies within 1/(1+x) and 1+x.",
    )
    exact_within: Optional[Number] = Field(
        None,
        description="For a count that repeats (instructions, faults, calls): the interval is the range of "
        "the ratios, widened by this share, e.g. 0.001, so two blocks decide. When the figures of an arm, "
        "or base and its copy, differ by more than that, the gate decides nothing.",
    )
    statistic: Statistic = Field(
        "hodges-lehmann",
        description="hodges-lehmann: pseudo-median with exact signed-rank interval. median: median "
        "with exact sign interval, wider, for metrics that jump between levels.",
    )

    @property
    def lane(self) -> str:
        return self.metric.partition(".")[0]

    @property
    def key(self) -> str:
        """The metric's name inside a run record."""
        return self.metric.partition(".")[2]

    @property
    def predicate(self) -> Optional[Predicate]:
        """None for a same_within gate."""
        text = self.go_if if self.go_if is not None else self.no_go_if
        return None if text is None else parse_predicate(text)

    @property
    def is_target(self) -> bool:
        return self.go_if is not None

    @property
    def rule(self) -> str:
        if self.same_within is not None:
            return f"same_within {self.same_within:g}"
        return f"{'go_if' if self.is_target else 'no_go_if'} {self.predicate}"


class Design(Record):
    """How many blocks, in what order, and how sure a verdict must be."""

    blocks: StrictInt = Field(10, description="Measured blocks until the first look at the data.")
    max_blocks: Optional[StrictInt] = Field(
        None,
        description="While the verdict is INCONCLUSIVE the run goes on in steps of `blocks` up to "
        "here, every look paid for. Default: `blocks`, one look.",
    )
    warmup: StrictInt = Field(1, description="Blocks run first and never judged.")
    seed: StrictInt = Field(1, description="Decides the order of all runs and the padding.")
    aa: Optional[StrictBool] = Field(
        None, description="Run a copy of base beside it to measure the noise. Default: in ab only."
    )
    confidence: Number = Field(
        Number(0.90), description="Of the interval, all looks together: 0.90 errs 5 % a side."
    )
    disturbed_most: Number = Field(
        Number(0.5),
        description="Share of the blocks of a wall-clock or multi-thread gate that the machine may "
        "have disturbed; above it the gate decides nothing.",
    )
    extensions: StrictInt = Field(
        0, description="Set by `run --extend`: how often a finished run was doubled. Leave it out."
    )


class Quick(Record):
    """What --quick changes: one look at few blocks with small arguments."""

    blocks: StrictInt = Field(6, description="Measured blocks; there is one look.")
    warmup: Optional[StrictInt] = Field(None, description="Warm-up blocks. Default: as in design.")
    args: dict[str, list[str]] = Field(
        default_factory=dict, description="Lane to the arguments that replace its own."
    )

    class Config:
        @staticmethod
        def schema_extra(schema: dict[str, Any], model: Any) -> None:
            schema["properties"]["args"]["additionalProperties"]["items"] = _SCALARS


class Nightly(Record):
    """How `harness gate` goes about this experiment: all lanes briefly, then the suspicious ones well."""

    screen_blocks: StrictInt = Field(5, description="Measured blocks of every lane in the first stage.")
    suspicious: Number = Field(
        Number(0.5),
        description="A lane goes on to the second stage when the centre of its first has come this share "
        "of the way (in logs) from 1 to the gate's bound.",
    )
    confirm_blocks: StrictInt = Field(
        20, description="Measured blocks of the suspicious lanes in the second stage, all of them fresh."
    )
    error: Number = Field(
        Number(0.05),
        description="The chance of NO-GO, over all lanes together, when nothing has become worse.",
    )


class TruthCase(Record):
    """One thing that is known to be so, and what a right verdict says of it."""

    what: StrictStr = Field(..., description="What is known, a clause for the table.")
    arm: Optional[StrictStr] = Field(
        None, description="The arm that stands as treat. Default: none, base against its own copy."
    )
    lanes: list[StrictStr] = Field(..., description="The lanes that are run, and whose gates are asked.")
    answer: Literal["GO", "NO-GO"] = Field(..., description="The right verdict; of equal arms GO: no difference.")
    rounds: StrictInt = Field(20, description="Experiments of this case.")
    rare: StrictBool = Field(
        False, description="The defect is a failure that few runs have: only experiments that met one must find it."
    )


class Truth(Record):
    """What `harness truth --real` makes of this experiment: many short ones, of which the truth is known."""

    effect: Optional[StrictStr] = Field(
        None, description="lane.metric that is counted once for every arm, to say how large the defects are."
    )
    cases: dict[str, TruthCase] = Field(..., description="The cases, by name.")


class Experiment(Record):
    """One question put to the lab: arms, workloads, evidence and gates."""

    id: StrictStr = Field(..., description="Name of the experiment and of its folder in results/.")
    question: StrictStr = Field(..., description="The question the verdict answers, a sentence.")
    kind: Kind = Field(
        "ab",
        description="ab compares treat with base; aa compares base with a copy of itself, to see "
        "whether the machine invents differences; table only measures and judges nothing.",
    )
    arms: dict[str, Arm] = Field(
        default_factory=dict, description="base, treat and further arms, a variant each."
    )
    sweep: Optional[Sweep] = Field(
        None, description="Arms over a range of one flag, beside those above: refill_batch_8, …"
    )
    difference: Optional[list[StrictStr]] = Field(
        None,
        description="The flags and build options that may differ between base and treat, all of "
        "them; the run is refused when the built libraries differ in others or not in these.",
    )
    references: list[Reference] = Field(
        default_factory=list, description="Third-party allocators to measure beside the arms."
    )
    workloads: dict[str, Workload] = Field(..., description="The lanes, by name.")
    evidence: dict[str, list[StrictStr]] = Field(
        default_factory=dict,
        description="Arm to expressions that must hold for it to count, e.g. "
        "HZ3_S62_PURGE.pages_purged > 0.",
    )
    gates: list[Gate] = Field(default_factory=list, description="Decisions, declared beforehand.")
    any_target: StrictBool = Field(
        False,
        description="One target reached is enough for GO (Holm's correction over the targets then "
        "applies). Default: all targets must hold.",
    )
    design: Design = Field(default_factory=Design, description="Blocks, order, stopping.")
    quick: Optional[Quick] = Field(None, description="What --quick changes.")
    nightly: Optional[Nightly] = Field(None, description="The two stages of `harness gate`.")
    truth: Optional[Truth] = Field(None, description="The cases of `harness truth --real`.")

    @property
    def has_aa(self) -> bool:
        """Whether the harness adds the arm "aa"; kind aa needs none, its treat is the copy."""
        if self.kind == "aa" or BASE not in self.arms:
            return False
        return self.kind == "ab" if self.design.aa is None else self.design.aa

    @property
    def arm_ids(self) -> list[str]:
        """Every arm that is run, hz3 arms first, references last."""
        own = sorted(self.arms, key=lambda name: (name != BASE, name != TREAT))
        return own + ([AA] if self.has_aa else []) + [r.arm for r in self.references]

    def lane_arms(self, lane: str) -> list[str]:
        """The arms that are run in this lane."""
        return [arm for arm in self.arm_ids if arm not in self.workloads[lane].without]
