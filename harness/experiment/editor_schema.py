"""The JSON Schema of experiment files, for editors: `experiments/experiment.schema.json`.

Generated from the models, so that completion, hover texts and checks in an editor never disagree
with the loader; a test compares the committed file with what this module gives. A file opts in with
the first line `# yaml-language-server: $schema=experiment.schema.json`.
"""

from __future__ import annotations

import json
from typing import Any

from harness.experiment.schema import Experiment

SCHEMA_FILE = "experiments/experiment.schema.json"


def editor_schema() -> dict[str, Any]:
    """The schema as plain data."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **Experiment.schema(),
        "title": "hz3 lab experiment",
    }


def editor_schema_text() -> str:
    """The schema as the text of `SCHEMA_FILE`."""
    return json.dumps(editor_schema(), indent=2, ensure_ascii=False) + "\n"
