"""A run as pandas frames, for papers and notebooks: `harness.load_run(DIR)`."""

from harness.frames.load import RunFrames, load_run

__all__ = ["RunFrames", "load_run"]
