"""Runs a test program on a broken allocator and demands that it finds the fault.

Exit status 0 when the program failed and said what it should, 1 when it passed or failed for
another reason, 2 for bad arguments.
"""
from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys

# What a test program returns when it has something to complain about; 2 and 3 mean that it could
# not run, which proves nothing.
CANNOT_RUN = (2, 3, 126, 127)


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fault", required=True, help="value of HZ3_BROKEN")
    parser.add_argument("--preload", required=True, help="the library of mutants")
    parser.add_argument("--says", required=True, help="pattern to be found in the output")
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)

    environment = dict(os.environ, HZ3_BROKEN=options.fault, LD_PRELOAD=options.preload)
    result = subprocess.run(
        options.command, env=environment, text=True, errors="replace", check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    print(result.stdout, end="")
    if result.returncode == 0:
        print(f"the test passed although the allocator has the fault {options.fault!r}")
        return 1
    if result.returncode in CANNOT_RUN:
        print(f"the test could not run: status {result.returncode}")
        return 1
    if not re.search(options.says, result.stdout):
        print(f"the test failed, but its output does not match {options.says!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
