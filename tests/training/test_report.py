from __future__ import annotations

import base64
import dataclasses
import math
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from crm.tables import Coded
from insights.pages.parts import Table
from models.metrics import Interval, Metrics
from models.proportions import wilson
from training.evaluation import CHAMPION, MODEL
from training.plots import calibration_curve, gains
from training.report import render
from training.report.inputs import mean_points
from training.report.verdict import headline, verdict
from training.run import Trained

pytestmark = pytest.mark.slow

SECTIONS = ("verdict", "card", "absent", "calibration", "metrics", "groups", "lift", "timing", "drivers", "drift",
            "leaks", "uncertainty", "misses", "search", "provenance")  # fmt: skip
VOID = {"meta", "img", "br", "hr", "link", "input"}
ADDRESSES = ("src", "href", "action", "data", "srcset", "poster", "background")


class Page(HTMLParser):
    """A page's elements, its tables by section and caption, and its text; fails where tags are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.tables: dict[str, dict[str, list[list[str]]]] = {}
        self.text = ""
        self.section = self.caption = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = dict(attrs)["id"] or ""
            self.tables[self.section] = {}
        elif tag == "caption":
            self.caption = ""
        elif tag == "tr":
            self.tables[self.section].setdefault(self.caption, []).append([])
        elif tag in ("td", "th"):
            self.tables[self.section][self.caption][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            assert "url(" not in data
            assert "@import" not in data
            return
        self.text += data
        if self.open[-1:] == ["caption"]:
            self.caption += data
        elif self.open[-1:] in (["td"], ["th"]):
            self.tables[self.section][self.caption][-1][-1] += data

    def rows(self, section: str, caption: str) -> dict[str, list[str]]:
        """Rows of the table whose caption begins so, by their first cell."""
        found = [rows for told, rows in self.tables[section].items() if told.startswith(caption)]
        assert len(found) == 1, list(self.tables[section])
        return {row[0]: row[1:] for row in found[0]}


@pytest.fixture(scope="module")
def html(few_recipes: Trained) -> str:
    return render(few_recipes, "v1-test")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_it_has_every_section_and_links_to_each(page: Page) -> None:
    assert tuple(page.tables) == SECTIONS
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert links == [f"#{name}" for name in SECTIONS]
    for words in ("May it serve?", "Do not use it to", "v1-test", "Simulated data: no deal in this report is real"):
        assert words in page.text


def test_it_needs_nothing_else_and_runs_nothing(page: Page) -> None:
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "form", "base"}
    for tag, attrs in page.elements:
        for name, value in attrs.items():
            assert not name.startswith("on"), tag
            if name in ADDRESSES:
                assert str(value).startswith(("#", "data:image/svg+xml;base64,")), value


def test_every_plot_is_a_picture_and_told_in_words(page: Page) -> None:
    images = [attrs for tag, attrs in page.elements if tag == "img"]
    assert len(images) >= 5
    for attrs in images:
        assert len(attrs["alt"] or "") > 40
        picture = base64.b64decode((attrs["src"] or "").partition(",")[2])
        assert ElementTree.fromstring(picture).tag.endswith("svg")
    assert any((attrs["alt"] or "").startswith("Calibration curve, Proposal: said ") for attrs in images)


def test_what_people_typed_into_a_crm_is_escaped(few_recipes: Trained) -> None:
    evil = '<script>alert("x")</script>$x_{&'
    tested = few_recipes.tested
    by_stage = {name: {f"{evil}{level}": item for level, item in groups.items()}
                for name, groups in few_recipes.report.groups["stage"].items()}  # fmt: skip
    planted = dataclasses.replace(
        few_recipes,
        tested=dataclasses.replace(
            tested, deal_ids=tuple(evil + name for name in tested.deal_ids),
            stage=Coded(tested.stage.codes, tuple(evil + level for level in tested.stage.levels)),
        ),
        report=dataclasses.replace(few_recipes.report, groups={**few_recipes.report.groups, "stage": by_stage}),
        warnings=[evil],
        decision=few_recipes.decision.overruled(evil),
    )  # fmt: skip
    html = render(planted, evil)
    assert "<script" not in html
    page = Page(html)
    assert not [tag for tag, _ in page.elements if tag == "script"]
    assert all(name.startswith(evil) for name in list(page.rows("misses", "Most likely"))[1:])
    assert any(name.startswith(evil) for name in page.rows("groups", "The model by stage"))


def numbers_of(item: Metrics) -> list[tuple[float, int]]:
    return [(item.log_loss, 4), (item.brier, 4), (item.brier_skill, 3), (item.auc, 3), (item.pr_auc, 3),
            (item.slope, 2), (item.intercept, 2), (item.ece, 3), (item.lift_top_tenth, 2)]  # fmt: skip


def same(cell: str, value: float, digits: int) -> bool:
    if math.isnan(value):
        return cell == "-"
    return abs(float(cell.split(" ")[0]) - value) <= 0.51 * 10**-digits


def test_its_figures_are_those_of_the_run(page: Page, few_recipes: Trained) -> None:
    report = few_recipes.report
    for caption, found in (("Out of sample, each row counting once", report.overall),
                           ("Out of sample, each row counting for", report.weighted)):  # fmt: skip
        rows = page.rows("metrics", caption)
        assert set(rows) - {""} == set(found)
        assert {"model", "base rate", "stage rate", "stage x age", "Odoo"} <= set(found)
        for name, item in found.items():
            for cell, (value, digits) in zip(rows[name], numbers_of(item), strict=True):
                assert same(cell, value, digits), (name, cell, value)
    model = report.overall[MODEL]
    interval = f"({model.ece_lower:.3f} to {model.ece_upper:.3f})"
    assert page.rows("metrics", "Out of sample, each row counting once")["model"][7].endswith(interval)
    for title, groups in report.groups.items():
        if groups[MODEL]:
            rows = page.rows("groups", f"The model by {title}")
            assert set(rows) - {title} == set(groups[MODEL])
            for level, item in groups[MODEL].items():
                assert rows[level][0] == f"{item.n:,}"
                assert same(rows[level][3], groups["stage x age"][level].log_loss, 4)
                assert same(rows[level][5], item.log_loss, 4)
    gate = page.rows("verdict", "How much lower")
    assert same(gate["base rate"][1], few_recipes.decision.gain.mean, 4)
    assert gate["base rate"][0].startswith(f"{100 * few_recipes.decision.gain_share:+.1f} %")
    assert len(page.rows("uncertainty", "Mean width")) == len(report.widths) + 1


def test_it_tells_how_well_it_knows_when_deals_close(page: Page, few_recipes: Trained) -> None:
    outlook = few_recipes.model.outlook
    assert outlook is not None
    assert [item.days for item in outlook.judged] == [30, 60, 90, 180]
    rows = page.rows("timing", "Won within so many days")
    for item in outlook.judged:
        assert rows[str(item.days)][1:3] == [f"{100 * item.said:.1f} %", f"{100 * item.came:.1f} %"]
    past = page.rows("timing", "Past quarters")
    assert set(past) - {"quarter"} == {item.name for item in outlook.backtests} != set()
    assert outlook.metrics()["timing.brier_90"] == outlook.judged[2].brier


def test_the_deals_it_got_most_wrong_are_one_row_each(page: Page, few_recipes: Trained) -> None:
    frame = few_recipes.tested.frame()
    lost = frame[frame["won"] == 0].groupby("opportunity_id")["model"].max().sort_values(ascending=False)
    won = frame[frame["won"] == 1].groupby("opportunity_id")["model"].min().sort_values()
    for caption, expected, outcome in (("Most likely", lost, "lost"), ("Least likely", won, "won")):
        rows = page.rows("misses", caption)
        assert list(rows)[1:] == list(expected.index[:10])
        for deal, p in expected[:10].items():
            assert rows[str(deal)][2] == outcome
            assert rows[str(deal)][3] == f"{100 * p:.1f} %"
            stage = frame[(frame["opportunity_id"] == deal) & (frame["model"] == p)]["stage"]
            assert rows[str(deal)][1] in set(stage)


def test_drivers_are_what_the_reasons_add_up_to(page: Page, few_recipes: Trained) -> None:
    by_feature, by_family = mean_points(few_recipes)
    assert set(by_feature) == set(few_recipes.model.features)
    assert sum(by_family.values()) <= sum(by_feature.values()) + 1e-12
    top = max(by_feature, key=lambda name: by_feature[name])
    first = list(page.rows("drivers", "Points by feature").values())[1]
    assert (first[0], first[2]) == (top, f"{100 * by_feature[top]:.2f}")


def test_the_same_run_gives_the_same_page(html: str, few_recipes: Trained) -> None:
    assert render(few_recipes, "v1-test") == html


def test_a_refusal_and_a_forced_promotion_are_told_first(few_recipes: Trained) -> None:
    refused = dataclasses.replace(few_recipes, decision=dataclasses.replace(
        few_recipes.decision, promoted=False, reason="no signal: nothing tells"))  # fmt: skip
    assert headline(refused) == "No: it must not serve."
    forced = dataclasses.replace(refused, decision=refused.decision.overruled("the board wants it"))
    told = Page(render(forced, "")).text
    assert "against what the gate said" in told
    assert "the board wants it" in told


def test_the_champion_is_compared_with_where_there_is_one(few_recipes: Trained) -> None:
    weighted = few_recipes.report.weighted
    loss = weighted["stage x age"].log_loss
    for upper_harm, met in ((0.004, True), (0.006, False)):
        against = Interval(0.001 * loss, -upper_harm * loss, 0.01 * loss)
        run = dataclasses.replace(
            few_recipes, decision=dataclasses.replace(few_recipes.decision, on_champion=against),
            report=dataclasses.replace(few_recipes.report, weighted=weighted | {CHAMPION: weighted["stage x age"]}),
        )  # fmt: skip
        table = next(part for part in verdict(run).parts if isinstance(part, Table))
        assert table.rows[2][:2] == [CHAMPION, f"+0.1 % ({-100 * upper_harm:+.1f} to +1.0)"]
        assert table.rows[2][4].endswith(": met" if met else ": not met")


def test_points_of_a_calibration_curve_hold_whole_rows_and_honest_intervals() -> None:
    random = np.random.default_rng(0)
    held = total = 0
    for _ in range(20):
        p = np.repeat(random.uniform(0.05, 0.95, 400), 3)
        won = np.repeat((random.random(400) < p[::3]).astype(float), 3)
        points = calibration_curve(p, won, np.repeat(np.arange(400), 3))
        assert sum(item.n for item in points) == 1200
        assert sum(item.deals for item in points) == 400
        held += sum(item.lower <= item.predicted <= item.upper for item in points)
        total += len(points)
    assert held / total > 0.88
    none = calibration_curve(np.full(50, 0.1), np.zeros(50), np.arange(50))
    assert (none[0].observed, none[0].lower) == (0, 0)
    assert none[0].upper == pytest.approx(0.0711, abs=1e-4)  # Clopper-Pearson, 0 of 50
    assert calibration_curve(np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int64)) == []


def test_gains_take_ties_in_proportion() -> None:
    p, won = np.array([0.9, 0.5, 0.5, 0.1]), np.array([1.0, 1.0, 0.0, 0.0])
    found = gains(p, won, np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert found.tolist() == [0.0, 0.5, 0.75, 1.0, 1.0]


def test_wilson_intervals() -> None:
    lower, upper = wilson(np.array([0.0, 5.0]), np.array([10.0, 10.0]))
    assert lower == pytest.approx([0.0, 0.2366], abs=1e-4)
    assert upper == pytest.approx([0.2775, 0.7634], abs=1e-4)
