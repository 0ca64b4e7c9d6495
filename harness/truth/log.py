"""What the real experiments said, a line each, on disk before the next begins."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Optional

from harness.errors import UserError
from harness.model import Status, Verdict
from harness.run.store import disk_errors

ROUNDS = "rounds.jsonl"


@dataclass(frozen=True)
class Said:
    """The verdict of one round. `failed` counts the failed runs of treat, `estimates` are the gates'
    centres where they have one; `builds` tells of which libraries it speaks."""

    case: str
    number: int
    status: Status
    blocks: int
    runs: int
    disturbed: int
    failed: int
    seconds: float
    builds: str
    estimates: dict[str, float] = field(default_factory=dict)
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "status": self.status.value}


def said(case: str, number: int, verdict: Verdict, failed: int, seconds: float, builds: str) -> Said:
    estimates = {gate.id: gate.estimate for gate in verdict.gates if gate.estimate is not None}
    why = "; ".join(verdict.reasons[:3])
    return Said(
        case, number, verdict.status, verdict.blocks, verdict.runs, verdict.disturbed_runs, failed, round(seconds, 2), builds, estimates, why
    )


class Log:
    """The lines of `rounds.jsonl`; a torn last one, of a round cut off, is made anew."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / ROUNDS

    def read(self) -> list[Said]:
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                data = json.loads(line)
                found.append(Said(**{**data, "status": Status(data["status"])}))
            except (ValueError, TypeError, KeyError):
                continue
        return found

    def append(self, one: Said) -> None:
        line = json.dumps(one.to_json(), sort_keys=True, ensure_ascii=False, allow_nan=False)
        with disk_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torn = self.path.exists() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(("\n" if torn and self.path.stat().st_size else "") + line + "\n")
                stream.flush()
                os.fsync(stream.fileno())


def made_of(found: Iterable[Said], builds: str, folder: Path) -> dict[tuple[str, int], Said]:
    """By case and round. Verdicts on other builds say nothing about these."""
    rounds = {(one.case, one.number): one for one in found}
    other: Optional[Said] = next((one for one in rounds.values() if one.builds != builds), None)
    if other is not None:
        raise UserError(
            f"{folder}: holds verdicts on other builds ({other.builds}, now {builds}); give --to another folder, or move this one away"
        )
    return rounds
