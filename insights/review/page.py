"""A review for people: one HTML file that needs nothing else and prints well, and the same in Markdown."""

from __future__ import annotations

from insights import pages
from insights.pages.markdown import markdown
from insights.pages.parts import Section
from insights.review import figures, why
from insights.review.making import Review


def sections(found: Review) -> list[Section]:
    """The chapters of a review, in order."""
    return [
        figures.results(found), *why.apart(found), figures.stages(found), figures.slips(found),
        why.reasons(found, found.losses), why.reasons(found, found.wins), why.separators(found),
        why.competitors(found), why.product_gaps(found), why.follow_ups(found), why.teams(found),
    ]  # fmt: skip


def title(found: Review) -> str:
    """What the page is."""
    return f"wonlost: win-loss review of {found.period} ({found.days})"


def to_html(found: Review) -> str:
    """A review as one HTML page that needs no other file and no network."""
    return pages.render(title(found), found.headline, sections(found), simulated=found.simulated, state="yes")


def to_markdown(found: Review) -> str:
    """A review as Markdown; plots are told in words."""
    return markdown(title(found), found.headline, sections(found), simulated=found.simulated)
