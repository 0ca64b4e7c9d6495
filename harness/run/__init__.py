"""Run: carries out a plan, block by block, so that it may stop at any moment and go on later.

`directory` keeps the files of a run, `manifest` what it depends on, `environment` and `cpus` the
conditions every arm shares, `block` executes one block through the runner, `session` is the loop.
"""
