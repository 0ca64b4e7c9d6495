"""`harness truth`: measures what the verdicts are worth, and writes it down.

The files may be written over: unlike a run they can be had again from the command line and the seed.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from harness.errors import UserError
from harness.report import canvas
from harness.run.store import disk_errors, write_whole
from harness.truth.csv_files import cells_csv, looks_csv
from harness.truth.document import PLOT, truth_text
from harness.truth.measure import Workers
from harness.truth.plot import draw
from harness.truth.rates import LIMIT
from harness.truth.study import Study, error_rates, faults, study

RUNS, QUICK_RUNS = 2000, 40
SEED = 20260109


def run_truth(dest: Path, runs: int, seed: int, jobs: int | None, command: Sequence[str]) -> int:
    """0 when every error rate keeps to the limit, 1 when one is above it beyond doubt."""
    if runs < 1 or seed < 0 or (jobs is not None and jobs < 1):
        raise UserError("truth: --runs and --jobs are 1 or more, --seed is 0 or more")
    made = study(Workers(seed, jobs), runs)
    print(write(made, dest, shlex.join(command), date.today().isoformat()))
    bad = faults(made.verdicts)
    if bad:
        print(f"truth: {len(bad)} error rates are above {LIMIT * 100:.0f} % beyond doubt; see the table", file=sys.stderr)
    return 1 if bad else 0


def write(made: Study, dest: Path, command: str, day: str) -> Path:
    """Returns the path of the document."""
    table = dest / "truth.md"
    write_whole(table, truth_text(made, command, day))
    write_whole(dest / "cells.csv", cells_csv(made))
    write_whole(dest / "looks.csv", looks_csv(made))
    with canvas.style():
        figure = draw(error_rates(made.verdicts))
        write_whole(dest / PLOT, canvas.to_svg(figure))
        with disk_errors(dest):
            (dest / "truth.png").write_bytes(canvas.to_png(figure))
    return table
