"""The command line: `python3 -m harness COMMAND`. Parses, dispatches, and turns mistakes into sentences.

Nothing heavy is imported until a command needs it, so that `--help` is instant and the process that
measures stays small.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable, List, NoReturn, Optional, Sequence

from harness import last_resort
from harness.errors import EXIT_BROKEN_PIPE, EXIT_STATUSES, UserError
from harness.model import EXIT_BAD_INPUT, EXIT_FAILED, json_text

if TYPE_CHECKING:
    from harness.experiment import MoreLanes, RunOptions
    from harness.run.command import RunRequest
    from harness.tables.command import TableRequest

ROOT = Path(__file__).resolve().parent.parent

_STATUSES = "exit status:\n" + "\n".join(f"  {status:>3}  {means}" for status, means in EXIT_STATUSES)

_RUN_HELP = """\
Runs an experiment: builds its variants, proves that they differ as declared, runs base, treatment and
references interleaved in randomised blocks, judges, and writes a report.

EXPERIMENT is a file, or the name of one in experiments/. A run of the same experiment with the same
options continues an unfinished run directory; blocks that are complete are kept, a half block is made
anew. Figures go to results/<experiment>/<run>/: start with report.md. The answer is printed before these
are written. One run measures on a machine at a time; a second is refused, or waits (--wait).

examples:
  tools/run s62 --quick             six blocks with small arguments: does it work at all
  tools/run s62                     the experiment as declared
  tools/run s62 --only idle         one lane
  tools/run s62 --aa                base against its own copy: how noisy is this machine
  tools/run s62 --allocator mi3=/opt/mi/libmimalloc.so    one more reference, any library
"""

_SCOREBOARD_HELP = """\
Runs hz3's default build and every reference in every lane of experiments/scoreboard.yaml and, as far as
their programs are installed, of experiments/real_programs.yaml; then writes results/published/scoreboard.md,
.svg and .png. Continues an unfinished run like `run` does. An older scoreboard is moved aside, not lost.
"""

_PEERS_HELP = """\
Builds a release of a reference allocator that is newer than the system's, into
$XDG_CACHE_HOME/hz3-lab/peers (outside the tree; no experiment needs it), and prints the option that
measures it. The source is Debian's source package where the configured package sources offer that
version (`Types: deb-src` of a newer suite), a repository (--git), or an unpacked folder (--source).

examples:
  tools/peers --list
  tools/peers mimalloc
  tools/peers rpmalloc --git URL
  tools/peers jemalloc --version 5.2.1 --source DIR
"""

_TABLE_HELP = """\
Prints the figures of runs as a table to paste. RUN is a run's directory, a publication's, or the name
of an experiment: then its publication, else its newest finished run. Names of lanes, arms and metrics
may be patterns ('rss_*'). Ratios are those of the same blocks; where a gate asked, they are the gate's.
Markdown has units; csv and json hold the plain values (KiB, seconds, per second), null where none is.

forms:
  medians   rows lanes and metrics, columns arms
  arms      the same with each arm's ratio to --against: a treatment built up step by step
  ab        base, treatment, ratio with interval, the gate's answer
  cycles    memory cycle by cycle (default: rss_idle_kb), a row an arm

examples:
  python3 -m harness table s62
  python3 -m harness table s59_2 --form cycles --metric rss_idle_kb --metric rss_held_kb
  python3 -m harness table s62 s61 --form ab --format csv > ab.csv
"""

_COMPARE_HELP = """\
Prints two runs side by side: of each lane, metric and arm the ratio to --against inside run A and inside
run B, and whether their intervals are apart. Refused (status 4) when the machine, a lane's program or
arguments, or the schema differ. RUN is as for `table`.

examples:
  python3 -m harness compare results/s62/FIRST results/s62/SECOND
  python3 -m harness compare s62 results/s62/SECOND --metric rss_idle_kb --json
"""

_HISTORY_HELP = """\
Shows how the ratios of gates went over the runs of this project: a sparkline, the newest run, and every
change point (E-divisive, 1 %). A series holds runs of one gate with the same work on the same machine.
Kept in results/history.csv, a line a gate and run, added when a run ends; results/history.sqlite is an
index made from it, for questions in SQL.

examples:
  python3 -m harness history
  python3 -m harness history nightly-screen --gate larson.ops_per_s --plot larson.svg
"""

_GATE_HELP = """\
Asks whether anything has become worse since a base: runs every lane of EXPERIMENT (its section `nightly`
says how) in few blocks, then the suspicious lanes alone in fresh blocks, with the error shared among them.
When nothing has changed it says NO-GO in at most 5 % of nights, over all lanes together.

Answers GO (nothing confirmed; also when base and treat are the same bytes), NO-GO (a regression confirmed,
or the treatment crashed where base did not), INCONCLUSIVE (a suspicion neither confirmed nor cleared),
VOID. Goes on with what the same command began on the same night. Files: results/nights/.

examples:
  python3 -m harness gate nightly --base-ref origin/main~1 --junit junit.xml --report nightly.md
  python3 -m harness gate nightly --base s61 --only idle_joined
"""

_TRUTH_HELP = """\
Puts thousands of made-up experiments, of which the truth is known, through the real plan, records, looks
and judge, and counts wrong answers: for every kind of gate, several effects and kinds of noise, one look
and several. Also what looking early saves in blocks, and how other ways to share the error would do.
Writes truth.md, cells.csv, looks.csv and a plot. The same seed gives the same figures. Exit status 0 when
every error rate keeps to 5 %, 1 when one is above it beyond doubt.
"""

_TOP_HELP = """\
The lab: compares builds of hz3 and other allocators, and says GO, NO-GO or INCONCLUSIVE.

start with:
  python3 -m harness doctor         is this machine fit to measure?
  python3 -m harness list           experiments, variants, workloads, references
  python3 -m harness run s62 --quick
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Bad usage is bad input: status 4, as for everything a person can mend."""
        self.print_usage(sys.stderr)
        self.exit(EXIT_BAD_INPUT, f"{self.prog}: {message}; --help explains\n")


def _parser() -> argparse.ArgumentParser:
    form = argparse.RawDescriptionHelpFormatter
    parser = _Parser(prog="harness", description=_TOP_HELP, epilog=_STATUSES, formatter_class=form)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, handler: Callable[[argparse.Namespace], int], text: str, more: str = "") -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=text, description=more or text, epilog=_STATUSES, formatter_class=form)
        sub.set_defaults(handler=handler)
        sub.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="the project (default: where the harness lies)")
        return sub

    run = add("run", _run, "run an experiment to its verdict", _RUN_HELP)
    _experiment_options(run)
    _run_options(run)
    _base_ref_option(run)
    run.add_argument(
        "--extend", action="store_true", help="double the blocks of the newest run of this plan, which ended INCONCLUSIVE, and look again"
    )
    board = add("scoreboard", _scoreboard, "run every lane under every allocator; write one table and a plot", _SCOREBOARD_HELP)
    _lane_options(board)
    _run_options(board)
    board.add_argument("--to", type=Path, metavar="DIR", help="where the table goes (default: results/published in the project)")
    board.add_argument("--from", dest="made", type=Path, metavar="RUN", help="write the table of a finished run again")
    plan = add("plan", _plan, "show the blocks and the order of an experiment, and whether a run would go on")
    _experiment_options(plan)
    _results_option(plan)
    _json_option(plan)
    for name, handler, text in (
        ("judge", _judge, "judge a run again from its records; prints the verdict"),
        ("report", _report, "write the report of a run again from its records"),
    ):
        records = add(name, handler, text)
        records.add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
        if name == "judge":
            _json_option(records)
    publish = add("publish", _publish, "judge a finished run once more, and keep it in results/published, for git")
    publish.add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
    publish.add_argument("--to", type=Path, metavar="DIR", help="default: results/published in the project")
    _gate_command(add("gate", _gate, "the nightly gate: has any lane become worse than the base", _GATE_HELP))
    pair = add("compare", _compare, "two runs side by side, ratios beside ratios", _COMPARE_HELP)
    pair.add_argument("runs", nargs=2, metavar="RUN", help="a directory of a run or publication, or an experiment")
    _figures_options(pair)
    past = add("history", _history, "how ratios went over runs, with change points", _HISTORY_HELP)
    past.add_argument("experiment", nargs="?", metavar="EXPERIMENT", help="only its gates (a night has two: nightly-screen, -confirm)")
    past.add_argument("--gate", metavar="ID", help="only this gate")
    past.add_argument("--plot", type=Path, metavar="FILE", help="draw it too, to a .svg or .png")
    _json_option(past)
    _results_option(past)
    _table_command(add("table", _table, "print the figures of runs as a table to paste", _TABLE_HELP))
    _json_option(add("doctor", _doctor, "say what this machine can measure, what is odd, and what to do (exit status 0 or 3)"))
    peers = add("peers", _peers, "build a newer release of a reference allocator from source", _PEERS_HELP)
    peers.add_argument("name", nargs="?", metavar="NAME", help="the allocator; see --list")
    peers.add_argument("--list", action="store_true", help="what can be built, and what is")
    peers.add_argument("--version", metavar="V", help="another release than the one in the list")
    where = peers.add_mutually_exclusive_group()
    where.add_argument("--git", metavar="URL", help="fetch the release's tag from this repository")
    where.add_argument("--source", type=Path, metavar="DIR", help="build this unpacked source")
    peers.add_argument("--again", action="store_true", help="build even if it is in the cache")
    truth = add("truth", _truth, "measure how often verdicts are wrong, by simulation", _TRUTH_HELP)
    truth.add_argument("--quick", action="store_true", help="40 experiments a cell instead of 2000: does it work at all")
    truth.add_argument("--runs", type=int, metavar="N", help="experiments a cell")
    truth.add_argument("--seed", type=int, metavar="N", help="of all figures (default: that of the published table)")
    truth.add_argument("--jobs", type=int, metavar="N", help="processes (default: one a CPU)")
    truth.add_argument("--to", type=Path, metavar="DIR", help="default: results/published/truth, with --quick results/truth")
    schema = add("schema", _schema, "print the JSON schema of experiment files, for editors")
    schema.add_argument("--write", action="store_true", help="write it to experiments/experiment.schema.json")
    what = add("list", _list, "list experiments, variants, workloads and references")
    what.add_argument("what", nargs="?", choices=("experiments", "variants", "workloads", "references"), help="only these")
    _json_option(what)
    what.add_argument("--build", type=Path, metavar="DIR", help="build directory (default: build/ in the project)")
    return parser


def _gate_command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a YAML file, or a name in experiments/; nightly is made for this")
    base = parser.add_mutually_exclusive_group()
    _base_ref_option(base)
    base.add_argument("--base", metavar="VARIANT", help="another variant of the tree as base")
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="LANE", help="only these workloads")
    parser.add_argument("--night", metavar="DATE", help="YYYY-MM-DD: names the night and decides its plan (default: today, UTC)")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML for a CI system")
    parser.add_argument("--report", type=Path, metavar="FILE", help="where the page goes (default: in results/nights/)")
    _json_option(parser)
    _run_options(parser)


def _base_ref_option(parser: argparse._ActionsContainer) -> None:
    text = "build base from this commit (a branch, a tag, HEAD~3, …), checked out outside the tree"
    parser.add_argument("--base-ref", metavar="REF", help=text)


def _table_command(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a directory of a run or publication, or an experiment")
    parser.add_argument("--form", choices=("medians", "arms", "ab", "cycles"), default="medians", help="default: medians")
    _figures_options(parser)


def _figures_options(parser: argparse.ArgumentParser) -> None:
    """Which figures, in what format."""
    parser.add_argument("--format", choices=("md", "csv", "json"), default="md", help="default: md")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    for name in ("lane", "arm", "metric"):
        parser.add_argument(f"--{name}", action="append", default=[], metavar=name.upper(), help=f"only this {name}; may be repeated")
    parser.add_argument("--against", default="base", metavar="ARM", help="the arm that ratios are to (default: base)")
    _results_option(parser)


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true", help="begin a new run even if an unfinished one exists")
    parser.add_argument("--wait", action="store_true", help="wait for a run that measures on this machine; else it is a refusal")
    parser.add_argument("--build", type=Path, metavar="DIR", help="build directory (default: build/ in the project)")
    _results_option(parser)


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, for programs; the status is the same")


def _results_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--results", type=Path, metavar="DIR", help="where runs are kept (default: results/ in the project)")


def _experiment_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("experiment", metavar="EXPERIMENT", help="a YAML file, or a name in experiments/")
    parser.add_argument("--aa", action="store_true", help="base against a copy of itself: shows the noise of the machine")
    _lane_options(parser)


def _lane_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="the quick profile of the experiment: few blocks, small arguments")
    parser.add_argument("--blocks", type=int, metavar="N", help="exactly N measured blocks, one look")
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="LANE", help="only these workloads")
    parser.add_argument(
        "--allocator", action="append", default=[], metavar="NAME=PATH", help="a library as a further reference, or in place of one"
    )
    parser.add_argument(
        "--mimalloc-bench", type=Path, metavar="DIR", help="add the programs of a built mimalloc-bench checkout as lanes"
    )


def _run(args: argparse.Namespace) -> int:
    from harness.run.command import find_experiment, run_command

    return run_command(_request(args, find_experiment(args.experiment, args.root), ["python3", "-m", "harness", *args.typed]))


def _scoreboard(args: argparse.Namespace) -> int:
    from harness.scoreboard.command import EXPERIMENT, rewrite, run_scoreboard

    dest = args.to or args.root / "results" / "published"
    if args.made is not None:
        return rewrite(args.made, dest)
    args.aa = False
    return run_scoreboard(_request(args, args.root / EXPERIMENT, ["tools/scoreboard", *args.typed[1:]]), dest)


def _request(args: argparse.Namespace, file: Path, command: List[str]) -> RunRequest:
    from harness.run.command import RunRequest

    return RunRequest(
        file=file,
        root=args.root.resolve(),
        build=_build_dir(args),
        results=_results_dir(args),
        options=_options(args),
        allocators=args.allocator,
        fresh=args.fresh,
        command=command,
        more=_more_lanes(args),
        extend=getattr(args, "extend", False),
        wait=args.wait,
        base_ref=getattr(args, "base_ref", None),
    )


def _more_lanes(args: argparse.Namespace) -> List[MoreLanes]:
    if args.mimalloc_bench is None:
        return []
    from harness.mimalloc_bench import lanes_of_checkout

    return [lanes_of_checkout(args.mimalloc_bench, len(os.sched_getaffinity(0)))]


def _options(args: argparse.Namespace) -> RunOptions:
    from harness.experiment import RunOptions

    return RunOptions(quick=args.quick, aa=args.aa, blocks=args.blocks, only=tuple(args.only))


def _build_dir(args: argparse.Namespace) -> Path:
    return Path(args.build or args.root / "build").resolve()


def _results_dir(args: argparse.Namespace) -> Path:
    return Path(args.results or args.root / "results").resolve()


def _plan(args: argparse.Namespace) -> int:
    from harness.plan import make_plan
    from harness.run.command import effective_experiment, find_experiment, shown_path
    from harness.run.doubts import gate_doubts, refuse_unknown_figures
    from harness.run.overview import find_unfinished_run, plan_json, plan_text, unfinished_text
    from harness.run.prepare import without_missing_lanes

    file = find_experiment(args.experiment, args.root)
    experiment, _ = effective_experiment(file, _options(args), args.allocator, _more_lanes(args))
    experiment, skipped = without_missing_lanes(experiment, args.root)
    shown = shown_path(file, args.root)
    refuse_unknown_figures(experiment, file, shown)
    for text in skipped + gate_doubts(experiment, file, shown):
        print(f"warning: {text}", file=sys.stderr)
    plan = make_plan(experiment, args.quick)
    unfinished = find_unfinished_run(experiment, plan, _results_dir(args), args.root.resolve())
    if args.json:
        return _print_json(plan_json(experiment, plan, unfinished))
    print(plan_text(experiment, plan))
    if unfinished is not None:
        print(unfinished_text(unfinished))
    return 0


def _print_json(data: object) -> int:
    print(json_text(data), end="")
    return 0


def _judge(args: argparse.Namespace) -> int:
    from harness.run.command import judge_again

    return judge_again(args.dir, args.root, args.json)


def _report(args: argparse.Namespace) -> int:
    from harness.report import build_report

    print(build_report(args.dir))
    return 0


def _publish(args: argparse.Namespace) -> int:
    from harness.report import publish

    print(publish(args.dir, args.to or args.root / "results" / "published"))
    return 0


def _gate(args: argparse.Namespace) -> int:
    from datetime import date, datetime, timezone

    from harness.nightly.command import GateRequest, run_gate
    from harness.run.command import find_experiment

    try:
        night = date.fromisoformat(args.night) if args.night else datetime.now(timezone.utc).date()
    except ValueError as error:
        raise UserError(f"--night {args.night}: is no date; write YYYY-MM-DD") from error
    args.quick, args.aa, args.blocks, args.allocator, args.mimalloc_bench = False, False, None, [], None
    file = find_experiment(args.experiment, args.root)
    request = _request(args, file, ["python3", "-m", "harness", *args.typed])
    return run_gate(GateRequest(request, night.isoformat(), args.base, args.junit, args.report, args.json))


def _history(args: argparse.Namespace) -> int:
    from harness.history.command import HistoryRequest, history

    print(history(HistoryRequest(_results_dir(args), args.experiment, args.gate, args.json, args.plot)), end="")
    return 0


def _table(args: argparse.Namespace) -> int:
    from harness.tables.command import table

    print(table(_table_request(args, args.form)), end="")
    return 0


def _compare(args: argparse.Namespace) -> int:
    from harness.tables.command import comparison

    text, notes = comparison(_table_request(args, "ab"))
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    print(text, end="")
    return 0


def _table_request(args: argparse.Namespace, form: str) -> TableRequest:
    from harness.tables.choice import Choice
    from harness.tables.command import TableRequest

    choice = Choice(tuple(args.lane), tuple(args.arm), tuple(args.metric))
    return TableRequest(args.runs, args.root, _results_dir(args), form, args.format, choice, args.against)


def _doctor(args: argparse.Namespace) -> int:
    from harness.doctor.checks import as_json, examine, exit_status, render

    findings = examine(args.root.resolve())
    if args.json:
        _print_json(as_json(findings))
    else:
        print(render(findings))
    return exit_status(findings)


def _peers(args: argparse.Namespace) -> int:
    from harness.peers.build import build, listing, option, recipe_of
    from harness.peers.sources import Wanted

    if args.list:
        print(listing())
        return 0
    if args.name is None:
        raise UserError("peers: name an allocator, or give --list; --help explains")
    recipe = recipe_of(args.name)
    wanted = Wanted(recipe, args.version or recipe.version, args.git, args.source)
    print(option(f"{recipe.name}-{wanted.version}", build(wanted, again=args.again)))
    return 0


def _truth(args: argparse.Namespace) -> int:
    from harness.truth.command import QUICK_RUNS, RUNS, SEED, run_truth

    dest = args.to or args.root / "results" / ("truth" if args.quick else "published/truth")
    runs = args.runs if args.runs is not None else QUICK_RUNS if args.quick else RUNS
    seed = SEED if args.seed is None else args.seed
    return run_truth(dest, runs, seed, args.jobs, ["python3", "-m", "harness", *args.typed])


def _schema(args: argparse.Namespace) -> int:
    from harness.experiment import SCHEMA_FILE, editor_schema_text

    if not args.write:
        print(editor_schema_text(), end="")
        return 0
    (args.root / SCHEMA_FILE).write_text(editor_schema_text(), encoding="utf-8")
    print(args.root / SCHEMA_FILE)
    return 0


def _list(args: argparse.Namespace) -> int:
    from harness.run.overview import overview, overview_text

    lists = overview(args.root.resolve(), _build_dir(args), args.what)
    if args.json:
        return _print_json(lists)
    print(overview_text(lists))
    return 0


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Returns the exit status, one of EXIT_STATUSES. A mistake is told on stderr without a traceback, and
    nothing whatever gets past this: Python's own status after an exception is that of NO-GO."""
    try:
        status = _answered(argv)
    except BaseException as error:  # also what the handlers of other exceptions raised
        status = last_resort.tell(error)
    try:
        last_resort.deafen()
        return _written(status)
    except BaseException as error:
        return last_resort.tell(error)


def _answered(argv: Optional[Sequence[str]]) -> int:
    typed: List[str] = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser().parse_args(typed)
    except SystemExit as error:  # argparse has spoken: help, or bad usage
        return EXIT_BAD_INPUT if error.code else 0
    args.typed = typed
    from harness.experiment.source import ExperimentError

    try:
        return _documented(args.handler(args))
    except UserError as error:
        print(f"harness: {error.message}", file=sys.stderr)
        return error.exit_status
    except ExperimentError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_INPUT
    except BrokenPipeError:
        return EXIT_BROKEN_PIPE


def _documented(status: object) -> int:
    """A handler that ends with anything else has a defect; as 256, or None, it would look like GO."""
    if type(status) is not int or status not in dict(EXIT_STATUSES):
        raise RuntimeError(f"a command ended with the status {status!r}")
    return status


def _written(status: int) -> int:
    """The status once all output is out; an answer that nobody can have read is no answer."""
    error = last_resort.flushed(sys.stdout)
    if isinstance(error, BrokenPipeError):
        status = EXIT_BROKEN_PIPE  # the reader went away (`| head`); nothing more can be said
    elif error is not None:
        print(f"harness: the answer cannot be written to standard output ({error.strerror})", file=sys.stderr)
        status = EXIT_FAILED
    last_resort.flushed(sys.stderr)
    return status
