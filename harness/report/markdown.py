"""Renders a report document as Markdown, to be pasted into a phase document."""

from __future__ import annotations

from harness.report.document import (
    Bullets,
    Callout,
    Code,
    Document,
    Heading,
    Paragraph,
    Part,
    Table,
)


def _md_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _md_alt(text: str) -> str:
    """The first sentence: what follows stands in the tables beside it. Brackets would end it early."""
    return text.partition(". ")[0].replace("[", "(").replace("]", ")")


def table_text(table: Table) -> str:
    """The table alone, its caption above it."""
    rules = ["---:" if a == "r" else ":---" for a in table.align]
    lines = [f"**{table.caption}**", ""] if table.caption else []
    lines.append("| " + " | ".join(_md_cell(c) for c in table.header) + " |")
    lines.append("| " + " | ".join(rules) + " |")
    lines += ["| " + " | ".join(_md_cell(c) for c in row) + " |" for row in table.rows]
    return "\n".join(lines)


def _md_part(part: Part) -> str:
    if isinstance(part, Heading):
        return "#" * part.level + " " + part.text
    if isinstance(part, Paragraph):
        return part.text
    if isinstance(part, Callout):
        return f"> **{part.status}** — {part.text}"
    if isinstance(part, Bullets):
        return "\n".join(f"- {item}" for item in part.items)
    if isinstance(part, Table):
        return table_text(part)
    if isinstance(part, Code):
        return f"```sh\n{part.text}\n```"
    image = f"![{_md_alt(part.alt)}]({part.path})"
    return f"{image}\n\n*{part.caption}*" if part.caption else image


def to_markdown(document: Document) -> str:
    parts = [f"# {document.title}"] + [_md_part(part) for part in document.parts]
    return "\n\n".join(parts) + "\n"
