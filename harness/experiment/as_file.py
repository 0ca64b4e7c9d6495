"""An experiment written as the text of a file, for those that the harness makes itself."""

from __future__ import annotations

import json

import yaml

from harness.experiment.schema import Experiment


def as_file(experiment: Experiment, by: str) -> str:
    """The loader reads it back as the same; `by` is the command that wrote it."""
    data = json.loads(experiment.json(exclude_defaults=True))
    return f"# Written by `{by}`.\n" + str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110))
