"""What a report is made of: sections of texts, lists, tables and pictures; and how its numbers are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from models.resampling import Interval

NOTHING = "-"
"""Shown where there is no number."""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Items:
    """A list of sentences."""

    kind: ClassVar[str] = "items"
    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        columns: Heads of its columns.
        rows: Cells, as they are to be read.
        texts: How many columns, from the left, hold words; the others hold numbers, aligned to the right.
        bars: Length of a bar after each row, 0 to 1; none by default.
        strong: Places of rows to stress.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    bars: Sequence[float] = ()
    strong: Sequence[int] = ()


@dataclass(frozen=True)
class Picture:
    """A plot.

    Attributes:
        source: The image as a data URI.
        alt: What it shows, for those who cannot see it.
        caption: Its title.
    """

    source: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Pictures:
    """Plots, side by side where there is room."""

    kind: ClassVar[str] = "pictures"
    pictures: Sequence[Picture]


Part = Text | Items | Table | Pictures


@dataclass(frozen=True)
class Section:
    """A chapter of the report.

    Attributes:
        name: Its anchor.
        title: Its title.
        parts: What it holds.
    """

    name: str
    title: str
    parts: Sequence[Part]


def number(value: float, digits: int = 4) -> str:
    """A number with so many digits after the point."""
    return NOTHING if value != value else f"{value:.{digits}f}"


def percent(value: float | None, digits: int = 0) -> str:
    """A share in per cent."""
    return NOTHING if value is None or value != value else f"{100 * value:.{digits}f} %"


def gain_share(gain: Interval, of: float) -> str:
    """A gain as a share of a loss, with its interval."""
    return f"{100 * gain.mean / of:+.1f} % ({100 * gain.lower / of:+.1f} to {100 * gain.upper / of:+.1f})"


def count(n: float, what: str) -> str:
    """A number of things, such as "1 deal" and "1,200 deals"."""
    return f"{n:,.0f} {what}" + ("" if n == 1 else "s")
