"""The history: a line a gate and run, kept as runs end, and what it shows over time.

results/history.csv is the source and only ever grows; results/history.sqlite is an index made from it,
thrown away and made again when it is not of that file. A ratio may stand in one history with others of
the same gate, the same work and the same machine only: these three are a *series*.
"""
