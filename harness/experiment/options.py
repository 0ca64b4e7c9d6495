"""What the command line may change about an experiment, applied as changed copies.

A run stores the options beside the experiment's text, so that judging it later sees the same
effective experiment. The order is fixed: kind aa, lanes, quick, blocks; the command line wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Optional

from harness.experiment.looks import least_blocks, look_alphas
from harness.experiment.schema import Arm, Experiment, Quick, Workload
from harness.experiment.source import nearest
from harness.model import BASE, TREAT


@dataclass(frozen=True)
class RunOptions:
    """--quick, --aa, --blocks N, --only LANE…; `only` empty means every lane."""

    quick: bool = False
    aa: bool = False
    blocks: Optional[int] = None
    only: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "only": list(self.only)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunOptions:
        known = {f.name for f in fields(cls)}
        return cls(**{k: tuple(v) if k == "only" else v for k, v in data.items() if k in known})


def apply_options(experiment: Experiment, options: RunOptions) -> Experiment:
    """The experiment that is really run. Raises ValueError (`what; what to do`) for bad options."""
    if options.aa:
        experiment = complete_aa(apply_aa(experiment))
    if options.only:
        experiment = apply_only(experiment, options.only)
    if options.quick:
        experiment = apply_quick(experiment)
    if options.blocks is not None:
        return apply_blocks(experiment, options.blocks)
    if options.quick:
        _check_quick_decides(experiment)
    return experiment


@dataclass(frozen=True)
class MoreLanes:
    """Lanes from elsewhere (`source` says where), with the arguments --quick gives them."""

    source: str
    workloads: Mapping[str, Workload]
    quick_args: Mapping[str, list[str]] = field(default_factory=dict)


def with_lanes(experiment: Experiment, more: MoreLanes) -> Experiment:
    """The experiment with further lanes behind its own. Arms they leave out that it does not have are
    left out already."""
    taken = sorted(set(experiment.workloads) & set(more.workloads))
    if taken:
        raise ValueError(f"lane {taken[0]} of {more.source} has the name of a lane there is; rename one")
    quick = experiment.quick or Quick()
    args = {**quick.args, **more.quick_args}
    workloads = {**experiment.workloads, **more.workloads}
    return experiment.copy(update={"workloads": workloads, "quick": quick.copy(update={"args": args})})


def apply_quick(experiment: Experiment) -> Experiment:
    """One look at few blocks, small arguments. Without a quick section: 6 blocks, own arguments."""
    quick = experiment.quick or Quick()
    design = experiment.design.copy(
        update={
            "blocks": quick.blocks,
            "max_blocks": quick.blocks,
            "warmup": experiment.design.warmup if quick.warmup is None else quick.warmup,
        }
    )
    workloads = {
        lane: workload.copy(update={"args": quick.args[lane]}) if lane in quick.args else workload
        for lane, workload in experiment.workloads.items()
    }
    return experiment.copy(update={"design": design, "workloads": workloads, "quick": None})


def _check_quick_decides(quick: Experiment) -> None:
    """Says of the default of 6 blocks what the loader says of a `quick:` section."""
    blocks = quick.design.blocks
    least = _least(quick, blocks)
    if blocks < least:
        raise ValueError(
            f"--quick makes {blocks} blocks, which cannot decide at confidence {quick.design.confidence:g}; "
            f"give --blocks {least}, or write quick: {{blocks: {least}}} into the experiment"
        )


def _least(experiment: Experiment, blocks: int) -> int:
    """The fewest blocks that one look, at `blocks`, can decide the gates with."""
    return least_blocks(experiment.gates, look_alphas(experiment.design, [blocks])[0]) if experiment.gates else 1


def apply_blocks(experiment: Experiment, blocks: int) -> Experiment:
    """Exactly so many blocks and one look."""
    least = _least(experiment, blocks)
    if blocks < least:
        confidence = experiment.design.confidence
        raise ValueError(
            f"--blocks {blocks} cannot decide at confidence {confidence:g}; use at least {least}"
        )
    design = experiment.design.copy(update={"blocks": blocks, "max_blocks": blocks})
    return experiment.copy(update={"design": design})


def apply_only(experiment: Experiment, lanes: Sequence[str]) -> Experiment:
    """Only these lanes and the gates and evidence on them."""
    for lane in lanes:
        if lane not in experiment.workloads:
            advice = nearest(lane, experiment.workloads)
            raise ValueError(f"--only: unknown lane {lane!r}; {advice}")
    gates = [gate for gate in experiment.gates if gate.lane in lanes]
    if experiment.gates and not gates:
        gated = sorted({gate.lane for gate in experiment.gates})
        raise ValueError(f"--only leaves no gate to decide; add one of {', '.join(gated)}")
    workloads = {k: w for k, w in experiment.workloads.items() if k in lanes}
    dropped = [f"{lane}." for lane in experiment.workloads if lane not in lanes]
    evidence = {
        arm: [text for text in texts if not text.lstrip().startswith(tuple(dropped))]
        for arm, texts in experiment.evidence.items()
    }
    return experiment.copy(update={"workloads": workloads, "gates": gates, "evidence": evidence})


def apply_aa(experiment: Experiment) -> Experiment:
    """The same lanes and gates with a copy of base as treat; nothing else is run. Evidence on treat
    falls away with its mechanism."""
    if BASE not in experiment.arms:
        raise ValueError("--aa needs an arm 'base' to compare with itself; add one")
    gates = [gate for gate in experiment.gates if (gate.arm, gate.against) == (TREAT, BASE)]
    if not gates:
        raise ValueError("--aa: no gate compares treat with base; nothing would be checked")
    base = {BASE: experiment.arms[BASE]}
    evidence = {arm: texts for arm, texts in experiment.evidence.items() if arm == BASE}
    changed = {
        "kind": "aa",
        "arms": base,
        "references": [],
        "gates": gates,
        "evidence": evidence,
        "difference": None,
    }
    return experiment.copy(update=changed)


def complete_aa(experiment: Experiment) -> Experiment:
    """In kind aa, treat is base once more; elsewhere nothing changes."""
    if experiment.kind != "aa" or TREAT in experiment.arms:
        return experiment
    copy: Arm = experiment.arms[BASE]
    return experiment.copy(update={"arms": {**experiment.arms, TREAT: copy}})
