"""Questions with known answers: a gate, a true effect, and which verdicts are then wrong.

An effect is the true ratio of treat to base, in a metric that is better when larger. Away from the
bound exactly one of GO and NO-GO is wrong. On the bound the gate's letter calls one of them right,
but a hair's breadth further it would be wrong, at the same rate: so there both are counted, each by
itself, as the worst case of its own error. No truth makes both wrong, so the two rates do not add.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model import Status

MARGIN = 0.02


@dataclass(frozen=True)
class Question:
    """`yaml` is the rule as an experiment file has it; `low` and `high` bound the ratios at which GO
    is right (None: no bound on that side)."""

    name: str
    yaml: str
    low: float | None
    high: float | None

    def right(self, ratio: float) -> Status | None:
        """The right answer; None on a bound."""
        if ratio in (self.low, self.high):
            return None
        below = self.low is not None and ratio < self.low
        above = self.high is not None and ratio > self.high
        return Status.NO_GO if below or above else Status.GO

    def wrong(self, ratio: float) -> tuple[Status, ...]:
        """The answers counted as errors."""
        right = self.right(ratio)
        return tuple(status for status in (Status.GO, Status.NO_GO) if status is not right)

    @property
    def effects(self) -> dict[str, float]:
        """Label to true ratio. The margin is the gate's own bound where it has one on that side."""
        low = self.low if self.low is not None and self.low < 1 else 1 - MARGIN
        high = self.high if self.high is not None else 1 + MARGIN
        return {"-3 %": 0.97, "-margin": low, "0": 1.0, "+margin": high, "+3 %": 1.03}


QUESTIONS = {
    question.name: question
    for question in (
        Question("guard", 'no_go_if: "ratio < 0.98"', 0.98, None),
        Question("target", 'go_if: "ratio >= 1.02"', 1.02, None),
        Question("same", "same_within: 0.02", 1 / 1.02, 1.02),
    )
}
