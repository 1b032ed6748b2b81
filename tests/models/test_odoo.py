from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.tables import Coded
from features.matrix import FeatureMatrix
from models.estimator import probability
from models.odoo import OdooBayes, last_rows
from models.win import ESTIMATORS

STAGES = ("New", "Qualified", "Proposition")


def deals(**columns: list[str] | list[float]) -> FeatureMatrix:
    n = len(next(iter(columns.values())))
    typed = {name: Coded.of(cells) if isinstance(cells[0], str) else np.array(cells) for name, cells in columns.items()}
    return FeatureMatrix(typed, n)


FIVE = deals(
    stage=["Proposition", "Qualified", "New", "Qualified", "Proposition"], source=["Web", "Ads", "Web", "Web", ""]
)
FIVE_WON = np.array([1.0, 1, 0, 0, 0])


def test_five_deals_counted_by_hand() -> None:
    model = OdooBayes(STAGES)
    model.fit(FIVE, FIVE_WON)
    assert model.counts["stage"][0].tolist() == [[2, 3], [2, 2], [2, 1]]  # a win everywhere, a loss up to its stage
    assert model.fields.categories["source"] == ("Ads", "Web")
    assert model.counts["source"][0].tolist() == [[1, 0], [1, 2]]
    asked = deals(stage=["Qualified", "Proposition", "New", "New"], source=["Web", "Ads", "", "Post"])
    won, lost = 2.1 / 5.2, 3.1 / 5.2
    scores = np.array([
        [won * (2.1 / 2.1) * (1.1 / 2.2), lost * (2.1 / 3.1) * (2.1 / 2.2)],
        [won * (2.1 / 2.1) * (1.1 / 2.2), lost * (1.1 / 3.1) * (0.1 / 2.2)],
        [won, lost],
        [won, lost],
    ])  # fmt: skip
    assert probability(model.margin(asked)) == pytest.approx(scores[:, 0] / scores.sum(1))


def test_the_deals_of_odoos_own_test_get_its_probabilities() -> None:
    """Deals and percentages of `test_predictive_lead_scoring` in Odoo's `crm` (tests/test_crm_pls.py).

    Its leads have no address or number, so the qualities of e-mail and phone are unset in all, and tell nothing.
    """
    rows = [  # team, country, state, source, stage, outcome
        "1 1 1 1 a lost", "1 2 2 2 b lost", "1 3 3 3 c won", "2 1 2 2 c lost", "2 1 2 3 b lost", "2 1 3 3 a won",
        "3 2 2 2 c won", "3 1 2 1 a lost", "3 2 3 3 a lost",
    ]  # fmt: skip
    asked = ["1 1 2 3 b ?", "2 1 2 3 b ?", "3 1 2 3 b ?"]

    def table(lines: list[str], nobodys: str = "") -> FeatureMatrix:
        cells = [line.split() for line in lines]
        names = ("team", "country", "state", "source", "stage")
        columns = {name: [row[place] for row in cells] for place, name in enumerate(names)}
        columns["team"] = ["" if team == nobodys else team for team in columns["team"]]
        return deals(**columns)

    won = np.array([line.endswith("won") for line in rows], dtype=float)
    model = OdooBayes(("a", "b", "c"))
    model.fit(table(rows), won)
    assert np.round(100 * probability(model.margin(table(asked))), 2).tolist() == [33.49, 7.74, 35.09]
    model.fit(table(rows, nobodys="3"), won)
    assert np.round(100 * probability(model.margin(table(asked, nobodys="3"))), 2).tolist() == [33.49, 7.74, 35.19]


def slow(train: list[tuple[str, str, str, bool]], asked: tuple[str, str, str]) -> float:
    """The rule with dictionaries, one deal at a time: (team, stage, source, won)."""
    tables: dict[str, dict[tuple[str, str], list[float]]] = defaultdict(dict)
    for team, stage, source, won in train:
        reached = STAGES if won else STAGES[: STAGES.index(stage) + 1]
        for pair in [("", ""), *(("stage", one) for one in reached), *([("source", source)] if source else [])]:
            tables[team].setdefault(pair, [0.1, 0.1])[0 if won else 1] += 1
    together: dict[tuple[str, str], list[float]] = {}
    for table in tables.values():
        for pair, (won_count, lost_count) in table.items():
            here = together.setdefault(pair, [0.0, 0.0])
            here[0], here[1] = here[0] + won_count, here[1] + lost_count
    team, stage, source = asked
    table = tables[team] if team and team in tables else together
    odds = table["", ""][0] / table["", ""][1]
    if ("stage", stage) in table:
        first, own = table["stage", STAGES[0]], table["stage", stage]
        odds *= (own[0] / first[0]) / (own[1] / first[1])
    if source and ("source", source) in table:
        sums = np.sum([counts for (field, _), counts in table.items() if field == "source"], axis=0)
        odds *= (table["source", source][0] / sums[0]) / (table["source", source][1] / sums[1])
    return float(np.clip(odds / (1 + odds), 0.0001, 0.9999))


TEAMS, SOURCES = ("", "North", "South"), ("", "Web", "Ads", "Fair")
ROW = st.tuples(st.sampled_from(TEAMS), st.sampled_from(STAGES), st.sampled_from(SOURCES), st.booleans())


def columns(rows: list[tuple[str, ...]]) -> FeatureMatrix:
    team, stage, source = ([str(row[place]) for row in rows] for place in range(3))
    return deals(team=team, stage=stage, source=source)


@given(st.lists(ROW, min_size=1, max_size=25), st.lists(ROW, min_size=1, max_size=5))
def test_tables_score_as_the_rule_does_deal_by_deal(
    train: list[tuple[str, str, str, bool]], asked: list[tuple[str, str, str, bool]]
) -> None:
    model = OdooBayes(STAGES)
    model.fit(columns(train), np.array([float(row[3]) for row in train]))
    expected = [slow(train, row[:3]) for row in asked]
    assert probability(model.margin(columns(asked))) == pytest.approx(expected, abs=1e-9)
    parts, reference = model.contributions(columns(asked))
    assert reference + parts.sum(1) == pytest.approx(model.margin(columns(asked)), abs=1e-9)


@given(st.lists(st.tuples(ROW, st.integers(0, 3)), min_size=1, max_size=15))
def test_a_weight_counts_as_so_many_rows(weighted: list[tuple[tuple[str, str, str, bool], int]]) -> None:
    rows, times = [row for row, _ in weighted], np.array([n for _, n in weighted])
    again = [row for row, n in weighted for _ in range(n)]
    if not again:
        return
    once, repeated = OdooBayes(STAGES), OdooBayes(STAGES)
    once.fit(columns(rows), np.array([float(row[3]) for row in rows]), times.astype(float))
    repeated.fit(columns(again), np.array([float(row[3]) for row in again]))
    assert np.array_equal(once.margin(columns(rows)), repeated.margin(columns(rows)))


def test_stages_that_were_not_declared_follow_by_age() -> None:
    matrix = deals(stage=["Late", "Early", "Middle", "Early"], age_days=[90.0, 3.0, 30.0, float("nan")])
    won = np.array([1.0, 0, 0, 1])
    model = OdooBayes()
    model.fit(matrix, won)
    assert model.fields.categories["stage"] == ("Early", "Middle", "Late")
    model = OdooBayes(("Middle",))
    model.fit(matrix, won)
    assert model.fields.categories["stage"] == ("Middle", "Early", "Late")


def test_without_an_order_a_stage_is_a_field_like_others() -> None:
    model = OdooBayes()
    model.fit(deals(stage=["B", "A", "B"], source=["x", "y", "y"]), np.array([1.0, 0, 0]))
    assert not model.ordered
    assert model.counts["stage"][0].tolist() == [[0, 1], [1, 1]]


def test_no_probability_beyond_a_hundredth_of_a_percent() -> None:
    kinds = {f"field{n}": ["x"] * 50 + ["y"] * 50 for n in range(5)}
    model = OdooBayes()
    model.fit(deals(**kinds), np.array([1.0] * 50 + [0.0] * 50))
    asked = deals(**{name: ["x", "y"] for name in kinds})
    assert probability(model.margin(asked)) == pytest.approx([0.9999, 0.0001])
    parts, reference = model.contributions(asked)
    assert reference + parts.sum(1) == pytest.approx(model.margin(asked), abs=1e-9)
    assert np.ptp(parts, axis=1) == pytest.approx([0, 0])


def test_teams_and_counts_survive_saving(tmp_path: Path) -> None:
    rows = [("North", "New", "Web", True), ("North", "New", "Ads", False), ("South", "Proposition", "Web", False),
            ("", "Qualified", "Fair", True)]  # fmt: skip
    model = OdooBayes(STAGES)
    model.fit(columns(rows), np.array([1.0, 0, 0, 1]))
    assert model.features == ("team", "stage", "source")
    model.save(tmp_path)
    again = ESTIMATORS[model.kind].load(tmp_path)
    asked = columns([*rows, ("West", "Lost", "Web")])
    assert np.array_equal(again.margin(asked), model.margin(asked))
    assert again.features == model.features


def test_the_last_row_of_each_deal_stands_for_it() -> None:
    assert last_rows(np.array([3, 3, 3, 7, 9, 9])).tolist() == [0, 0, 1, 1, 0, 1]
    assert last_rows(np.zeros(0, dtype=np.int64)).tolist() == []
