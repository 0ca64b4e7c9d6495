"""The log of attempts: every run that was begun, whatever became of it, a JSON line each.

A block is kept whole or not at all, so a run that crashed in a block which was then interrupted would
be forgotten and rolled again. It is not: its line is on disk before the next run begins, and the judge
reads the log beside the blocks.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import List

from harness.model import RunRecord
from harness.run.store import disk_errors

ATTEMPTS = "attempts.jsonl"


@dataclass(frozen=True)
class AttemptLog:
    path: Path

    def append(self, run: RunRecord) -> None:
        """On disk when it returns."""
        line = json.dumps(run.to_json(), sort_keys=True, ensure_ascii=False, allow_nan=False)
        with disk_errors(self.path):
            torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(("\n" if torn else "") + line + "\n")
                stream.flush()
                os.fsync(stream.fileno())

    def read(self) -> List[RunRecord]:
        """All attempts in the order they were made; a line that a crash tore is left out."""
        if not self.path.exists():
            return []
        with disk_errors(self.path):
            text = self.path.read_text(encoding="utf-8", errors="replace")
        found = []
        for line in text.splitlines():
            try:
                found.append(RunRecord.from_json(json.loads(line)))
            except (ValueError, TypeError, KeyError):
                continue
        return found
