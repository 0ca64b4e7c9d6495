"""Every way an experiment file can be wrong, with the exact line, column and advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.experiment import ExperimentError, arm_places, load_experiment, parse_experiment

GOOD = """\
id: s62
question: Does it halve idle RSS?
arms: {base: s61, treat: s62}
workloads:
  idle: {program: bench_burst_idle, args: [1, 2]}
gates:
  - {metric: idle.rss_idle_kb, go_if: "ratio <= 0.5"}
design: {blocks: 10, max_blocks: 40}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ExperimentError) as caught:
        parse_experiment(text, "e.yaml")
    return [str(p) for p in caught.value.problems]


def changed(line: int, new: str, text: str = GOOD) -> str:
    """`text` with one line (from 1) replaced."""
    lines = text.splitlines()
    lines[line - 1] = new
    return "\n".join(lines) + "\n"


def test_the_unchanged_file_is_good() -> None:
    assert parse_experiment(GOOD).id == "s62"


# (line to replace, its new text, the one message expected)
ONE_LINE: list[tuple[int, str, str]] = [
    (1, "id: S 62", "1:5: id 'S 62' names a folder; use a-z, 0-9, '.', '_', '-'"),
    (1, "id: 62", "1:5: expected text, found 62; put the value in quotes"),
    (2, "question: ''", "2:11: the question is empty; say what the verdict answers"),
    (8, "desing: {}", "8:1: unknown key 'desing'; did you mean 'design'?"),
    (8, "zzz: {}", "8:1: unknown key 'zzz'; use one of any_target, arms, design, difference, evidence, gates, id, kind, nightly, question, quick, references, sweep, truth, workloads"),
    (2, "question: a\nkind: tabel", "3:7: expected one of ab, aa, table, found 'tabel'; choose one of these"),
    (3, "arms: {base: s61}", "3:7: arm 'treat' is missing; name the variant to judge"),
    (3, "arms: {treat: s61}", "3:7: arm 'base' is missing; name the variant to compare with"),
    (3, "arms: {base: s61, treat: s62, aa: s61}", "3:31: arm 'aa' is the harness's own copy of base; use another name, or design.aa"),
    (3, "arms: {base: s61, treat: s62, B!: s61}", "3:31: arm name 'B!'; use a-z, 0-9, '_' and '-'"),
    (3, "arms: {base: s61, treat: {flags: {X: 1}}}", "3:26: the arm names no variant; write its name, or parent and flags"),
    (3, "arms: {base: s61, treat: {variant: s61, flags: {X: 1}}}", "3:26: a named variant takes no parent, flags or options; use parent instead of variant"),
    (3, "arms: {base: s61, treat: {parent: s61, flags: {X: on}}}", "3:51: expected a whole number, found True; write it without quotes or decimals"),
    (3, "arms: {base: s61, treat: {parnt: s61}}", "3:27: unknown key 'parnt'; did you mean 'parent'?"),
    (3, "arms: {base: s61, treat: 7}", "3:26: expected a mapping, found 7; write key: value pairs"),
    (3, "arms: {base: s61, base: s62, treat: s62}", "3:19: key 'base' is given twice (first in line 3); remove one of them"),
    (5, "  idle: {program: p}\n  B: {program: p}", "6:3: lane name 'B'; use a-z, 0-9, '_' and '-'"),
    (5, "  idle: {args: [1]}", "5:3: a workload has exactly one of program and command; keep one"),
    (5, "  idle: {program: p, command: c}", "5:3: a workload has exactly one of program and command; keep one"),
    (5, "  idle: {command: []}", "5:19: the command is empty; name a program"),
    (5, "  idle: {command: 'lua \"x'}", "5:19: cannot split the command (No closing quotation); close the quote or use a list of words"),
    (5, "  idle: {program: p, args: 3}", "5:28: expected a list, found 3; write [a, b]"),
    (5, "  idle: {program: p, sample_ms: -1}", "5:33: an interval is not negative; use 0 for no series"),
    (5, "  idle: {program: p, sample_ms: '10'}", "5:33: expected a whole number, found '10'; write it without quotes or decimals"),
    (5, "  idle: {program: p, sample: 10}", "5:22: unknown key 'sample'; did you mean 'sample_ms'?"),
    (5, "  idle: {program: p, timeout_s: 0}", "5:33: a time-out is above 0; give seconds"),
    (5, "  idle: {program: p, timeout_s: 1m}", "5:33: expected a number, found '1m'; write it as 5 or 0.02, without quotes"),
    (5, "  idle: {program: p, blocks: 0}", "5:30: a lane runs in at least 1 block; remove it instead"),
    (5, "  idle: {program: p, blocks: 4}", "5:30: a cap of 4 blocks cannot decide the lane's gates; use at least 5"),
    (5, "  idle: {command: c, metrics: {s: 'a(b'}}", "5:35: bad regular expression: missing ), unterminated subpattern at position 1; mind YAML's quoting"),
    (5, "  idle: {command: c, metrics: {s: 'ab'}}", "5:35: the expression has 0 groups; put ( ) around the number, (?: ) elsewhere"),
    (7, '  - {metric: idl.rss, go_if: "ratio <= 0.5"}', "7:14: gate on unknown lane 'idl'; did you mean 'idle'?"),
    (7, '  - {metric: idle, go_if: "ratio <= 0.5"}', "7:14: 'idle' names no lane; write lane.metric"),
    (7, '  - {go_if: "ratio <= 0.5"}', "7:5: key 'metric' is missing; add lane.metric"),
    (7, '  - {metric: idle.x, arm: trat, go_if: "ratio <= 0.5"}', "7:27: gate on unknown arm 'trat'; did you mean 'treat'?"),
    (7, '  - {metric: idle.x, against: qq, go_if: "ratio <= 0.5"}', "7:31: gate on unknown arm 'qq'; use one of aa, base, treat"),
    (7, '  - {metric: idle.x, against: treat, go_if: "ratio <= 1"}', "7:5: 'treat' is compared with itself; change against"),
    (7, "  - {metric: idle.x}", "7:5: the gate has no rule; give one of go_if, no_go_if, same_within"),
    (7, '  - {metric: idle.x, go_if: "ratio < 1", same_within: 0.1}', "7:5: the gate has go_if and same_within; give one of go_if, no_go_if, same_within"),
    (7, "  - {metric: idle.x, same_within: 2}", "7:35: the width of same_within is a fraction; use e.g. 0.02 for 2 %"),
    (7, '  - {metric: idle.ops, go_if: "ratio < 1", exact_within: 0.3}', "7:58: an allowance of 0.3 is none of a count that repeats; use e.g. 0.001 for 0.1 %"),
    (7, '  - {metric: idle.wall_s, go_if: "ratio < 1", exact_within: 0.001}', "7:61: 'wall_s' is a time or a rate and never exact; leave it out"),
    (7, '  - {metric: idle.ops, go_if: "treat < 1", exact_within: 0.001}', "7:58: an exact gate is one on a ratio; use same_within or a rule like 'ratio <= 1.01'"),
    (7, "  - {metric: idle.x, go_if: ratio}", "7:29: cannot read 'ratio'; write it like 'ratio <= 0.5'"),
    (7, '  - {metric: idle.x, go_if: "ratio == 1"}', "7:29: operator '==' describes no half-line; use one of < <= > >="),
    (7, '  - {metric: idle.x, go_if: "rato < 1"}', "7:29: unknown subject 'rato'; use one of ratio, treat, base"),
    (7, '  - {metric: idle.x, go_if: "ratio < 5%"}', "7:29: '5%' is no number; write it like 'ratio <= 0.5'"),
    (7, '  - {metric: idle.x, go_if: "ratio < nan"}', "7:29: 'nan' is no number; write it like 'ratio <= 0.5'"),
    (7, '  - {metric: idle.x, go_if: "ratio > 0"}', "7:29: a ratio is never 0 or less; use a bound above 0"),
    (7, '  - {metric: idle.x, no_go_if: "ratio > 0.98"}', "7:32: no change at all (a ratio of 1) would be NO-GO; name the bad side, e.g. 'ratio < 0.98', or use go_if"),
    (7, '  - {metric: idle.x, no_go_if: "ratio <= 1"}', "7:32: no change at all (a ratio of 1) would be NO-GO; name the bad side, e.g. 'ratio > 1', or use go_if"),
    (7, '  - {metric: idle.x, go_if: "ratio < 1", statistic: mean}', "7:53: expected one of hodges-lehmann, median, found 'mean'; choose one of these"),
    (8, "design: {blocks: 4}", "8:18: 4 blocks cannot decide at confidence 0.9 with 1 look; use at least 5"),
    (8, "design: {blocks: 5, max_blocks: 40}", "8:18: 5 blocks cannot decide at confidence 0.9 with 8 looks; use at least 7"),
    (8, "design: {blocks: 0}", "8:18: 0 blocks; use 1 or more, mostly 10"),
    (8, "design: {blocks: true}", "8:18: expected a whole number, found True; write it without quotes or decimals"),
    (8, "design: {blocks: 10, max_blocks: 25}", "8:34: max_blocks 25 is no multiple of blocks 10; the data is judged every 10 blocks, so use e.g. 40"),
    (8, "design: {warmup: -1}", "8:18: warm-up blocks are not negative; use 0 for none"),
    (8, "design: {confidence: 95}", "8:22: confidence 95 is no level of an interval; use e.g. 0.90"),
    (8, "design: {aa: maybe}", "8:14: expected true or false, found 'maybe'; write true or false without quotes"),
    (8, "design: 5", "8:9: expected a mapping, found 5; write key: value pairs"),
    (8, "quick: {blocks: 4}", "8:17: 4 blocks cannot decide at confidence 0.9; use at least 5"),
    (8, "quick: {blocks: 0}", "8:17: 0 blocks; use 1 or more, mostly 6"),
    (8, "quick: {warmup: -2}", "8:17: warm-up blocks are not negative; use 0 for none"),
    (8, "quick: {args: {idel: [1]}}", "8:16: quick changes unknown lane 'idel'; did you mean 'idle'?"),
    (8, 'evidence: {tret: ["A.b > 0"]}', "8:12: evidence on unknown arm 'tret'; did you mean 'treat'?"),
    (8, 'evidence: {treat: ["Ab > 0"]}', "8:20: 'Ab' names no counter; write LINE.key or lane.metric"),
    (8, 'evidence: {treat: ["A.b => 0"]}', "8:20: unknown operator '=>'; use one of < <= > >= == !="),
    (8, 'evidence: {treat: ["A.b"]}', "8:20: cannot read 'A.b'; write it like 'HZ3_S62_PURGE.pages_purged > 0'"),
    (8, "references: [{preset: stock}]", "8:14: key 'allocator' is missing; add the allocator's name"),
    (8, "references: [{allocator: m}, {allocator: m}]", "8:30: 'm' is there already; remove one or choose another preset"),
    (8, "references: {allocator: m}", "8:13: expected a list, found a mapping; write [a, b]"),
    (8, "question: again", "8:1: key 'question' is given twice (first in line 2); remove one of them"),
    (8, "? [a, b]\n: 1", "8:3: a key must be a plain word; quote it or restructure"),
    (8, "design: {seed: !!python/name:os.system ''}", "8:16: not valid YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system'; check quotes, colons and indent"),
    (8, "design: [1", "9:1: not valid YAML: expected ',' or ']', but got '<stream end>'; check quotes, colons and indent"),
    (8, "design: *other", "8:9: not valid YAML: found undefined alias 'other'; check quotes, colons and indent"),
    (8, "design: &d {seed: *d}", "8:9: this alias contains itself; write the value out"),
]  # fmt: skip


@pytest.mark.parametrize("line, new, message", ONE_LINE, ids=[m[:40] for _, _, m in ONE_LINE])
def test_each_mistake_is_named_with_its_place_and_remedy(line: int, new: str, message: str) -> None:
    assert problems(changed(line, new)) == [f"e.yaml:{message}"]


@pytest.mark.parametrize("rule", ['no_go_if: "ratio < 1"', 'no_go_if: "ratio > 1"', 'no_go_if: "treat > 1"', 'go_if: "ratio >= 0.98"'])
def test_gates_that_no_change_passes(rule: str) -> None:
    assert parse_experiment(changed(7, f"  - {{metric: idle.x, {rule}}}")).gates


def test_places_of_arms_and_of_what_they_say(tmp_path: Path) -> None:
    text = changed(3, "arms:\n  base: s61\n  treat:\n    parent: s61\n    flags:\n      HZ3_X: 1\n    options: {lto: true}")
    (tmp_path / "e.yaml").write_text(text)
    assert arm_places(tmp_path / "e.yaml", "e.yaml") == {
        "base": "e.yaml:4:9",
        "treat": "e.yaml:6:5",
        "treat.parent": "e.yaml:6:5",
        "treat.flags": "e.yaml:7:5",
        "treat.HZ3_X": "e.yaml:8:7",
        "treat.options": "e.yaml:9:5",
        "treat.lto": "e.yaml:9:15",
    }


def test_a_missing_required_key_points_at_the_mapping_that_lacks_it() -> None:
    found = problems("id: x\n")
    assert "e.yaml:1:1: key 'question' is missing; add the question the verdict answers" in found
    assert "e.yaml:1:1: key 'workloads' is missing; add at least one lane" in found


def test_all_problems_are_reported_together_in_the_order_of_the_file() -> None:
    text = changed(8, "design: {blocks: 2}", changed(7, "  - {metric: x.y}", changed(1, "id: '!'")))
    lines = [int(p.split(":")[1]) for p in problems(text)]
    assert lines == [1, 7, 7]  # whether 2 blocks can decide is asked once the gates are sound


def test_kinds_ask_for_what_they_need() -> None:
    table = GOOD + "kind: table\n"
    assert problems(table) == [
        "e.yaml:6:1: a table judges nothing; remove the gates or use kind ab"
    ]
    aa = GOOD + "kind: aa\n"
    assert problems(aa) == [
        "e.yaml:3:19: in kind aa the harness makes treat a copy of base; remove it, or use kind ab"
    ]
    bare = "id: t\nquestion: q?\nkind: table\nworkloads: {w: {program: p}}\n"
    assert problems(bare) == ["e.yaml:1:1: nothing is measured; name arms or references"]
    gateless = "".join(GOOD.splitlines(keepends=True)[:5])
    assert problems(gateless) == [
        "e.yaml:1:1: there is no gate to decide; add one, or use kind table"
    ]


def test_files_that_hold_no_experiment(tmp_path: Path) -> None:
    assert problems("") == [
        "e.yaml:1:1: the file is empty; an experiment needs id, question and workloads"
    ]
    assert problems("# only a comment\n")[0].startswith("e.yaml:1:1: the file is empty")
    assert problems("- a\n") == ["e.yaml:1:1: an experiment is a mapping; start with `id: name`"]
    assert problems("id: a\n---\nid: b\n")[0].startswith("e.yaml:2:1: not valid YAML: but found")
    assert problems("a: 1\nid: \x07\n") == [
        "e.yaml:2:5: not valid YAML: character U+0007; remove it"
    ]
    with pytest.raises(ExperimentError, match=r"none\.yaml:1:1: cannot read the file \(No such file"):
        load_experiment(tmp_path / "none.yaml")
    with pytest.raises(ExperimentError, match=r":1:1: cannot read the file \(Is a directory"):
        load_experiment(tmp_path)
    latin = tmp_path / "latin.yaml"
    latin.write_bytes(b"id: \xe9\n")
    with pytest.raises(ExperimentError, match=r"not UTF-8 text \(byte 4\); save the file as UTF-8"):
        load_experiment(latin)
