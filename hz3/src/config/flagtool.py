#!/usr/bin/python3
"""Reads the catalogues of flags, knobs and variants; everything that depends on them comes from here.

    flagtool.py list                     names of the variants
    flagtool.py show NAME                flags and options of a variant, as JSON
    flagtool.py generate NAME ...        the C++ configuration header of a variant (called by Meson)
    flagtool.py docs                     the tables of hz3/FLAGS.md

An error is one line, `file:line: what is wrong; what to do`, and exit status 4. A variant can only
add to its parent: there is no way to say "these flags instead of the profile".
"""

from __future__ import annotations

import argparse
import difflib
import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
CATALOGUE = HERE / "flags.yaml"
KNOBS = HERE / "knobs.yaml"
VARIANTS = HERE.parent.parent / "variants.yaml"
RECORD_BYTES = 8192
BUILD_OPTIONS = {"lto": (True, False), "optimization": ("0", "1", "2", "3", "s", "g")}


class CatalogueError(Exception):
    """A mistake in a catalogue, with the place where it stands."""


@dataclass(frozen=True)
class Flag:
    name: str
    kind: str
    default: int
    low: int
    high: int
    doc: str
    power_of_two: bool
    requires: tuple[str, ...]


@dataclass(frozen=True)
class Knob:
    name: str
    flag: Flag
    low: int
    high: int
    doc: str
    boxes: tuple[str, ...]

    @property
    def environment(self) -> str:
        return "HZ3_" + self.name.upper()


@dataclass
class Variant:
    name: str
    where: str
    doc: str = ""
    parent: str | None = None
    flags: dict[str, int] = field(default_factory=dict)
    flag_places: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def shown(path: Path) -> str:
    """The path as a reader would type it from the project root."""
    try:
        return str(path.resolve().relative_to(HERE.parent.parent.parent))
    except ValueError:
        return str(path)


def place(path: Path, node: yaml.Node) -> str:
    return f"{shown(path)}:{node.start_mark.line + 1}"


def compose(path: Path) -> yaml.MappingNode:
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise CatalogueError(f"{shown(path)}:1: cannot be read ({error.strerror}); check the path") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else 1
        raise CatalogueError(f"{shown(path)}:{line}: not valid YAML ({getattr(error, 'problem', error)}); mend the syntax") from error
    if not isinstance(node, yaml.MappingNode):
        raise CatalogueError(f"{shown(path)}:1: must be a mapping of names; see hz3/variants.yaml for the form")
    return node


def entries(path: Path, node: yaml.Node, what: str) -> list[tuple[str, yaml.Node, yaml.Node]]:
    """Key, key node and value node of a mapping; a repeated key is an error, not a silent winner."""
    if not isinstance(node, yaml.MappingNode):
        raise CatalogueError(f"{place(path, node)}: {what} must be a mapping; write it like {{NAME: value}}")
    seen: dict[str, str] = {}
    result = []
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            raise CatalogueError(f"{place(path, key)}: {name} is given twice (first at {seen[name]}); keep one")
        seen[name] = place(path, key)
        result.append((name, key, value))
    return result


def plain(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_object(node, deep=True)  # type: ignore[no-untyped-call]


def hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else "see hz3/FLAGS.md for the list"


def load_catalogue(path: Path = CATALOGUE) -> dict[str, Flag]:
    flags: dict[str, Flag] = {}
    for name, _, node in entries(path, compose(path), "the catalogue"):
        spec = plain(node)
        low, high = (0, 1) if spec["type"] == "bool" else (0, 2**62)
        flags[name] = Flag(name, spec["type"], int(spec["default"]), int(spec.get("min", low)), int(spec.get("max", high)),
                           spec["doc"], bool(spec.get("power_of_two", False)), tuple(spec.get("requires", ())))
    return flags


def read_knob(name: str, key: yaml.Node, node: yaml.Node, path: Path, flags: dict[str, Flag]) -> Knob:
    parts = {part: (part_key, value) for part, part_key, value in entries(path, node, f"knob {name}")}
    for part, (part_key, _) in parts.items():
        if part not in ("flag", "min", "max", "doc", "boxes"):
            raise CatalogueError(f"{place(path, part_key)}: knob {name} has an unknown key {part}; a knob has flag, doc, and perhaps "
                                 "min, max, boxes")
    for part in ("flag", "doc"):
        if part not in parts:
            raise CatalogueError(f"{place(path, key)}: knob {name} has no {part}; add it")
    if not name.replace("_", "").isalnum() or name != name.lower():
        raise CatalogueError(f"{place(path, key)}: {name!r} cannot name a knob; use lower case letters, digits and _")
    known = str(plain(parts["flag"][1]))
    boxes = tuple(plain(parts["boxes"][1])) if "boxes" in parts else ()
    for where, flag in [("flag", known), *(("boxes", box) for box in boxes)]:
        if flag not in flags:
            raise CatalogueError(f"{place(path, parts[where][1])}: unknown flag {flag}; {hint(flag, list(flags))}")
    flag = flags[known]
    low, high = (check_value(flag, parts[end][1], path) if end in parts else bound
                 for end, bound in (("min", flag.low), ("max", flag.high)))
    if low > high:
        raise CatalogueError(f"{place(path, parts['min'][1])}: knob {name} cannot have a value; let min be at most {high}")
    return Knob(name, flag, low, high, str(plain(parts["doc"][1])), boxes)


def load_knobs(flags: dict[str, Flag], path: Path = KNOBS) -> tuple[list[Knob], list[str]]:
    """The knobs, and the environment variables of that form that are none."""
    knobs: list[Knob] = []
    others: list[str] = []
    for part, part_key, node in entries(path, compose(path), "the catalogue of knobs"):
        if part == "knobs":
            knobs = [read_knob(name, key, value, path, flags) for name, key, value in entries(path, node, "knobs")]
        elif part == "environment_of_others":
            others = [str(name) for name in plain(node)]
        else:
            raise CatalogueError(f"{place(path, part_key)}: unknown key {part}; known are knobs and environment_of_others")
    for knob in knobs:
        if knob.environment in others:
            raise CatalogueError(f"{shown(path)}:1: {knob.environment} is the knob {knob.name} and of others; rename one")
    return knobs, others


def check_value(flag: Flag, node: yaml.Node, path: Path) -> int:
    value = plain(node)
    if isinstance(value, bool):
        value = int(value)
    if not isinstance(value, int):
        raise CatalogueError(f"{place(path, node)}: {flag.name} must be a number, not {value!r}; write it without quotes")
    if flag.name == "HZ3_ENABLE" and value == 0:
        raise CatalogueError(f"{place(path, node)}: HZ3_ENABLE=0 would disable the whole profile and measure the C library's "
                             "malloc; leave it out")
    if not flag.low <= value <= flag.high:
        raise CatalogueError(f"{place(path, node)}: {flag.name}={value} is out of range; give {flag.low} to {flag.high}")
    if flag.power_of_two and value & (value - 1):
        raise CatalogueError(f"{place(path, node)}: {flag.name}={value} must be a power of two; take the next one")
    return value


def read_variant(name: str, key: yaml.Node, node: yaml.Node, path: Path, flags: dict[str, Flag]) -> Variant:
    variant = Variant(name, place(path, key))
    for part, part_key, value in entries(path, node, f"variant {name}"):
        if part == "doc":
            variant.doc = str(plain(value))
        elif part == "parent":
            variant.parent = str(plain(value))
        elif part == "flags":
            for flag, flag_key, flag_value in entries(path, value, f"flags of {name}"):
                if flag not in flags:
                    raise CatalogueError(f"{place(path, flag_key)}: unknown flag {flag}; {hint(flag, list(flags))}")
                variant.flags[flag] = check_value(flags[flag], flag_value, path)
                variant.flag_places[flag] = place(path, flag_key)
        elif part == "options":
            for option, option_key, option_value in entries(path, value, f"options of {name}"):
                chosen = plain(option_value)
                if option not in BUILD_OPTIONS:
                    raise CatalogueError(f"{place(path, option_key)}: unknown build option {option}; known are {', '.join(BUILD_OPTIONS)}")
                if chosen not in BUILD_OPTIONS[option]:
                    raise CatalogueError(f"{place(path, option_key)}: {option}: {chosen!r} is not possible; give one of "
                                         f"{', '.join(map(repr, BUILD_OPTIONS[option]))}")
                variant.options[option] = chosen
        else:
            raise CatalogueError(f"{place(path, part_key)}: variant {name} has an unknown key {part}; a variant adds to its parent and "
                                 "knows only doc, parent, flags, options")
    return variant


def load_variants(extra: Path | None, flags: dict[str, Flag]) -> dict[str, Variant]:
    variants: dict[str, Variant] = {}
    for path in [VARIANTS] + ([extra] if extra else []):
        for name, key, node in entries(path, compose(path), "the catalogue of variants"):
            if not name.replace("_", "").replace("-", "").replace(".", "").isalnum():
                raise CatalogueError(f"{place(path, key)}: {name!r} cannot name a variant; use letters, digits, _ - and .")
            if name in variants:
                raise CatalogueError(f"{place(path, key)}: variant {name} exists already at {variants[name].where}; choose another name")
            variants[name] = read_variant(name, key, node, path, flags)
            if path != VARIANTS and variants[name].parent is None:
                raise CatalogueError(f"{place(path, key)}: variant {name} names no parent and would replace the profile; add parent: scale")
    return variants


def resolve(name: str, variants: dict[str, Variant], flags: dict[str, Flag]) -> dict[str, Any]:
    """Every flag's value in a variant, parents first, with the combination checked."""
    if name not in variants:
        raise CatalogueError(f"{shown(VARIANTS)}:1: there is no variant {name}; known are {', '.join(variants)}")
    chain: list[Variant] = []
    at: str | None = name
    while at is not None:
        if at not in variants:
            raise CatalogueError(f"{chain[-1].where}: variant {chain[-1].name} has the unknown parent {at}; known are {', '.join(variants)}")
        if any(link.name == at for link in chain):
            raise CatalogueError(f"{variants[at].where}: variant {at} is its own ancestor; break the circle")
        chain.append(variants[at])
        at = variants[at].parent
    values = {flag.name: flag.default for flag in flags.values()}
    options: dict[str, Any] = {"lto": False, "optimization": "3"}
    places: dict[str, str] = {}
    for link in reversed(chain):
        values.update(link.flags)
        options.update(link.options)
        places.update(link.flag_places)
    for flag in flags.values():
        meant = values[flag.name] != 0 if flag.kind == "bool" else flag.name in places
        missing = [need for need in flag.requires if meant and values[need] == 0]
        if missing:
            where = places.get(flag.name, chain[0].where)
            raise CatalogueError(f"{where}: {flag.name}={values[flag.name]} in variant {name} is an illegal combination: it needs "
                                 f"{missing[0]}=1; add that flag or leave this one out")
    return {"variant": name, "parents": [link.name for link in chain[1:]], "flags": values, "options": options,
            "doc": chain[0].doc}


def stray_macros(command: list[str], flags: dict[str, Flag]) -> None:
    """Refuses -DHZ3_... given to the compiler behind the catalogue's back."""
    out = subprocess.run([*command, "-dM", "-E", "-x", "c++", "/dev/null"], capture_output=True, text=True, check=False)
    if out.returncode != 0:
        raise CatalogueError(f"compiler: {' '.join(command)} fails: {out.stderr.strip()}; mend the compiler arguments")
    for line in out.stdout.splitlines():
        name = line.split()[1].split("(")[0] if line.startswith("#define ") else ""
        if name.startswith("HZ3_"):
            what = "set flags in a variant, not on the command line" if name in flags else "unknown flag, " + hint(name, list(flags))
            raise CatalogueError(f"compiler arguments: -D{name}: {what}; name a variant with parent and flags in hz3/variants.yaml")


def c_string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def knob_lines(resolved: dict[str, Any], flags: dict[str, Flag], knobs: list[Knob], others: list[str]) -> list[str]:
    """The constants of hz3::knob. A knob whose default its own range forbids is a mistake of the variant."""
    lines = ["namespace hz3::knob {", "enum class Name : std::uint32_t {" + ", ".join(knob.name for knob in knobs) + "};",
             f"inline constexpr std::uint32_t kKnobs = {len(knobs)};",
             "struct Spec {", "  const char* name;", "  const char* environment;", "  const char* meaning;",
             "  std::uint64_t low, high, initial;", "  bool exists;  // a box that looks at it is on", "};",
             f"inline constexpr Spec kSpecs[{max(len(knobs), 1)}] = {{"]
    for knob in knobs:
        initial = resolved["flags"][knob.flag.name]
        if not knob.low <= initial <= knob.high:
            raise CatalogueError(f"{shown(KNOBS)}:1: {knob.flag.name}={initial} of variant {resolved['variant']} is out of range of the "
                                 f"knob {knob.name}; give {knob.low} to {knob.high}")
        exists = not knob.boxes or any(resolved["flags"][box] for box in knob.boxes)
        lines.append(f"    {{{c_string(knob.name)}, {c_string(knob.environment)}, {c_string(knob.doc)}, {knob.low}u, {knob.high}u, "
                     f"{initial}u, {'true' if exists else 'false'}}},")
    lines += ["};", f"inline constexpr const char* kFlagNames[] = {{{', '.join(c_string(flag) for flag in flags)}}};",
              f"inline constexpr const char* kEnvironmentOfOthers[] = {{{', '.join(c_string(name) for name in others) or 'nullptr'}}};",
              "}  // namespace hz3::knob", ""]
    return lines


def header(resolved: dict[str, Any], flags: dict[str, Flag], knobs: list[str], record: dict[str, Any]) -> str:
    lines = ["// Generated by flagtool.py from flags.yaml and variants.yaml; do not edit.", "#pragma once", "#include <cstdint>", "",
             "namespace hz3::flag {"]
    for flag in flags.values():
        value = resolved["flags"][flag.name]
        kind, text = ("bool", "true" if value else "false") if flag.kind == "bool" else ("std::int64_t", f"{value}")
        lines.append(f"inline constexpr {kind} {flag.name.removeprefix('HZ3_')} = {text};  // {flag.doc}")
    text = json.dumps(record, sort_keys=True)
    if len(text) >= RECORD_BYTES:
        raise CatalogueError(f"the build record of {resolved['variant']} has {len(text)} bytes; at most {RECORD_BYTES - 1} fit")
    literal = json.dumps(text)[1:-1]
    lines += ["}  // namespace hz3::flag", "", *knobs, "namespace hz3 {",
              "// Fixed size, so that two variants differ in layout only where their code does.",
              f"inline constexpr std::uint32_t kBuildRecordBytes = {RECORD_BYTES};",
              f'#define HZ3_BUILD_RECORD "{literal}"', "}  // namespace hz3", ""]
    return "\n".join(lines)


def git_state() -> tuple[str, bool]:
    def git(*args: str) -> str:
        run = subprocess.run(["git", "-C", str(HERE), *args], capture_output=True, text=True, check=False)
        return run.stdout.strip() if run.returncode == 0 else ""
    # Only what the library is made of counts: a commit that touches a report leaves every library as it is.
    root = HERE.parent.parent
    sources = [str(root / part) for part in ("src", "include", "variants.yaml", "meson.build")]
    return git("log", "-1", "--format=%H", "--", *sources) or "unknown", bool(git("status", "--porcelain", "--", *sources))


def generate(args: argparse.Namespace, flags: dict[str, Flag]) -> None:
    resolved = resolve(args.name, load_variants(args.extra, flags), flags)
    command = list(args.compiler)
    stray_macros(command, flags)
    commit, dirty = git_state()
    record = {"schema": 1, "variant": args.name, "parents": resolved["parents"], "flags": resolved["flags"],
              "options": resolved["options"], "compiler": args.compiler_id, "cxx_args": command[1:], "git_commit": commit,
              "git_dirty": dirty}
    text = header(resolved, flags, knob_lines(resolved, flags, *load_knobs(flags)), record)
    if not args.output.exists() or args.output.read_text(encoding="utf-8") != text:
        args.output.write_text(text, encoding="utf-8")


def docs(flags: dict[str, Flag], knobs: list[Knob]) -> str:
    rows = ["# Flags of hz3", "", "Made by `hz3/src/config/flagtool.py docs` from `hz3/src/config/flags.yaml`; do not edit by hand.", "",
            "| flag | default | range | needs | meaning |", "|---|---|---|---|---|"]
    for flag in flags.values():
        span = "0, 1" if flag.kind == "bool" and flag.low == 0 else "1" if flag.kind == "bool" else f"{flag.low} … {flag.high}"
        rows.append(f"| `{flag.name}` | {flag.default} | {span} | {', '.join(f'`{n}`' for n in flag.requires)} | {flag.doc} |")
    rows += ["", "# Knobs of hz3", "",
             "Made from `hz3/src/config/knobs.yaml`. A knob can be turned while a program runs: `hz3_knob_set(name, value)`, or the "
             "environment variable when it starts. It begins at the value of its flag in the build, and exists where one of its boxes "
             "is on.", "",
             "| knob | environment | begins at | range | boxes | meaning |", "|---|---|---|---|---|---|"]
    for knob in knobs:
        rows.append(f"| `{knob.name}` | `{knob.environment}` | `{knob.flag.name}` | {knob.low} … {knob.high} | "
                    f"{', '.join(f'`{box}`' for box in knob.boxes) or 'every build'} | {knob.doc} |")
    return "\n".join(rows) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in [("list", "names of all variants"), ("show", "one variant, as JSON"), ("generate", "its C++ header"),
                       ("docs", "the tables of flags and knobs")]:
        sub = commands.add_parser(name, help=text)
        sub.add_argument("--extra", type=Path, help="YAML file with further variants")
        if name in ("show", "generate"):
            sub.add_argument("name", help="the variant")
        if name == "generate":
            sub.add_argument("--output", type=Path, required=True)
            sub.add_argument("--compiler-id", default="unknown")
            sub.add_argument("compiler", nargs="+", help="after --: the compiler and its arguments")
    args = parser.parse_args()
    try:
        flags = load_catalogue()
        if args.command == "list":
            print("\n".join(load_variants(args.extra, flags)))
        elif args.command == "show":
            print(json.dumps(resolve(args.name, load_variants(args.extra, flags), flags), indent=1))
        elif args.command == "docs":
            print(docs(flags, load_knobs(flags)[0]), end="")
        else:
            generate(args, flags)
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
