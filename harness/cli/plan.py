"""`plan`: what a run would do, without doing it."""

from __future__ import annotations

import argparse
import sys

from harness.cli.commands import Commands
from harness.cli.options import experiment_options, json_option, options, print_json, results_dir, results_option
from harness.cli.request import more_lanes


def add_plan(commands: Commands) -> None:
    plan = commands.add("plan", _plan, "show the blocks and the order of an experiment, and whether a run would go on")
    experiment_options(plan)
    results_option(plan)
    json_option(plan)


def _plan(args: argparse.Namespace) -> int:
    from harness.forecast import forecast, forecast_json, forecast_text, forecast_warnings, look_back
    from harness.plan import make_plan
    from harness.run.command import effective_experiment, find_experiment, shown_path
    from harness.run.doubts import gate_doubts, refuse_unknown_figures
    from harness.run.overview import find_unfinished_run, plan_json, plan_text, unfinished_text
    from harness.run.prepare import without_missing_lanes

    file = find_experiment(args.experiment, args.root)
    experiment, _ = effective_experiment(file, options(args), args.allocator, more_lanes(args))
    experiment, skipped = without_missing_lanes(experiment, args.root)
    shown = shown_path(file, args.root)
    refuse_unknown_figures(experiment, file, shown)
    plan = make_plan(experiment, args.quick)
    foretold = forecast(experiment, plan, look_back(experiment, [results_dir(args), args.root / "results" / "published"]))
    for text in [*skipped, *gate_doubts(experiment, file, shown), *forecast_warnings(foretold)]:
        print(f"warning: {text}", file=sys.stderr)
    unfinished = find_unfinished_run(experiment, plan, results_dir(args), args.root.resolve())
    if args.json:
        return print_json(plan_json(experiment, plan, unfinished, forecast_json(foretold)))
    print(plan_text(experiment, plan))
    print(forecast_text(foretold))
    if unfinished is not None:
        print(unfinished_text(unfinished))
    return 0
