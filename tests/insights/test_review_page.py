from __future__ import annotations

import base64
import dataclasses
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from crm.tables import Coded, CrmData
from features.history import History
from insights.pages.markdown import escaped
from insights.periods import parse_period
from insights.review import review
from insights.review.page import sections, to_html, to_markdown

pytestmark = pytest.mark.slow

EVIL = '<script>alert("x")</script>$x_{&|`*\x07漢字'
VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """A page's elements; fails where tags are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            assert "url(" not in data
            assert "@import" not in data
            assert "@media print" in data
        self.text += data


@pytest.fixture(scope="module")
def html(simulated_crm: CrmData) -> str:
    return to_html(review(History(simulated_crm), parse_period("2026Q2"), by="team", least=10))


def test_it_needs_nothing_else_and_runs_nothing(html: str) -> None:
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for tag, attrs in page.elements:
        for name, value in attrs.items():
            assert not name.startswith("on"), tag
            if name in ("src", "href", "action", "data", "srcset", "poster", "background"):
                assert str(value).startswith(("#", "data:image/svg+xml;base64,")), value
    ids = {attrs["id"] for tag, attrs in page.elements if tag == "section"}
    assert {str(attrs["href"])[1:] for tag, attrs in page.elements if tag == "a"} == ids
    assert "Simulated data: no deal in this report is real" in page.text


def test_every_plot_is_a_picture_and_told_in_words(html: str) -> None:
    images = [attrs for tag, attrs in Page(html).elements if tag == "img"]
    assert len(images) == 5  # win rate, deaths, two kinds of reasons, teams
    for attrs in images:
        assert len(attrs["alt"] or "") > 40
        picture = base64.b64decode((attrs["src"] or "").partition(",")[2])
        assert ElementTree.fromstring(picture).tag.endswith("svg")


def test_the_same_review_gives_the_same_page(simulated_crm: CrmData, html: str) -> None:
    assert to_html(review(History(simulated_crm), parse_period("2026Q2"), by="team", least=10)) == html


def planted(crm: CrmData) -> CrmData:
    """The same CRM after somebody typed markup into every name."""
    tables = {}
    for table, columns in crm.tables.items():
        tables[table] = dict(columns)
        for name in {"team", "name", "product", "competitor", "segment", "loss_reason"} & set(columns):
            values = columns[name]
            if isinstance(values, Coded):
                tables[table][name] = Coded(values.codes, tuple(f"{level}{EVIL}" for level in values.levels))
    return dataclasses.replace(crm, tables=tables)


def test_what_people_typed_into_a_crm_is_escaped(simulated_crm: CrmData) -> None:
    for by in ("product", "team", "owner", "competitor"):
        found = review(History(planted(simulated_crm)), parse_period("2026Q2"), by=by, least=10)
        html, text = to_html(found), to_markdown(found)
        assert "<script" not in html
        assert EVIL in Page(html).text
        assert "<script" not in text.replace("\\<script", "")
        assert "漢字" in text


def test_markdown_escapes_what_would_be_markup() -> None:
    assert escaped("a|b *c* [d](e) <f> `g`\n# h") == "a\\|b \\*c\\* \\[d\\](e) \\<f\\> \\`g\\` \\# h"
    assert [escaped(text) for text in ("- a", "1. a", "+1.2 points", "-")] == ["\\- a", "\\1. a", "+1.2 points", "\\-"]


def test_every_section_is_there_even_where_there_is_nothing(simulated_crm: CrmData) -> None:
    names = [section.name for section in sections(review(History(simulated_crm), parse_period("2026Q2")))]
    assert names == ["results", "stages", "slippage", "losses", "wins", "separation", "competitors", "gaps",
                     "follow-up", "teams"]  # fmt: skip
    empty = sections(review(History(simulated_crm), parse_period("2001")))
    assert [section.name for section in empty] == names
    assert all(section.parts for section in empty)
