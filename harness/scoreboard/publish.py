"""Puts a scoreboard where it is kept: `<dest>/scoreboard.md`, `.svg` and `.png`.

There is one newest scoreboard. The one before it moves, whole, to
`<dest>/scoreboard/older/<its run id>/`. A run's scoreboard may be written again, for it is made from
the run's records and says the same; nothing else is ever written over.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Dict, Optional

from harness.errors import UserError
from harness.model import Verdict
from harness.report import canvas
from harness.report.publication import project_root, scrub
from harness.run.store import disk_errors
from harness.scoreboard.board import Board
from harness.scoreboard.plot import draw
from harness.scoreboard.text import scoreboard_text

NAMES = ("scoreboard.md", "scoreboard.svg", "scoreboard.png")
_RUN = re.compile(r"^Run `([^`]+)`", re.MULTILINE)


def publish_scoreboard(board: Board, verdict: Optional[Verdict], where: Path, dest: Path) -> Path:
    """`where` is the run's directory. Returns the path of the table."""
    text = scrub(scoreboard_text(board, verdict), project_root(where))
    files: Dict[str, bytes] = {"scoreboard.md": text.encode()}
    figure = draw(board)
    if figure is not None:
        with canvas.style():
            files["scoreboard.svg"] = canvas.to_svg(figure).encode()
            files["scoreboard.png"] = canvas.to_png(figure)
    with disk_errors(dest):
        dest.mkdir(parents=True, exist_ok=True)
        _retire(dest, board.run_id)
        for name, data in files.items():
            aside = dest / f".{name}.tmp"
            aside.write_bytes(data)
            os.replace(aside, dest / name)
    return dest / "scoreboard.md"


def _retire(dest: Path, coming: str) -> None:
    """Moves the scoreboard of another run aside."""
    table = dest / "scoreboard.md"
    if not table.exists():
        return
    found = _RUN.search(table.read_text(encoding="utf-8"))
    if found is None:
        raise UserError(f"{table}: names no run, so it was not made by the lab; move it away first")
    if found[1] == coming:
        return
    home = dest / "scoreboard" / "older" / found[1]
    if home.exists():
        raise UserError(f"{home}: exists already; move it away before writing another scoreboard")
    home.mkdir(parents=True)
    for name in NAMES:
        if (dest / name).exists():
            os.replace(dest / name, home / name)
