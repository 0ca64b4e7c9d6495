"""Writes the golden fast paths anew from a built library, and shows what changed.

    python3 hz3/tests/golden/update_golden.py [BUILD_DIR]

The default variant's, or those of HZ3_GOLDEN_VARIANT. To be run, and its output committed, when a change of the fast path is meant.
"""
from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from fast_path import LIMITS, fast_path, shape  # noqa: E402
from golden_files import golden_file, golden_library  # noqa: E402


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        print(__doc__, file=sys.stderr)
        return 2
    if argv:
        os.environ["HZ3_BUILD_DIR"] = argv[0]
    library = golden_library()
    for function in LIMITS:
        path = golden_file(library, function)
        new = [shape(instruction) for instruction in fast_path(library, function)]
        old = path.read_text().splitlines() if path.exists() else []
        path.write_text("\n".join(new) + "\n")
        print(f"{path.name}: {len(new)} instructions")
        for line in difflib.unified_diff(old, new, "before", "after", lineterm=""):
            print("  " + line)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
