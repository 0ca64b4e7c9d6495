"""The counts of the study as CSV files, for readers who want to compute with them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from harness.model import Status
from harness.truth.economy import Fixed
from harness.truth.measure import Cell
from harness.truth.questions import QUESTIONS
from harness.truth.study import LOOKS, Study, effect_label

_STATUSES = (Status.GO, Status.NO_GO, Status.INCONCLUSIVE, Status.VOID)


def cells_csv(study: Study) -> str:
    """A row a cell of the verdicts, counts as they are."""
    header = ["gate", "noise", "effect", "ratio", "design", "experiments", "right"]
    header += [*(s.value for s in _STATUSES), "mean_blocks"]
    header += [*(f"extended_{s.value}" for s in _STATUSES), "extended_mean_blocks"]
    rows = []
    for cell, tally in study.verdicts.items():
        right = QUESTIONS[cell.question].right(cell.ratio)
        row = [cell.question, cell.world, effect_label(cell), f"{cell.ratio:.6g}", cell.plan.text, tally.runs]
        row += ["" if right is None else right.value]
        row += [*(tally.statuses[s] for s in _STATUSES), f"{tally.mean_blocks():.3f}"]
        more = [*(tally.extended[s] for s in _STATUSES), f"{tally.mean_blocks(True):.3f}"]
        rows.append(row + (more if cell.plan.extend else [""] * len(more)))
    return _csv(header, rows)


def looks_csv(study: Study) -> str:
    """A row a cell and rule, with the matching fixed designs beside Pocock's."""
    header = ["gate", "noise", "effect", "ratio", "rule", "experiments", *(s.value for s in _STATUSES)]
    header += ["mean_blocks", "one_look_knowing", "one_look_planned"]
    knowing: dict[Cell, Fixed] = {fixed.cell: fixed for fixed in study.economy.knowing}
    rows = []
    for cell, tally in study.rules.items():
        planned = study.economy.planned.get((cell.world, cell.question))
        fixed = knowing.get(cell)
        row = [cell.question, cell.world, effect_label(cell), f"{cell.ratio:.6g}", cell.looking, tally.runs]
        row += [*(tally.statuses[s] for s in _STATUSES), f"{tally.mean_blocks():.3f}"]
        row += [fixed.blocks or f">{LOOKS.most}" if fixed else "", planned.fixed.blocks if planned and fixed else ""]
        rows.append(row)
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()
