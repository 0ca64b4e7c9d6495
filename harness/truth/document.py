"""The study as a Markdown document."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from harness.model import Status
from harness.report.document import Bullets, Callout, Code, Document, Figure, Heading, Paragraph, Part, Table
from harness.report.markdown import to_markdown
from harness.report.words import counted
from harness.truth.economy import LEAST_POWER, RULES, power
from harness.truth.measure import Cell, Tally
from harness.truth.measure import Table as Tallies
from harness.truth.questions import QUESTIONS
from harness.truth.rates import LIMIT, interval, percent
from harness.truth.study import LOOKS, ONE_LOOK, ErrorRate, Study, effect_label, error_rates, faults
from harness.truth.worlds import SLOW_TREAT, WORLDS

PLOT = "truth.svg"
CLEAR = 0.95  # of the looks' answers right: a clear effect
_NONE = "–"


def truth_text(study: Study, command: str, date: str) -> str:
    document = Document("What the verdicts are worth")
    document.add(*_opening(study, command, date))
    document.add(Heading(2, "Errors"), *_errors(study))
    document.add(Heading(2, "A slow mode in treat alone"), *_slow(study))
    document.add(Heading(2, "Blocks spent: several looks and one"), *_economy(study))
    document.add(Heading(2, "Ways to share the error over the looks"), *_rules(study))
    document.add(Heading(2, "Every cell"), *_cells(study))
    document.add(Heading(2, "What was simulated"), *_worlds(), Heading(2, "How it was made"), Code(command))
    seed = f"On {date}, seed {study.seed}; the same seed gives the same figures. Files: `cells.csv`, `looks.csv`."
    document.add(Paragraph(seed))
    return to_markdown(document)


def _opening(study: Study, command: str, date: str) -> list[Part]:
    rates = error_rates(study.verdicts)
    bad = faults(study.verdicts)
    worst = max(rates, key=lambda rate: rate.share)
    runs = f"{study.runs:,} made-up experiments in each of {len(study.verdicts)} cells"
    if bad:
        found = f"{len(bad)} of {len(rates)} error rates are above {_whole(LIMIT)} beyond doubt, the worst"
        text = f"{runs}: {found} {_rate(bad[0])} ({_where(bad[0])})."
    else:
        found = f"of {len(rates)} error rates none is above {_whole(LIMIT)} beyond doubt; the largest is"
        text = f"{runs}: {found} {_rate(worst)} ({_where(worst)})."
    return [
        Paragraph(
            "Experiments of which the truth is known, put through the real plan, records, looks and judge, with "
            "the A/A arm and all rules that can take a decision back. How often is the answer wrong?"
        ),
        Callout("above the limit" if bad else "within the limit", text),
        Figure(PLOT, _plot_in_words(rates), ""),
    ]


def _whole(share: float) -> str:
    return f"{share * 100:.0f} %"


def _plot_in_words(rates: Sequence[ErrorRate]) -> str:
    largest = ", ".join(
        f"{name} {max(rate.share for rate in rates if rate.cell.question == name) * 100:.1f} %" for name in QUESTIONS
    )
    text = f"Error rates of all cells beside the promised 5 %; the largest by gate: {largest}."
    return f"{text} The tables below hold the same figures"


def _where(rate: ErrorRate) -> str:
    cell = rate.cell
    which = f"false {rate.status.value}, {cell.question}, {effect_label(cell)}, {cell.world}, {cell.plan.text}"
    return which + (", extended" if rate.extended else "")


def _rate(rate: ErrorRate) -> str:
    low, high = interval(rate.count, rate.runs)
    return f"{percent(rate.share)} [{low * 100:.1f}, {high * 100:.1f}]"


# --- errors


def _errors(study: Study) -> list[Part]:
    rates = error_rates(study.verdicts)
    series = (
        ("one look", ONE_LOOK, False),
        ("looks", LOOKS, False),
        ("extended", LOOKS, True),
    )
    kinds = (Status.GO, Status.NO_GO)
    header = ["gate", "noise"] + [f"{name}: false {status.value}" for name, _, _ in series for status in kinds]
    rows = []
    for question in QUESTIONS:
        for world in WORLDS:
            row = [question, world]
            for _, plan, extended in series:
                for status in kinds:
                    found = [
                        rate
                        for rate in rates
                        if (rate.cell.question, rate.cell.world, rate.cell.plan) == (question, world, plan)
                        and (rate.extended, rate.status) == (extended, status)
                    ]
                    row.append(_rate(max(found, key=lambda rate: rate.count)))
            rows.append(tuple(row))
    void = [tally.share(Status.VOID, extended=True) for tally in study.verdicts.values()]
    return [
        Paragraph(
            "Away from the gate's bound one of GO and NO-GO is wrong. At the bound (guard: ratio 0.98; target: "
            "1.02; same: 1/1.02 and 1.02) the letter of the gate makes one of them right, but a truth a hair's breadth "
            "further makes it wrong at the same rate; so both are counted there, each as the worst case of its own "
            "error. No truth makes both wrong, so the two do not add up. The table shows the largest rate over the "
            "five effects, with its 95 % interval (Clopper-Pearson), in experiments of one look at 10 blocks, of looks at "
            "10/20/30/40, and after one extension to 80 of those that ended INCONCLUSIVE. One look may "
            "err in 5 % a side, planned looks in 4 %, with one extension in 4.5 %."
        ),
        Table(tuple(header), tuple(rows), "ll" + "r" * 6),
        Paragraph(
            "The largest of several rates is above its own truth by luck, and the cells of a row share their random "
            f"numbers. The A/A control, which may be wrong in 1 %, voided {percent(sum(void) / len(void))} of all experiments."
        ),
    ]


def _cells(study: Study) -> list[Part]:
    parts: list[Part] = [
        Paragraph(
            "GO / NO-GO / undecided in per cent of all experiments (what is missing to 100 was VOID), wrong answers in "
            "bold; mean blocks."
        )
    ]
    header = ("noise", "effect", "one look of 10", "looks 10/20/30/40", "blocks", "with one extension", "blocks")
    for question in QUESTIONS.values():
        rows = []
        for world in WORLDS:
            for label, ratio in question.effects.items():
                one = study.verdicts[Cell(question.name, ratio, world, ONE_LOOK)]
                cell = Cell(question.name, ratio, world, LOOKS)
                looks = study.verdicts[cell]
                rows.append(
                    (world, label, _split(cell, one), _split(cell, looks), f"{looks.mean_blocks():.1f}",
                     _split(cell, looks, True), f"{looks.mean_blocks(True):.1f}")
                )  # fmt: skip
        rule = question.yaml.replace('"', "")
        parts += [Heading(3, f"{question.name}: `{rule}`"), Table(header, tuple(rows), "llrrrrr")]
    return parts


def _split(cell: Cell, tally: Tally, extended: bool = False) -> str:
    wrong = QUESTIONS[cell.question].wrong(cell.ratio)
    shown = []
    for status in (Status.GO, Status.NO_GO, Status.INCONCLUSIVE):
        text = f"{tally.share(status, extended) * 100:.1f}"
        shown.append(f"**{text}**" if status in wrong and tally.share(status, extended) else text)
    return " / ".join(shown)


# --- the slow mode


def _slow(study: Study) -> list[Part]:
    rows = []
    for plan, passed in study.slow.items():
        shares = [percent(n / passed.runs) for n in (passed.before, passed.now, passed.unseen)]
        rows.append((plan.text, *shares, percent(study.slow_target[plan].share(Status.GO))))
    header = ("design", "guard: by its centre alone", "guard: now", "of that: treat was never slow", "target: GO")
    what = f"{SLOW_TREAT.text[0].upper()}{SLOW_TREAT.text[1:]}"
    return [
        Paragraph(
            f"{what}: its mean is 2.6 % lower, its centre about as before. How often does it pass a guard of 2 %? And how often "
            "is a target of 2 % reached by a treat that is 3 % faster but for such a mode, so that its mean is 0.3 % faster?"
        ),
        Table(header, tuple(rows), "lrrrr"),
        Paragraph(
            "What a guard still lets pass is chance: no run of treat was slow (0.9 to the power of the blocks: 35 % at ten), "
            "which no statistic can see, or so few of forty were that the mean of the data keeps to the bound. An experiment "
            "that must not miss a mode of a tenth needs `blocks: 30`. A target speaks of the centre: it is reached, and the "
            "report names the two modes; who wants the mean kept declares a guard beside it."
        ),
    ]


# --- economy


def _economy(study: Study) -> list[Part]:
    rows = []
    for fixed in study.economy.knowing:
        planned = study.economy.planned.get((fixed.cell.world, fixed.cell.question))
        looks = fixed.looks.mean_blocks()
        rows.append(
            (
                fixed.cell.world,
                fixed.cell.question,
                effect_label(fixed.cell),
                percent(power(fixed.cell, fixed.looks)),
                f"{looks:.1f}",
                *_against(looks, planned.fixed.blocks if planned else None),
                *_against(looks, fixed.blocks),
            )
        )
    header = ("noise", "gate", "effect", "right", "looks: blocks", "one look, planned", "looks need", "one look, knowing", "looks need")
    return [
        Paragraph(
            "The planned looks (10/20/30/40) against one look of equal declared error (4 %) and equal power, found by simulation "
            f"with {study.economy_runs:,} experiments a cell "
            "(right: of the experiments that the A/A control let stand). **Planned** is the fixed number of blocks that a "
            "person needs who does not know the effect beforehand: equal power where it is hard, at the effect that the "
            "looks find in about 80 %, which the second table lists. **Knowing** is the fewest blocks that answer this "
            "very question as often as the looks do (or in 99 %), which only someone who knows the effect and the noise "
            f"could plan. Rows of less than {_whole(LEAST_POWER)} right are left out."
        ),
        Bullets(_economy_in_words(study)),
        Table(header, tuple(rows), "lllrrrrrr"),
        Heading(3, "The planned one look"),
        Table(
            ("noise", "gate", "true ratio", "looks: right", "looks: blocks", "one look: blocks", "error of looks", "error of one look"),
            tuple(
                (world, question, f"{p.fixed.cell.ratio:.4f}", percent(power(p.fixed.cell, p.fixed.looks)),
                 f"{p.fixed.looks.mean_blocks():.1f}", str(p.fixed.blocks), percent(p.error_of_looks), percent(p.error))
                for (world, question), p in study.economy.planned.items()
            ),
            "llrrrrrr",
        ),
    ]  # fmt: skip


def _economy_in_words(study: Study) -> tuple[str, ...]:
    shares: dict[bool, list[float]] = {True: [], False: []}
    knowing: list[float] = []
    for fixed in study.economy.knowing:
        planned = study.economy.planned.get((fixed.cell.world, fixed.cell.question))
        clear = power(fixed.cell, fixed.looks) >= CLEAR
        if planned is not None and planned.fixed.blocks:
            shares[clear].append(fixed.looks.mean_blocks() / planned.fixed.blocks)
        if clear and fixed.blocks:
            knowing.append(fixed.looks.mean_blocks() / fixed.blocks)
    lines = []
    if shares[True]:
        halved = sum(share <= 0.5 for share in shares[True])
        lines.append(
            f"Where the effect is clear (the looks are right in {_whole(CLEAR)} or more) they spend at most half of the "
            f"planned one look in {halved} of {counted(len(shares[True]), 'row')}, and {_span(shares[True])} of it."
        )
    if shares[False]:
        lines.append(f"Where it is less clear they spend {_span(shares[False])} of it.")
    if knowing:
        lines.append(
            f"Of what someone plans who knows a clear effect beforehand they need {_span(knowing)}: where eight blocks would "
            "do, the first look, at ten, comes late."
        )
    return tuple(lines)


def _span(values: Sequence[float]) -> str:
    return f"from {min(values):.2f} to {max(values):.2f}"


def _against(looks: float, blocks: int | None) -> tuple[str, str]:
    if blocks is None:
        return f"> {LOOKS.most}", f"< {looks / LOOKS.most:.2f}"
    return str(blocks), f"{looks / blocks:.2f}"


# --- rules


def _rules(study: Study) -> list[Part]:
    """The rules by how hard the question is, judged by Pocock's power."""
    classes: dict[str, list[Cell]] = {"clear (right in 95 % or more)": [], "in between": [], "on the bound": []}
    clear, between, bound = classes
    for cell, tally in study.rules.items():
        if cell.looking == "Pocock":
            found = power(cell, tally)
            on_bound = QUESTIONS[cell.question].right(cell.ratio) is None
            classes[bound if on_bound else clear if found >= CLEAR else between].append(cell)
    rows = []
    for question in QUESTIONS:
        for name, cells in classes.items():
            asked = [cell for cell in cells if cell.question == question]
            if asked:
                rows.append((question, name, str(len(asked)), *_of_rules(study.rules, asked, name == bound)))
    header = ("gate", "effect", "cells", *(f"{rule}: {what}" for what in ("blocks", "right or wrong") for rule in RULES))
    return [
        Paragraph(
            "Planned looks at 10/20/30/40 that err in 4 % together: Pocock's equal levels (in force), equal shares (Bonferroni), and "
            "the spending function that resembles O'Brien and Fleming's bounds. Mean blocks; and the share of right answers, on the bound "
            "the largest rate of wrong ones. Every cell is in `looks.csv`."
        ),
        Table(header, tuple(rows), "ll" + "r" * (1 + 2 * len(RULES))),
        Bullets(_rules_in_words(study.rules, classes[clear], classes[between])),
    ]


def _of_rules(rules: Tallies, cells: Sequence[Cell], on_bound: bool) -> list[str]:
    by_rule = [[(cell, rules[cell._replace(looking=rule)]) for cell in cells] for rule in RULES]
    blocks = [f"{_mean(tally.mean_blocks() for _, tally in found):.1f}" for found in by_rule]
    if on_bound:
        wrong = [max(t.share(s) for c, t in found for s in (Status.GO, Status.NO_GO)) for found in by_rule]
        return blocks + [f"{percent(share)} wrong" for share in wrong]
    return blocks + [percent(_mean(power(cell, tally) for cell, tally in found)) for found in by_rule]


def _rules_in_words(rules: Tallies, clear: Sequence[Cell], between: Sequence[Cell]) -> tuple[str, ...]:
    lines = []
    for name, cells in (("clear", clear), ("not clear", between)):
        if cells:
            blocks = {r: _mean(rules[c._replace(looking=r)].mean_blocks() for c in cells) for r in RULES}
            right = {r: _mean(power(c, rules[c._replace(looking=r)]) for c in cells) for r in RULES}
            told = ", ".join(f"{rule} {blocks[rule]:.1f} blocks and {percent(right[rule])} right" for rule in RULES)
            best = f"Fewest blocks: {min(RULES, key=blocks.__getitem__)}; most often right: {max(RULES, key=right.__getitem__)}"
            lines.append(f"Where the effect is {name} ({counted(len(cells), 'cell')}): {told}. **{best}.**")
    return tuple(lines)


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found)


# --- the rest


def _worlds() -> list[Part]:
    rules = ", ".join(f"`{question.yaml}`".replace('"', "") for question in QUESTIONS.values())
    return [
        Paragraph(
            f"Gates {rules} on a rate, arms base, treat and the copy of base, blocks in balanced order. The effect multiplies treat's "
            "rate by 0.97, the lower bound, 1, the upper bound, or 1.03. A run is slower than another, in every arm alike, by:"
        ),
        Bullets(tuple(f"**{world.name}**: {world.text}" for world in (*WORLDS.values(), SLOW_TREAT))),
    ]
