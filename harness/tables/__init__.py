"""Runs as tables to paste: medians by arm, arms against one, base and treatment, memory by cycle.

Works on raw runs (results/<experiment>/<run>) and on publications (results/published/<experiment>)
alike, because both hold runs.csv, manifest.json and verdict.json, and reads nothing else.
"""
