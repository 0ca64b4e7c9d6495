"""The text of an experiment file as plain data that remembers where each value stands.

PyYAML's node tree is turned into dicts, lists and scalars; beside them `Source` keeps the mark of
every key and value, so that any later check can point at `file:line:col`. Duplicate keys, which
YAML loaders silently resolve in favour of the last one, are errors. Arguments and environment
values are kept as the text that was typed: 1e6, 0x10 and 010 reach the program as they stand.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

import yaml

KeyPath = tuple[Union[str, int], ...]


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with a file; line and column count from 1."""

    file: str
    line: int
    column: int
    text: str  # what is wrong; what to do

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.text}"


class ExperimentError(Exception):
    """The file cannot be used. `problems` holds everything found, in the file's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(str(p) for p in self.problems))


@dataclass
class Source:
    """Plain data plus the marks of its parts."""

    file: str
    data: Any = None
    keys: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    values: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, text: str, at_key: bool = False) -> None:
        """Records a problem at the value of `path` (or its key); where the path leads to nothing,
        at the nearest part of it that exists."""
        marks = self.keys if at_key and path in self.keys else self.values
        where = path
        while where not in marks and where:
            where, marks = where[:-1], self.values
        line, column = marks.get(where, (1, 1))
        self.problems.append(Problem(self.file, line, column, text))

    def finish(self) -> None:
        """Raises what was recorded, if anything."""
        if self.problems:
            raise ExperimentError(self.problems)


def nearest(word: str, known: Iterable[str]) -> str:
    """Advice for a name that does not exist: the closest known one, else all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"use one of {', '.join(names)}" if names else "there is none to name"


def read_source(path: Union[str, Path]) -> Source:
    """Raises ExperimentError when the file cannot be read or is no YAML mapping."""
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise ExperimentError(
            [Problem(name, 1, 1, f"cannot read the file ({reason}); check the path and its rights")]
        ) from error
    except UnicodeDecodeError as error:
        raise ExperimentError(
            [Problem(name, 1, 1, f"not UTF-8 text (byte {error.start}); save the file as UTF-8")]
        ) from error
    return parse_source(text, name)


def parse_source(text: str, file: str) -> Source:
    """Raises ExperimentError when `text` is no YAML mapping or repeats a key."""
    source = Source(file)
    try:
        loader = yaml.SafeLoader(text)
    except yaml.reader.ReaderError as error:  # e.g. a control character
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        what = f"not valid YAML: character U+{error.character:04X}; remove it"
        raise ExperimentError([Problem(file, line, column, what)]) from error
    try:
        node = loader.get_single_node()
        if node is None:
            source.problem((), "the file is empty; an experiment needs id, question and workloads")
        elif not isinstance(node, yaml.MappingNode):
            source.problem((), "an experiment is a mapping; start with `id: name`")
        else:
            source.data = _Reader(source, loader).read(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        what = (error.problem or "cannot be parsed").replace("\n", " ")
        source.problems.append(
            Problem(file, line, column, f"not valid YAML: {what}; check quotes, colons and indent")
        )
    finally:
        loader.dispose()  # type: ignore[no-untyped-call]
    source.finish()
    return source


def _is_verbatim(path: KeyPath) -> bool:
    """Whether scalars at `path` are text for a program, not values for us."""
    if len(path) == 4 and path[0] == "workloads":
        return path[2] in ("args", "env")
    return len(path) == 4 and path[:2] == ("quick", "args")


class _Reader:
    """Walks the node tree once; a node that contains itself (an alias) is an error, not a loop."""

    def __init__(self, source: Source, loader: yaml.SafeLoader) -> None:
        self._source = source
        self._loader = loader
        self._open: list[yaml.Node] = []

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        self._source.values[path] = _mark(node)
        if any(node is outer for outer in self._open):
            self._source.problem(path, "this alias contains itself; write the value out")
            return None
        self._open.append(node)
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            if isinstance(node, yaml.SequenceNode):
                return [self.read(item, path + (i,)) for i, item in enumerate(node.value)]
            return self._scalar(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = path + (key,)
            if key in result:
                first = self._source.keys[here][0]
                line, column = _mark(key_node)
                text = f"key {key!r} is given twice (first in line {first}); remove one of them"
                self._source.problems.append(Problem(self._source.file, line, column, text))
                continue
            self._source.keys[here] = _mark(key_node)
            result[key] = self.read(value_node, here)
        return result

    def _key(self, node: yaml.Node, path: KeyPath) -> Optional[str]:
        """A key as it was typed, so that `on:` or `1:` stay names."""
        if isinstance(node, yaml.ScalarNode):
            return str(node.value)
        line, column = _mark(node)
        text = "a key must be a plain word; quote it or restructure"
        self._source.problems.append(Problem(self._source.file, line, column, text))
        return None

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        value = self._loader.construct_object(node, deep=True)  # type: ignore[no-untyped-call]
        if _is_verbatim(path) and value is not None:
            return str(node.value)
        return value


def _mark(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
