"""One gate: paired figures in, GO / NO-GO / INCONCLUSIVE / VOID out.

The interval decides, never the estimate: a predicate that holds on the whole interval, or on none
of it, is an answer; anything between is INCONCLUSIVE, with a guess of how many more blocks it would
take. Ratio gates work on ln(arm / against) per block. Absolute gates (`treat <= 10240`) work on the
logs of one arm's figures, or on the plain figures where some are not above zero.

What was decided then meets the objections, each a rule in a file of its own: the control
(`control.py`), slow modes (`tail.py`), a disturbed machine (`disturbed.py`). An objection turns a
decision into INCONCLUSIVE and never the other way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Optional

from harness.experiment import Gate, least_pairs
from harness.judge import exact
from harness.judge.control import Control, gate_margin, position_note
from harness.judge.pairs import Pairs, log_ratios
from harness.judge.plausible import constant, impossible, is_exact
from harness.judge.processors import states, states_note
from harness.judge.stats import Estimate, blocks_needed, estimate, minimal_detectable_effect
from harness.judge.tail import mean_interval, two_modes
from harness.judge.text import fraction, percent, plural, tidy
from harness.model import GateVerdict, Status

DROPPED_MOST = 0.20  # of a gate's blocks; more may no longer be accident


@dataclass(frozen=True)
class Scale:
    """The transformed scale a gate is decided on: logs, or for absolute gates perhaps plain."""

    log: bool

    def back(self, x: Optional[float]) -> Optional[float]:
        if x is None:
            return None
        return tidy(math.exp(x) if self.log else x)

    def to(self, x: float) -> float:
        return math.log(x) if self.log else x


def evaluate_gate(
    gate: Gate,
    pairs: Pairs,
    alpha: float,
    control: Optional[Control] = None,
    void: Sequence[str] = (),
    objection: str = "",
) -> GateVerdict:
    """Judges `gate`. `alpha` is the one-sided error of this look, `control` what the A/A arm says
    about the metric, `void` what the caller already knows to disqualify it, `objection` a clause
    that lets it decide nothing."""
    verdict = _frame(gate, pairs, alpha, None if control is None else control.floor)
    reasons = [*void, *_disqualified(gate, pairs)]
    if reasons:
        return _void(verdict, "; ".join(reasons))
    absolute = verdict.kind == "absolute"
    values = _absolute_values(gate, pairs) if absolute else log_ratios(pairs)
    if values is None:
        text = "a figure is 0 or below, so no ratio exists; use a gate like `treat <= N`"
        return _void(verdict, text)
    scale = Scale(log=not absolute or min(values) > 0)
    if absolute and scale.log:
        values = [math.log(v) for v in values]
    repeats = gate.exact_within is not None
    found = exact.estimate(values, gate) if repeats else estimate(values, alpha, gate.statistic)
    verdict.estimate, verdict.low, verdict.high = map(
        scale.back, (found.value, found.low, found.high)
    )
    if scale.log and found.half_width is not None and not repeats:
        verdict.mde = tidy(math.expm1(minimal_detectable_effect(found.half_width, alpha)))
    verdict.status = _decide(gate, verdict.low, verdict.high)
    if repeats:  # and so more blocks would decide nothing else
        verdict.confidence = None  # a range, not an interval of some confidence
        _hear(verdict, exact.objection(gate, values, control))
    else:
        _say_needs(verdict, found, scale, alpha)
    if not repeats and not absolute:
        if control is not None and control.floor is not None:
            _apply_floor(gate, verdict, found, control.floor)
            _hear(verdict, control.doubt)
            _hear(verdict, _control_objection(gate, verdict, control, alpha))
        _hear(verdict, _tail_objection(gate, verdict, values, alpha))
        _append(verdict, position_note(pairs, values))
        for arm, figures in ((gate.arm, pairs.arm), (gate.against, pairs.against)):
            for state in states(pairs.apart):
                _append(verdict, _modes(arm, [figures[i] for i in state]))
    _hear(verdict, objection)
    if pairs.dropped:
        _append(verdict, f"{plural(pairs.dropped, 'block')} left out: a run did not count")
    if pairs.moved:
        _append(verdict, f"{plural(pairs.moved, 'block')} set aside: the machine moved its processors within them")
    if not is_exact(gate.key):
        _append(verdict, states_note(pairs.apart))
    return verdict


def _hear(verdict: GateVerdict, objection: str) -> None:
    """A decision with an objection against it is none."""
    if objection and verdict.status in (Status.GO, Status.NO_GO):
        verdict.status = Status.INCONCLUSIVE
        _append(verdict, objection)


def _control_objection(
    gate: Gate, verdict: GateVerdict, control: Control, alpha: float
) -> str:
    """A gate that says "no worse" or "the same" is no better than the proof that equal arms are."""
    margin = gate_margin(gate)
    if verdict.status != Status.GO or margin is None or claims_difference(gate):
        return ""
    return control.unlike(margin, alpha)


def _tail_objection(
    gate: Gate, verdict: GateVerdict, logs: Sequence[float], alpha: float
) -> str:
    """A guard must hold for the mean as well, which slow modes shift and the centre ignores."""
    if verdict.status != Status.GO or gate.is_target:
        return ""
    low, high = map(math.exp, mean_interval(logs, alpha))
    if _decide(gate, tidy(low), tidy(high)) == Status.GO:
        return ""
    return (
        f"the mean is {math.exp(sum(logs) / len(logs)):.4g} [{low:.4g}, {high:.4g}] and does not "
        "keep to the bound: a few runs stand far out, look at the figures by run"
    )


def _modes(arm: str, figures: Sequence[float]) -> str:
    found = two_modes(figures)
    if found is None:
        return ""
    return f"{arm} has two modes: {found[0]} of {plural(len(figures), 'run')} at {found[1]:.3g} times the rest"


def gate_kind(gate: Gate) -> str:
    """target, guard, same or absolute."""
    if gate.predicate is None:
        return "same"
    if gate.predicate.subject != "ratio":
        return "absolute"
    return "target" if gate.is_target else "guard"


def claims_difference(gate: Gate) -> bool:
    """Whether a GO says that the arms differ, i.e. a ratio of exactly 1 would not be a GO."""
    if gate_kind(gate) not in ("target", "guard"):
        return False
    return _decide(gate, 1.0, 1.0) != Status.GO


def _frame(gate: Gate, pairs: Pairs, alpha: float, floor: Optional[float]) -> GateVerdict:
    """All of the verdict that does not depend on an estimate."""
    kind = gate_kind(gate)
    predicate = gate.predicate
    if predicate is None:
        width = float(gate.same_within or 0)
        bounds = [tidy(1 / (1 + width)), tidy(1 + width)]
    else:
        bounds = [predicate.bound]
    of_base = predicate is not None and predicate.subject == "base"
    return GateVerdict(
        id=gate.id or gate.metric,
        metric=gate.metric,
        arm=gate.against if of_base else gate.arm,
        against=None if kind == "absolute" else gate.against,
        rule=gate.rule,
        kind=kind,
        status=Status.INCONCLUSIVE,
        confidence=tidy(1 - 2 * alpha),
        bounds=bounds,
        n=pairs.n,
        median_base=tidy(median(pairs.against)) if pairs.n else None,
        median_treat=tidy(median(pairs.arm)) if pairs.n else None,
        noise_floor=None if floor is None or kind == "absolute" else tidy(math.expm1(floor)),
    )


def _disqualified(gate: Gate, pairs: Pairs) -> list[str]:
    if pairs.defects:
        more = len(pairs.defects) - 1
        return [pairs.defects[0] + (f" (and {more} more)" if more else "")]
    total = pairs.n + pairs.moved + pairs.dropped
    why = f": {pairs.why[0]}" if pairs.why else ""
    if pairs.n == 0 and pairs.moved:
        return ["the machine moved its processors within every block; run it again when it rests"]
    if pairs.n == 0:
        return [f"no block has two runs that count{why}"]
    if pairs.dropped > DROPPED_MOST * total:
        return [f"runs did not count in {pairs.dropped} of {total} blocks{why}"]
    if len(pairs.lost) == 1:  # losing runs is something this arm does, so the rest is a selection
        ((arm, count),) = pairs.lost.items()
        if arm == gate.arm or count > 1:  # one run of the other arm is one accident
            return [f"only runs of {arm} did not count ({count} of {total} blocks){why}"]
    for arm, values in ((gate.arm, pairs.arm), (gate.against, pairs.against)):
        if wrong := impossible(gate.key, values):
            return [f"arm {arm}: {wrong}"]
    if same := constant(gate.key, pairs.arm, pairs.against):
        return [same]
    if pairs.imbalance > 1 + pairs.dropped + pairs.moved:
        return [f"the order is unbalanced by {pairs.imbalance} of {pairs.n} blocks; use the plan"]
    return []


def _absolute_values(gate: Gate, pairs: Pairs) -> list[float]:
    predicate = gate.predicate
    return pairs.against if predicate is not None and predicate.subject == "base" else pairs.arm


def _decide(gate: Gate, low: Optional[float], high: Optional[float]) -> Status:
    if low is None or high is None:
        return Status.INCONCLUSIVE
    predicate = gate.predicate
    if predicate is None:
        width = float(gate.same_within or 0)
        least, most = tidy(1 / (1 + width)), tidy(1 + width)
        if least <= low and high <= most:
            return Status.GO
        return Status.NO_GO if high < least or most < low else Status.INCONCLUSIVE
    ends = predicate.holds(low), predicate.holds(high)
    if ends[0] != ends[1]:
        return Status.INCONCLUSIVE
    return Status.GO if ends[0] == gate.is_target else Status.NO_GO


def _say_needs(verdict: GateVerdict, found: Estimate, scale: Scale, alpha: float) -> None:
    """For an undecided gate: how many blocks more, or that more will hardly help."""
    if verdict.status != Status.INCONCLUSIVE:
        return
    if found.half_width is None:
        verdict.needs_blocks = max(1, least_pairs(alpha) - found.n)
        _append(verdict, f"{plural(found.n, 'pair')} give no interval")
    else:
        usable = [b for b in verdict.bounds if b > 0 or not scale.log]
        distance = min((abs(found.value - scale.to(b)) for b in usable), default=0.0)
        verdict.needs_blocks = blocks_needed(found.n, found.half_width, distance, alpha)
    if verdict.needs_blocks is None:
        _append(verdict, "the estimate lies on the bound; more blocks will hardly decide")
    else:
        _append(verdict, f"needs about {plural(verdict.needs_blocks, 'more block')}")


def _apply_floor(gate: Gate, verdict: GateVerdict, found: Estimate, floor: float) -> None:
    """A claimed difference that the machine could have invented is no GO."""
    if verdict.status != Status.GO or not claims_difference(gate):
        return
    difference = abs(found.value)
    if difference >= floor:
        return
    verdict.status = Status.INCONCLUSIVE
    if difference > 0 and found.n * (floor / difference) ** 2 <= 10_000:
        verdict.needs_blocks = max(1, math.ceil(found.n * ((floor / difference) ** 2 - 1)))
    size = percent(math.expm1(floor))
    _append(verdict, f"{fraction(found.value)} is below the noise floor of {size}")


def _void(verdict: GateVerdict, note: str) -> GateVerdict:
    """A void gate shows no estimate that could be quoted."""
    verdict.status, verdict.note = Status.VOID, note
    return verdict


def _append(verdict: GateVerdict, note: str) -> None:
    if note:
        verdict.note = f"{verdict.note}; {note}" if verdict.note else note
