"""A page: its headline and all its sections in order, in one HTML file that prints well."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from insights.pages.parts import Section

SIMULATED = "Simulated data: no deal in this report is real, and its figures say nothing about any company."


@cache
def _template() -> Template:
    here = FileSystemLoader(Path(__file__).parent)
    # everything is escaped: names of deals and stages are whatever somebody typed into a CRM
    environment = Environment(loader=here, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)  # fmt: skip
    return environment.get_template("page.html.j2")


def render(title: str, headline: str, sections: Sequence[Section], *, simulated: bool, state: str = "") -> str:
    """A page as HTML that needs no other file and no network.

    Args:
        title: What it is.
        headline: What it says, in one line.
        sections: Its chapters, in order.
        simulated: Whether the data come from the simulator; said at the top.
        state: Colour of the headline: `yes` for good news.
    """
    return _template().render(
        title=title, headline=headline, state=state, simulated=SIMULATED if simulated else "", sections=sections
    )
