"""What the verdicts are worth: the judge on made-up experiments of which the truth is known.

    worlds.py     noise of every kind a machine makes
    questions.py  gates, true effects, and which answer is right
    looking.py    how the looks share the error: the rule in force, two others, and none
    experiment.py one experiment through the real plan, records and judge
    measure.py    a table of cells by the thousand, on all cores
    slow_mode.py  an arm that is slow now and then, against a guard
    economy.py    blocks spent by several looks and by one, at equal error and power
    rates.py      counts as rates with their intervals, and when a rate is too high
    study.py      all of these, and the error rates in them
    document.py   the study as Markdown; csv_files.py as tables, plot.py as a drawing
    command.py    `python3 -m harness truth`
"""
