"""The page over all publications: what was asked, what the answer was, where to read on.

`index.md` and `index.html` in results/published, made from what lies there alone, so that anybody gets the
same bytes; publishing makes them anew, and a test holds the ones in git to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.model import Verdict
from harness.report.build import write_text
from harness.report.document import Bullets, Document, Heading, Paragraph, Part, Table
from harness.report.headline import why
from harness.report.kept import RUN_ID_FILE
from harness.report.load import experiment_value
from harness.report.markdown import to_markdown
from harness.report.page import to_html
from harness.report.words import NONE, counted

INDEX = ("index.md", "index.html")
_ORDER = ("GO", "NO-GO", "INCONCLUSIVE", "VOID", "COMPLETE")


@dataclass(frozen=True)
class Entry:
    folder: str  # relative to the index
    run_id: str
    verdict: Verdict
    manifest: dict[str, Any]


def entries(published: Path) -> list[Entry]:
    """The newest publication of every experiment, by name."""
    return [_entry(published, path.parent) for path in sorted(published.glob(f"*/{RUN_ID_FILE}"))]


def _entry(published: Path, home: Path) -> Entry:
    try:
        run_id = (home / RUN_ID_FILE).read_text(encoding="utf-8").strip()
        verdict = Verdict.from_json(json.loads((home / "verdict.json").read_text(encoding="utf-8")))
        manifest = json.loads((home / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{home}: is no publication ({error}); move it away, or publish its run again") from error
    return Entry(home.relative_to(published).as_posix(), run_id, verdict, manifest)


def _row(entry: Entry, older: int) -> tuple[str, ...]:
    machine = entry.manifest.get("machine") or {}
    when = f"{entry.run_id[:4]}-{entry.run_id[4:6]}-{entry.run_id[6:8]}" if entry.run_id[:8].isdigit() else entry.run_id
    how = f"{counted(entry.verdict.blocks, 'block')}{', quick' if entry.manifest.get('quick') else ''}"
    model = machine.get("cpu_model") or machine.get("cpu") or NONE
    where = f"{model}, {counted(int(machine.get('cpus') or 0), 'CPU')}"
    earlier = f"; {counted(older, 'earlier run')} in `{entry.folder}/older/`" if older else ""
    links = (("report", "report.html"), ("Markdown", "report.md"), ("runs.csv", "runs.csv"))
    files = ", ".join(f"[{name}]({entry.folder}/{file})" for name, file in links) + earlier
    question = str(experiment_value(entry.manifest, "question", "") or NONE)
    name, answer = f"**{entry.verdict.experiment_id}**", f"**{entry.verdict.status.value}**"
    return (name, answer, question, why(entry.verdict, most=3), when, how, where, files)


_HEADER = ("experiment", "answer", "question", "why", "made", "size", "machine", "files")
_GROUPS = (
    ("experiment", ("experiment", "made", "size", "machine")),
    ("answer", ("answer",)),
    ("question", ("question",)),
    ("why", ("why",)),
    ("files", ("files",)),
)


def _documents(published: Path) -> list[Part]:
    """What is no run of an experiment: the documents that lie here, by their headings."""
    found = [path for path in sorted([*published.glob("*.md"), *published.glob("truth/*.md")]) if path.name not in INDEX]
    items = []
    for path in found:
        heading = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").strip()
        items.append(f"[{path.relative_to(published).as_posix()}]({path.relative_to(published).as_posix()}): {heading}")
    return [Heading(2, "Tables over many runs"), Bullets(tuple(items))] if items else []


def compose_index(published: Path) -> Document:
    found = entries(published)
    rows = tuple(_row(entry, len(list((published / entry.folder / "older").glob(f"*/{RUN_ID_FILE}")))) for entry in found)
    answers = [entry.verdict.status.value for entry in found]
    said = ", ".join(f"{answers.count(status)} {status}" for status in _ORDER if status in answers)
    document = Document("Published verdicts")
    document.add(
        Paragraph(
            f"{counted(len(found), 'experiment')}: {said or 'none yet'}. The newest run of each; a figure may be compared with "
            "others of the same run only, never with another day's or another machine's."
        )
    )
    if rows:
        document.add(Heading(2, "Experiments"), Table(_HEADER, rows, "l" * len(_HEADER), groups=_GROUPS))
    document.add(*_documents(published))
    return document


def write_index(published: Path) -> Path:
    """Returns the path of index.html."""
    if not published.is_dir():
        raise UserError(f"{published}: is no folder; give the one that holds publications, such as results/published")
    document = compose_index(published)
    write_text(published / "index.md", to_markdown(document))
    write_text(published / "index.html", to_html(document))
    return published / "index.html"
