"""Reading an experiment file: text to a checked `Experiment`, or every problem with its line.

`load_experiment` is the only entrance. It reads the YAML with its marks (`source.py`), writes the
short forms out in full, lets the models check keys and types, then the rules that span fields
(`check.py`). All problems found are reported together, each as `file:line:col: what; what to do`.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, cast

if TYPE_CHECKING:
    from pydantic import ValidationError
else:
    try:  # see schema.py
        from pydantic.v1 import ValidationError
    except ImportError:
        from pydantic import ValidationError

from harness.experiment.check import check_experiment
from harness.experiment.options import complete_aa
from harness.experiment.schema import (
    Arm,
    Design,
    Experiment,
    Gate,
    Nightly,
    Quick,
    Record,
    Reference,
    Sweep,
    Truth,
    TruthCase,
    Workload,
)
from harness.experiment.source import KeyPath, Source, nearest, parse_source, read_source
from harness.experiment.sweep import with_sweep


def load_experiment(path: Union[str, Path]) -> Experiment:
    """Reads and checks a file. Raises ExperimentError, whose `problems` hold all that is wrong."""
    return _checked(read_source(path))


def parse_experiment(text: str, file: str = "experiment.yaml") -> Experiment:
    """As `load_experiment`, for text already at hand; `file` is the name used in messages."""
    return _checked(parse_source(text, file))


def arm_places(path: Union[str, Path], shown: str) -> dict[str, str]:
    """`file:line:col` of each arm, and as `arm.key` of its parent and of each of its flags and options;
    `shown` is the name of the file in messages."""
    source = read_source(path)
    found = {at: mark for at, mark in source.values.items() if len(at) == 2}
    found.update({at: mark for at, mark in source.keys.items() if len(at) in (3, 4)})
    places = {}
    for at, (line, column) in found.items():
        if at[0] == "arms":
            name = str(at[1]) if len(at) == 2 else f"{at[1]}.{at[-1]}"
            places[name] = f"{shown}:{line}:{column}"
    return places


def _checked(source: Source) -> Experiment:
    data = _long_forms(source)
    source.finish()
    try:
        experiment = Experiment.parse_obj(data)
    except ValidationError as error:
        for item in error.errors():
            _explain(cast(Mapping[str, Any], item), source)
        source.finish()
        raise AssertionError("a validation error without errors") from error
    check_experiment(experiment, source)
    source.finish()
    return complete_aa(experiment)


def _long_forms(source: Source) -> dict[str, Any]:
    """The data with `treat: s62` as `treat: {variant: s62}`, command strings as words, a sweep as arms."""
    data = dict(source.data)
    arms = data.get("arms")
    if isinstance(arms, dict):
        data["arms"] = {k: {"variant": v} if isinstance(v, str) else v for k, v in arms.items()}
    workloads = data.get("workloads")
    if isinstance(workloads, dict):
        data["workloads"] = {k: _words(source, k, v) for k, v in workloads.items()}
    return with_sweep(data, source)


def _words(source: Source, lane: str, workload: Any) -> Any:
    if not isinstance(workload, dict) or not isinstance(workload.get("command"), str):
        return workload
    try:
        return {**workload, "command": shlex.split(workload["command"])}
    except ValueError as error:
        text = f"cannot split the command ({error}); close the quote or use a list of words"
        source.problem(("workloads", lane, "command"), text)
        return workload


_TOP: type[Record] = Experiment
_SECTIONS: Mapping[str, type[Record]] = {
    "arms": Arm,
    "sweep": Sweep,
    "references": Reference,
    "workloads": Workload,
    "gates": Gate,
    "design": Design,
    "quick": Quick,
    "nightly": Nightly,
    "truth": Truth,
}


def _keys_at(path: KeyPath) -> list[str]:
    """The keys that the mapping at `path` may have."""
    model = _SECTIONS[str(path[0])] if path else _TOP
    if path[:2] == ("truth", "cases"):
        model = TruthCase
    return list(model.__fields__)


def _explain(item: Mapping[str, Any], source: Source) -> None:
    """One pydantic error as a problem with a line and advice."""
    path: KeyPath = tuple(part for part in item["loc"] if part not in ("__root__", "__key__"))
    kind = str(item["type"])
    name = path[-1] if path else "the file"
    if kind == "value_error.extra":
        advice = nearest(str(name), _keys_at(path[:-1]))
        source.problem(path, f"unknown key {name!r}; {advice}", at_key=True)
    elif kind == "value_error.missing":
        source.problem(path, f"key {name!r} is missing; {_ADD.get(str(name), 'add it')}")
    else:
        source.problem(path, f"{_wanted(kind, item)}, found {_shown(source, path)}; {_fix(kind)}")


_ADD = {
    "id": "add a short name",
    "question": "add the question the verdict answers",
    "workloads": "add at least one lane",
    "metric": "add lane.metric",
    "allocator": "add the allocator's name",
}

# pydantic's error types, as a person would put them, and what to do.
_WANTED = {
    "type_error.integer": ("expected a whole number", "write it without quotes or decimals"),
    "type_error.str": ("expected text", "put the value in quotes"),
    "type_error.bool": ("expected true or false", "write true or false without quotes"),
    "value_error.strictbool": ("expected true or false", "write true or false without quotes"),
    "type_error": ("expected a number", "write it as 5 or 0.02, without quotes"),
    "type_error.list": ("expected a list", "write [a, b]"),
    "type_error.dict": ("expected a mapping", "write key: value pairs"),
    "type_error.none.not_allowed": ("expected a value", "give one or remove the key"),
}


def _wanted(kind: str, item: Mapping[str, Any]) -> str:
    if kind == "value_error.const":
        allowed = ", ".join(str(v) for v in item["ctx"]["permitted"])
        return f"expected one of {allowed}"
    return _WANTED.get(kind, (str(item["msg"]), ""))[0]


def _fix(kind: str) -> str:
    if kind == "value_error.const":
        return "choose one of these"
    return _WANTED.get(kind, ("", "correct the value"))[1]


def _shown(source: Source, path: KeyPath) -> str:
    value: Any = source.data
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            break
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "nothing" if value is None else repr(value)
