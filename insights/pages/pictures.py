"""Plots as images inside the page: SVG in a data URI, which runs no script and shares no names with the page."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from insights.pages.parts import Picture

SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text: sharp in print, and small
    "svg.hashsalt": "wonlost",  # the same run gives the same bytes
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip
MARGIN = 0.55
"""Room for ticks and labels, in inches."""


def plain_label(text: str, most: int = 34) -> str:
    """A name from a CRM as a label of a plot: cut short, nothing unprintable, and no dollar sign read as mathematics.

    Args:
        text: The name.
        most: Most characters.
    """
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return (text if len(text) <= most else f"{text[: most - 1]}…").replace("$", r"\$")


def picture(
    draw: Callable[[Axes], None], alt: str, caption: str, size: tuple[float, float] = (3.4, 3.1), left: float = MARGIN
) -> Picture:
    """Draw a plot.

    Args:
        draw: Draws onto the axes.
        alt: What it shows, for those who cannot see it.
        caption: Its title.
        size: Width and height in inches.
        left: Room on the left for labels, in inches.
    """
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        # a script that the fonts here lack is drawn by the reader's browser, which has others
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure = Figure(figsize=size)
        # margins by hand: a layout that finds them draws everything twice
        width, height = size
        room = (left / width, MARGIN / height, 1 - (left + 0.2 * MARGIN) / width, 1 - 1.2 * MARGIN / height)
        draw(figure.add_axes(room))
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return Picture("data:image/svg+xml;base64," + base64.b64encode(file.getvalue()).decode(), alt, caption)
