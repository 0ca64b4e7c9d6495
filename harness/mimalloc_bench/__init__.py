"""The programs of a built mimalloc-bench checkout as lanes of any experiment.

Nothing of that suite is in this project: a person builds it elsewhere, and names the directory with
`--mimalloc-bench DIR`. `programs.py` says how each program is run and what it prints, `checkout.py`
turns those that are there into lanes.
"""

from harness.mimalloc_bench.checkout import lanes_of_checkout
from harness.mimalloc_bench.programs import PROGRAMS, SuiteProgram

__all__ = ["PROGRAMS", "SuiteProgram", "lanes_of_checkout"]
