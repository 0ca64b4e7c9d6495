"""Counters that a library prints when its process ends: lines `[LINE] key=value key=value` on stderr.

A line printed more than once (by each thread, say) is added up. Values that are no numbers are kept
apart as text. Lines of any other form are the program's own and are ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Dict

_LINE = re.compile(r"^\[(?P<line>[A-Za-z][A-Za-z0-9_-]*)\]\s+(?P<rest>\S.*)$")
_PAIR = re.compile(r"(?P<key>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>[^\s,;]+)")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?([eE][+-]?\d+)?|0[xX][0-9a-fA-F]+)$")


@dataclass
class StatsLines:
    """`numbers` and `texts` by `LINE.key`; `counts` says how often each line was printed."""

    numbers: Dict[str, float] = field(default_factory=dict)
    texts: Dict[str, str] = field(default_factory=dict)
    counts: Dict[str, int] = field(default_factory=dict)


def parse_stats(stderr: str) -> StatsLines:
    found = StatsLines()
    for text in stderr.splitlines():
        match = _LINE.match(text.strip())
        pairs = list(_PAIR.finditer(match["rest"])) if match else []
        if match is None or not pairs:
            continue
        line = match["line"]
        found.counts[line] = found.counts.get(line, 0) + 1
        for pair in pairs:
            name, value = f"{line}.{pair['key']}", pair["value"]
            if _NUMBER.match(value):
                found.numbers[name] = found.numbers.get(name, 0.0) + _number(value)
            else:
                found.texts[name] = value
    return found


def _number(text: str) -> float:
    return float(int(text, 16)) if text.lower().startswith(("0x", "+0x", "-0x")) else float(text)
