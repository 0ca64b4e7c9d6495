#!/bin/sh
# Samples the memory of one command into a CSV; a thin front of hz3-runner. See --help.
root=$(cd "$(dirname "$0")/.." && pwd) || exit 5
exec /usr/bin/python3 -B "$root/harness/runner/mem_timeseries.py" "$@"
