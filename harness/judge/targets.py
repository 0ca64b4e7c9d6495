"""Several gates, one answer.

Prevents the accident that an experiment with two targets is GO though one was missed. All targets
must hold. Where the experiment asks for any one of them (`any_target`), it draws several times from
one urn, so a target is reached only at the level that Holm's procedure asks of it (Holm 1979, "A
simple sequentially rejective multiple test procedure"). Guards need no such correction: all of them
have to hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.experiment import Experiment
from harness.judge.text import plural
from harness.model import GateVerdict, Status


def overall(experiment: Experiment, gates: Sequence[GateVerdict]) -> Status:
    """The experiment's status, none of whose gates is void."""
    if experiment.kind == "table":
        return Status.COMPLETE
    if experiment.kind == "aa":
        return Status.INCONCLUSIVE
    targets = [v.status for g, v in zip(experiment.gates, gates) if g.is_target]
    guards = [v.status for g, v in zip(experiment.gates, gates) if not g.is_target]
    missed = all if experiment.any_target else any
    if Status.NO_GO in guards or (targets and missed(s == Status.NO_GO for s in targets)):
        return Status.NO_GO
    if Status.INCONCLUSIVE in guards + targets:
        return Status.INCONCLUSIVE
    return Status.GO


def pay_for_choice(
    experiment: Experiment,
    gates: Sequence[GateVerdict],
    at_level: Callable[[int, int], Status],
) -> None:
    """Takes back every target's GO that Holm's procedure does not grant. `at_level(i, k)` is what
    gate i says at its error divided by k. Of m targets the surest must hold at a share of 1/m, the
    next at 1/(m-1), and so on until one does not."""
    open_ = [i for i, gate in enumerate(experiment.gates) if gate.is_target]
    total = len(open_)
    while True:
        holding = [i for i in open_ if gates[i].status is Status.GO]
        granted = [i for i in holding if at_level(i, len(open_)) is Status.GO]
        if not granted:
            break
        # All that hold at this share hold at the larger shares that follow.
        open_ = [i for i in open_ if i not in granted]
    for i in open_:
        if gates[i].status is Status.GO:
            gates[i].status = Status.INCONCLUSIVE
            note = f"it holds by itself, but not as one of {plural(total, 'target')} (Holm)"
            gates[i].note = f"{gates[i].note}; {note}" if gates[i].note else note


def missed_targets(experiment: Experiment, gates: Sequence[GateVerdict]) -> list[str]:
    """The targets that were missed although the experiment may be GO without them."""
    return [
        verdict.id
        for gate, verdict in zip(experiment.gates, gates)
        if gate.is_target and verdict.status is Status.NO_GO
    ]
