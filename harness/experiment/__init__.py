"""Experiments: reading, checking and adjusting the YAML files of `experiments/`."""

from harness.experiment.editor_schema import SCHEMA_FILE, editor_schema, editor_schema_text
from harness.experiment.loader import arm_places, load_experiment, parse_experiment
from harness.experiment.looks import is_extendable, lane_look_counts, least_pairs, look_alphas, look_counts
from harness.experiment.options import MoreLanes, RunOptions, apply_options, apply_quick, with_lanes
from harness.experiment.predicate import (
    EvidenceExpr,
    Predicate,
    parse_evidence,
    parse_predicate,
)
from harness.experiment.schema import (
    Arm,
    Design,
    Experiment,
    Gate,
    Nightly,
    Quick,
    Reference,
    Truth,
    TruthCase,
    Workload,
)
from harness.experiment.source import ExperimentError, Problem

__all__ = [
    "Arm",
    "Design",
    "EvidenceExpr",
    "Experiment",
    "ExperimentError",
    "Gate",
    "MoreLanes",
    "Nightly",
    "Predicate",
    "Problem",
    "Quick",
    "Reference",
    "RunOptions",
    "SCHEMA_FILE",
    "Truth",
    "TruthCase",
    "Workload",
    "apply_options",
    "apply_quick",
    "arm_places",
    "editor_schema",
    "editor_schema_text",
    "is_extendable",
    "lane_look_counts",
    "least_pairs",
    "load_experiment",
    "look_alphas",
    "look_counts",
    "parse_evidence",
    "parse_experiment",
    "parse_predicate",
    "with_lanes",
]
