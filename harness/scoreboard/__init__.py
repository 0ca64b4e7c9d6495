"""The scoreboard: one table of hz3 beside every reference, in every lane.

    figures.py   which figure ranks a lane, and what the blocks say of it: pairs, ratios, geometric means
    board.py     a run's records as the rows and columns of the table
    text.py      the table as Markdown
    plot.py      speed against memory
    publish.py   writes them to results/published, moving an older scoreboard aside
    command.py   runs the experiment (experiments/scoreboard.yaml and real_programs.yaml) and does all this
    inputs/      what the real programs are given to do
"""
