"""Judging: from block records to GO, NO-GO, INCONCLUSIVE or VOID. Pure functions, no files."""

from harness.judge.judge import Levels, all_attempts, judge, next_look
from harness.judge.pairs import Pairs, RunTable, collect, log_ratios
from harness.judge.reliability import reliability, unreliable
from harness.judge.stats import Estimate, estimate

__all__ = [
    "Estimate",
    "Levels",
    "Pairs",
    "RunTable",
    "all_attempts",
    "collect",
    "estimate",
    "judge",
    "log_ratios",
    "next_look",
    "reliability",
    "unreliable",
]
