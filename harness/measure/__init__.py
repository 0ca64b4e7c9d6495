"""Measure: from what the runner saw to the figures a judge may use. Pure functions, no clock, no files.

`metrics` turns one runner line into named numbers, `stats_lines` reads the counters a library prints,
`validity` says why a run does not count, `disturbance` what the machine did to it, `record` puts the
four together.
"""
