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
from harness.model import EXIT_BAD_INPUT, EXIT_FAILED

if TYPE_CHECKING:
    from harness.experiment import MoreLanes, RunOptions
    from harness.run.command import RunRequest

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
    for name, handler, text in (
        ("judge", _judge, "judge a run again from its records; prints the verdict"),
        ("report", _report, "write the report of a run again from its records"),
    ):
        add(name, handler, text).add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
    publish = add("publish", _publish, "judge a finished run once more, and keep it in results/published, for git")
    publish.add_argument("dir", type=Path, metavar="DIR", help="results/<experiment>/<run>")
    publish.add_argument("--to", type=Path, metavar="DIR", help="default: results/published in the project")
    add("doctor", _doctor, "say what this machine can measure, what is odd, and what to do (exit status 0 or 3)")
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
    what.add_argument("--build", type=Path, metavar="DIR", help="build directory (default: build/ in the project)")
    return parser


def _run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true", help="begin a new run even if an unfinished one exists")
    parser.add_argument("--wait", action="store_true", help="wait for a run that measures on this machine; else it is a refusal")
    parser.add_argument("--build", type=Path, metavar="DIR", help="build directory (default: build/ in the project)")
    _results_option(parser)


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
    from harness.run.overview import plan_text, unfinished_text
    from harness.run.prepare import without_missing_lanes

    file = find_experiment(args.experiment, args.root)
    experiment, _ = effective_experiment(file, _options(args), args.allocator, _more_lanes(args))
    experiment, skipped = without_missing_lanes(experiment, args.root)
    shown = shown_path(file, args.root)
    refuse_unknown_figures(experiment, file, shown)
    for text in skipped + gate_doubts(experiment, file, shown):
        print(f"warning: {text}", file=sys.stderr)
    plan = make_plan(experiment, args.quick)
    print(plan_text(experiment, plan))
    unfinished = unfinished_text(experiment, plan, _results_dir(args), args.root.resolve())
    if unfinished:
        print(unfinished)
    return 0


def _judge(args: argparse.Namespace) -> int:
    from harness.run.command import judge_again

    return judge_again(args.dir, args.root)


def _report(args: argparse.Namespace) -> int:
    from harness.report import build_report

    print(build_report(args.dir))
    return 0


def _publish(args: argparse.Namespace) -> int:
    from harness.report import publish

    print(publish(args.dir, args.to or args.root / "results" / "published"))
    return 0


def _doctor(args: argparse.Namespace) -> int:
    from harness.doctor.checks import examine, exit_status, render

    findings = examine(args.root.resolve())
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
    from harness.run.overview import overview

    print(overview(args.root.resolve(), _build_dir(args), args.what))
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
