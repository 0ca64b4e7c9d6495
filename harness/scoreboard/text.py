"""The scoreboard as Markdown, for results/published/scoreboard.md."""

from __future__ import annotations

import re
import shlex
from typing import Dict, List, Mapping, Optional

from harness.model import BASE, Verdict
from harness.peers.catalogue import OWN_LIBRARIES
from harness.report import words
from harness.report.document import Bullets, Code, Document, Figure, Heading, Paragraph, Part, Table
from harness.report.markdown import to_markdown
from harness.report.words import NONE
from harness.scoreboard.board import Board, Row, idle_logs, peak_logs, speed_logs
from harness.scoreboard.figures import Ratio, larger_is_better

PLOT = "scoreboard.svg"
_ALL = "all"


def scoreboard_text(board: Board, verdict: Optional[Verdict]) -> str:
    document = Document("Scoreboard")
    document.add(*_opening(board, verdict))
    document.add(Heading(2, "hz3 against the best reference"), _summary(board), *_reading(board))
    document.add(Heading(2, "Each allocator beside hz3"), _allocators(board), Paragraph(_ALLOCATORS_NOTE))
    if board.against_best(None) is not None:
        document.add(Figure(PLOT, "Speed against memory, each allocator beside hz3", ""))
    for group in board.groups:
        document.add(Heading(2, f"Lanes: {group}"), *_lanes(board, group))
    document.add(*_left_out(board), Heading(2, "How it was made"), Code(command_line(board)), *_machine(board))
    return to_markdown(document)


def command_line(board: Board) -> str:
    return shlex.join(str(word) for word in board.manifest.get("command") or ["tools/scoreboard"])


def arm_words(board: Board, arm: str) -> str:
    if arm == BASE:
        return f"hz3 ({board.experiment.arms[BASE].variant or 'inline variant'})"
    return f"{arm} (not for use)" if arm.partition(":")[0] in OWN_LIBRARIES else arm


def _opening(board: Board, verdict: Optional[Verdict]) -> List[Part]:
    quick = "quick, " if board.manifest.get("quick") else ""
    day = str(board.manifest.get("started_utc", ""))[:10]
    made = f"{day}, {quick}{words.counted(board.blocks, 'block')}, {words.counted(board.runs, 'run')}"
    parts: List[Part] = [
        Paragraph(str(board.experiment.question)),
        Paragraph(f"Run `{board.run_id}`: {made}, of which the machine disturbed {board.disturbed}."),
    ]
    if verdict is not None and verdict.status.value != "COMPLETE":
        why = "; ".join(verdict.reasons[:3])
        parts.append(Paragraph(f"**{verdict.status.value}**: this table is not complete. {why}"))
    parts += [Paragraph(f"**Mind:** {text}") for text in board.manifest.get("warnings") or []]
    return parts


def _summary(board: Board) -> Table:
    rows = []
    for name, group in [(_ALL, None), *((g, g) for g in board.groups)]:
        members = [row for row in board.in_group(group) if row.ratio is not None]
        readings = [row.ratio.reading for row in members if row.ratio is not None]
        counts = [str(readings.count(word)) for word in ("ahead", "open", "behind")]
        rows.append((name, str(len(members)), _interval(board.against_best(group)), *counts))
    header = ("lanes", "number", "hz3 / best reference", "ahead", "open", "behind")
    return Table(header, tuple(rows), "lrrrrr")


def _reading(board: Board) -> List[Part]:
    percent = 100 * (1 - 2 * board.alpha)
    return [
        Bullets(
            (
                "**hz3 / best reference**: above 1 hz3 is better, whatever the figure of the lane. Ratios are "
                f"taken inside a block; the interval is exact at {percent:g} % (signed ranks). The row of a group "
                "is the geometric mean over its lanes, each counting once.",
                "The **best reference** is chosen lane by lane, after the fact, by its median: hz3 is compared "
                "with a team of which the strongest always plays.",
                "**ahead**, **behind**: the whole interval is above, or below, 1. **open**: it holds 1.",
                "**Peak** is the largest RSS of the process; **idle** is RSS at the end of the idle window of lanes "
                "that have one, after everything (or nearly) was freed.",
                "Figures may be compared inside this table, never with another day's or another machine's.",
            )
        )
    ]


_ALLOCATORS_NOTE = (
    "Times hz3's, geometric means over lanes: speed above 1 is faster than hz3, memory below 1 is smaller. "
    "An allocator that did not run in every lane of a column has no figure there. A yardstick marked *not "
    "for use* has one thread, gives nothing back and checks nothing; it shows how much of the time is malloc at all."
)


def _allocators(board: Board) -> Table:
    header = ("allocator", "version", "speed, all", *(f"speed, {g}" for g in board.groups), "peak RSS", "idle RSS")
    rows = []
    for arm in board.arms:
        speeds = [_times(board.relative(arm, group, speed_logs)) for group in (None, *board.groups)]
        # Logs say how much better hz3 is; for memory the multiple is the other way round.
        memory = [_times(_inverse(board.relative(arm, None, of))) for of in (peak_logs, idle_logs)]
        rows.append((arm_words(board, arm), _version(board, arm), *speeds, *memory))
    return Table(header, tuple(rows), "ll" + "r" * (len(header) - 2))


def _inverse(value: Optional[float]) -> Optional[float]:
    return None if value is None else 1 / value


def _version(board: Board, arm: str) -> str:
    if arm == BASE:
        commit = (board.manifest.get("git") or {}).get("commit")
        dirty = "+" if (board.manifest.get("git") or {}).get("dirty") else ""
        return f"{str(commit)[:8]}{dirty}" if commit else NONE
    entry = (board.manifest.get("references") or {}).get(arm) or {}
    full = str(entry.get("version") or NONE)
    plain = re.match(r"\d+(\.\d+)+", full)  # jemalloc says a commit behind its release
    return NONE if arm in OWN_LIBRARIES else plain[0] if plain else full


def _lanes(board: Board, group: str) -> List[Part]:
    rows = board.in_group(group)
    idle = any(row.idle_kb for row in rows)
    yard = [arm for arm in board.arms if arm in OWN_LIBRARIES and any(arm in row.values for row in rows)]
    header = ["lane", "figure", "hz3", "best reference", "its figure", "hz3 / best", "reading"]
    header += [f"{arm} (not for use)" for arm in yard]
    header += ["peak: hz3", "best", "smallest"] + (["idle: hz3", "best", "smallest"] if idle else [])
    cells = [_lane_cells(board, row, yard, idle) for row in rows]
    return [Table(tuple(header), tuple(cells), "llrlrrl" + "r" * (len(header) - 7))]


def _lane_cells(board: Board, row: Row, yard: List[str], idle: bool) -> tuple[str, ...]:
    def figure(arm: Optional[str]) -> str:
        return words.quantity(row.figure, row.values.get(arm) if arm is not None else None)

    reading = row.ratio.reading if row.ratio is not None else "no figure"
    shown = "**ahead**" if reading == "ahead" else reading
    name = words.metric_words(row.figure) + ("" if larger_is_better(row.figure) else " (less is better)")
    cells = [row.lane, name, figure(BASE), row.best or NONE, figure(row.best), _interval(row.ratio), shown]
    cells += [figure(arm) for arm in yard]
    cells += _memory_cells(board, row, row.peak_kb) + (_memory_cells(board, row, row.idle_kb) if idle else [])
    return tuple(cells)


def _memory_cells(board: Board, row: Row, kb: Mapping[str, float]) -> List[str]:
    """hz3's, the best reference's, and the smallest of all references'."""
    known = {arm: kb[arm] for arm in board.references if arm in kb}
    best = kb.get(row.best) if row.best is not None else None
    if not known:
        return [_mib(kb.get(BASE)), _mib(best), NONE]
    least = min(known, key=lambda arm: known[arm])
    return [_mib(kb.get(BASE)), _mib(best), f"{_mib(known[least])} {least}"]


def _left_out(board: Board) -> List[Part]:
    notes = tuple(f"{row.lane}: {row.note}" for row in board.rows if row.note)
    return [Heading(2, "Runs that did not count"), Bullets(notes)] if notes else []


def _machine(board: Board) -> List[Part]:
    machine: Mapping[str, object] = board.manifest.get("machine") or {}
    wanted = ("cpu_model", "cpus", "hypervisor", "kernel", "distribution", "thp", "governor")
    facts: Dict[str, str] = {key: str(machine[key]) for key in wanted if machine.get(key) is not None}
    told = "; ".join(f"{key.replace('_', ' ')} {value}" for key, value in facts.items())
    return [Paragraph(f"Machine: {told}.")] if told else []


def _interval(ratio: Optional[Ratio]) -> str:
    if ratio is None:
        return NONE
    if ratio.low is None or ratio.high is None:
        return words.ratio(ratio.value)
    return f"{words.ratio(ratio.value)} [{words.ratio(ratio.low)}, {words.ratio(ratio.high)}]"


def _times(value: Optional[float]) -> str:
    return NONE if value is None else f"{value:.2f}"


def _mib(kb: Optional[float]) -> str:
    return NONE if kb is None else f"{kb / 1024:.1f} MiB"


