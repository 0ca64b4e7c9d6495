"""The nightly gate: every lane briefly, the suspicious ones well, one answer.

How the error is paid for. The first stage decides nothing: it acquits or suspects. The second has a plan
of its own and blocks that nobody has seen, so whichever lanes it holds, and for whatever reason they were
chosen, each of its k gates errs at error / k and all together at most at error (Bonferroni; the choice
costs nothing because it does not look at the data that decide). tests/test_error.py holds the rate of
false alarms of whole nights to that in simulation.
"""
