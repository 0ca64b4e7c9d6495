"""The record of one night: what was compared, what each gate says, and the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional

from harness.model import RECORD_SCHEMA, Status
from harness.nightly.triage import GateOutcome, Outcome


@dataclass(frozen=True)
class Night:
    """`base` and `treat` say in words what the arms are; `runs` are the run directories by stage;
    `remarks` what must be read with the answer: failed runs, missing evidence, same bytes."""

    experiment: str
    night: str
    base: str
    treat: str
    error: float
    status: Status
    gates: List[GateOutcome] = field(default_factory=list)
    runs: Dict[str, str] = field(default_factory=dict)
    blocks: Dict[str, int] = field(default_factory=dict)
    remarks: List[str] = field(default_factory=list)
    base_commit: Optional[str] = None
    treat_commit: Optional[str] = None

    def with_outcome(self, *wanted: Outcome) -> List[GateOutcome]:
        return [gate for gate in self.gates if gate.outcome in wanted]

    @property
    def suspected(self) -> int:
        return sum(gate.outcome is not Outcome.PASSED for gate in self.gates)

    def to_json(self) -> Dict[str, Any]:
        return {
            "schema": RECORD_SCHEMA,
            "experiment": self.experiment,
            "night": self.night,
            "status": self.status.value,
            "exit_status": self.status.exit_status,
            "base": self.base,
            "treat": self.treat,
            "base_commit": self.base_commit,
            "treat_commit": self.treat_commit,
            "error": self.error,
            "runs": self.runs,
            "blocks": self.blocks,
            "remarks": self.remarks,
            "gates": [gate.to_json() for gate in self.gates],
        }
