"""The same pages as Markdown, for mails and tickets."""

from __future__ import annotations

import re
from collections.abc import Sequence

from insights.pages.page import SIMULATED
from insights.pages.parts import Items, Part, Pictures, Section, Table, Text

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$!&])")
_LINE_START = re.compile(r"^(\s*)([-+=]|\d+[.)])(?=\s|$)")


def markdown(title: str, headline: str, sections: Sequence[Section], *, simulated: bool) -> str:
    """A page as Markdown (CommonMark with tables); what people typed into a CRM is escaped.

    Args:
        title: What it is.
        headline: What it says, in one line.
        sections: Its chapters, in order; of plots, their descriptions.
        simulated: Whether the data come from the simulator.
    """
    lines = [f"# {escaped(title)}", ""]
    if simulated:
        lines += [f"> {escaped(SIMULATED)}", ""]
    lines += [f"**{escaped(headline)}**", ""]
    for section in sections:
        lines += [f"## {escaped(section.title)}", ""]
        for part in section.parts:
            lines += [*_lines(part), ""]
    return "\n".join(lines).rstrip() + "\n"


def escaped(text: str) -> str:
    """Text in which nothing is markup, in one line."""
    plain = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _LINE_START.sub(r"\1\\\2", plain)


def _lines(part: Part) -> list[str]:
    if isinstance(part, Text):
        return [escaped(part.text)]
    if isinstance(part, Items):
        return [f"- {escaped(item)}" for item in part.items]
    if isinstance(part, Pictures):
        return [f"_{escaped(item.alt)}_" for item in part.pictures]
    return _table(part)


def _table(part: Table) -> list[str]:
    bold = set(part.strong)
    lines = [escaped(part.caption) + ":", "", _row(part.columns, False),
             _row(["---" if place < part.texts else "---:" for place in range(len(part.columns))], False, raw=True)]
    return [*lines, *(_row(row, place in bold) for place, row in enumerate(part.rows))]


def _row(cells: Sequence[str], bold: bool, *, raw: bool = False) -> str:
    shown = [cell if raw else escaped(cell) for cell in cells]
    if bold and shown[0]:
        shown[0] = f"**{shown[0]}**"
    return f"| {' | '.join(shown)} |"
