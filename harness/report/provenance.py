"""The parts of a report that let another person judge and repeat it: arms, machine, commands, reading.

The manifest is shown as it is found: keys that a later harness adds appear without a change here.
"""

from __future__ import annotations

import shlex
from typing import Any, Iterator, Mapping

from harness.report.arms import describe_arm, difference_words, identity
from harness.report.document import Bullets, Code, Heading, Paragraph, Part, Table
from harness.report.load import RunData
from harness.report.words import NONE

_MACHINE_SECTIONS = ("machine", "git")
_LONGEST_VALUE = 160


def arms(data: RunData) -> list[Part]:
    names = data.arms()
    if not names:
        return []
    rows = tuple(
        (describe_arm(data, arm), identity(data, arm) or NONE, difference_words(data, arm))
        for arm in names
    )
    return [
        Heading(2, "Arms"),
        Table(("arm", "identity", "flags against base, or setting"), rows, "lll"),
    ]


def flatten(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested maps as (`a.b`, text); lists of plain values become one line."""
    if isinstance(value, Mapping):
        for key in value:
            yield from flatten(value[key], f"{prefix}.{key}" if prefix else str(key))
    elif isinstance(value, list) and any(isinstance(item, (Mapping, list)) for item in value):
        for index, item in enumerate(value):
            yield from flatten(item, f"{prefix}[{index}]")
    else:
        yield prefix, _text(value)


def _text(value: Any) -> str:
    if value is None or value == "" or value == []:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"


_NOT_MACHINE = ("schema", "experiment_text", "command")


def machine(data: RunData) -> list[Part]:
    """The manifest's plain values and its machine and git facts, then its warnings."""
    rows: list[tuple[str, str]] = []
    for key, value in data.manifest.items():
        if key in _MACHINE_SECTIONS:
            rows += list(flatten(value, "" if key == "machine" else key))
        elif not isinstance(value, (Mapping, list)) and key not in _NOT_MACHINE:
            rows.append((key, _text(value)))
    warnings = data.manifest.get("warnings") or []
    if not rows and not warnings:
        return []
    parts: list[Part] = [Heading(2, "Machine and provenance")]
    if warnings:
        parts.append(Bullets(tuple(f"**Mind:** {text}" for text in warnings)))
    if rows:
        parts.append(Table(("what", "value"), tuple(rows), "ll"))
    parts.append(
        Paragraph(
            "Figures of this run may be compared with each other, never with another day's or "
            "another machine's. Everything else is in `manifest.json`."
        )
    )
    return parts


def command_line(data: RunData) -> str:
    """The command that was typed, or the plain one for this experiment."""
    typed = data.manifest.get("command")
    if isinstance(typed, list) and typed:
        return shlex.join(str(word) for word in typed)
    quick = " --quick" if data.plan is not None and data.plan.quick else ""
    return f"python3 -m harness run experiments/{data.experiment_id}.yaml{quick}"


def repeat(data: RunData) -> list[Part]:
    return [
        Heading(2, "How to repeat"),
        Code(command_line(data)),
        Paragraph(
            "`python3 -m harness judge DIR` and `python3 -m harness report DIR` redo the verdict and "
            "this report from the run's records, without measuring anything."
        ),
    ]


_READING = (
    "**Ratio** is the judged arm over the one it is compared with, inside one block: 0.5 is half, 1 "
    "is equal. The **estimate** is the Hodges–Lehmann centre of those paired ratios and the "
    "**interval** is exact (signed ranks); medians are printed for readers and decide nothing.",
    "**target** (`go_if`): GO when the whole interval satisfies the rule, NO-GO when none of it does. "
    "**guard** (`no_go_if`): the reverse. **equal** (`same_within`): GO when the whole interval lies "
    "inside the margin. Anything else is INCONCLUSIVE.",
    "**Noise floor**: the difference this run saw between base and its own copy; what is smaller is "
    "never GO. **MDE**: the smallest difference this many blocks would find four times in five. "
    "**Blocks still needed**: about so many more, if the spread stays as it is.",
    "**RSS** is what the process keeps in memory; **threads held** is measured after everything was "
    "freed with all threads alive, **threads joined** after they ended. **Firm RSS** leaves out pages "
    "already offered back to the kernel (LazyFree).",
    "**Speed per CPU second** divides by processor time, so a neighbour on the machine does not count "
    "as slowness; it suits single-thread lanes. **Peak** is the largest RSS of the whole process.",
    "A **stock** peer runs as installed, a **tuned** one with the settings named in its row: they "
    "answer different questions. **VOID** means the run proves nothing, whichever way it points.",
)


def reading() -> list[Part]:
    return [Heading(2, "How to read this"), Bullets(_READING)]
