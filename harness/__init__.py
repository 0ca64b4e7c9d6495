"""The lab: experiment -> plan -> build -> run -> measure -> judge -> report, one folder a step.

`harness.load_run(DIR)` gives a run's figures as pandas frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Union

if TYPE_CHECKING:
    from harness.frames import RunFrames


def load_run(where: Union[str, Path]) -> RunFrames:
    """See `harness.frames`; pandas is imported here and not before, for runs are measured without it."""
    from harness.frames import load_run as load

    return load(where)
