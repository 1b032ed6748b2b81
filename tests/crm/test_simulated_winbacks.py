"""Win-backs of the simulated CRM: accounts come back for reasons that show, and their probabilities come true."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

import crm.simulate as simulating
from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import SimulatedCrm, simulate, write
from crm.simulation.reasons import LOSS_REASONS
from crm.simulation.returning import NEVER_DAY, NEWS_SPREAD, NEWS_WEEKS, RETURNS, Returning, period_in_words
from crm.store import Store
from crm.tables import DAY, micros

pytestmark = pytest.mark.slow
UNTIL = pd.Timestamp("2026-09-30", tz="UTC")
COLUMNS = ["account_id", "landmark", "p_won_6", "p_won_12", "p_won_18"]


@pytest.fixture(scope="module")
def crm() -> SimulatedCrm:
    return simulate(600, 5, winback_truth=True)


def test_the_crm_is_the_same_without(crm: SimulatedCrm) -> None:
    without = simulate(600, 5)
    assert without.winback_truth is None
    for name, frame in crm.tables.items():
        pd.testing.assert_frame_equal(frame, without.tables[name])
    again = simulate(600, 5, winback_truth=True)
    pd.testing.assert_frame_equal(crm.winback_truth, again.winback_truth)


def test_a_row_for_each_account_that_lost_new_business_and_has_no_deal_open(crm: SimulatedCrm) -> None:
    truth = crm.winback_truth
    assert truth is not None
    assert list(truth.columns) == COLUMNS
    deals = crm.tables["opportunities"].astype({"account_id": "object"})
    found = set(zip(truth["account_id"], truth["landmark"], strict=True))
    assert len(found) == len(truth) > 500
    for landmark in pd.date_range("2024-06-01", "2026-09-01", freq="MS", tz="UTC"):
        lost = deals[(deals["stage"] == "Closed Lost") & (deals["deal_type"] == "New Business")]
        lost_before = lost[lost["closed_at"] < landmark.normalize()]["account_id"]
        is_open = deals[(deals["created_at"] < landmark) & ~(deals["closed_at"] < landmark)]["account_id"]
        assert {name for name, at in found if at == landmark} == set(lost_before) - set(is_open)


def test_longer_horizons_are_never_less_likely(crm: SimulatedCrm) -> None:
    truth = crm.winback_truth
    assert truth is not None
    p = truth[COLUMNS[2:]].to_numpy()
    assert (p > 0).all()
    assert (p < 1).all()
    assert (np.diff(p, axis=1) > 0).all()


def test_it_is_written_but_never_imported(crm: SimulatedCrm, store: Store, tmp_path: Path) -> None:
    write(crm, tmp_path)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "winbacks.parquet"), crm.winback_truth, check_dtype=False)
    import_export([tmp_path], load_mapping(tmp_path / "mapping.toml"), store)
    assert len(store.load().frame("opportunities")) == 600
    write(simulate(600, 5), tmp_path)
    assert not (tmp_path / "winbacks.parquet").exists()


@pytest.fixture(scope="module")
def watched() -> tuple[SimulatedCrm, Returning]:
    """A larger CRM and what brought its accounts back."""
    kept: list[Returning] = []

    class Kept(Returning):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments)  # type: ignore[arg-type]
            kept.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulating, "Returning", Kept)
        return simulate(6000, 3), kept[0]


def test_who_returns_rests_on_the_reason(watched: tuple[SimulatedCrm, Returning]) -> None:
    _, returning = watched
    chances = returning.chances()
    lost = np.flatnonzero(chances.median != NEWS_WEEKS)  # what a new champion brings does not rest on the reason
    reason = returning.reason[chances.deal[lost]]
    old = chances.start[lost] < (UNTIL.value // 1000) // DAY - 500
    share, came = chances.share[lost], chances.returned[lost] < NEVER_DAY
    means = {name: share[reason == place].mean() for place, name in enumerate(LOSS_REASONS)}
    assert means["timing_deferred"] > means["price_value"] > means["no_need"] > means["unqualified"]
    assert means["invalid_duplicate"] == 0
    for part in (share > 0.5, share <= 0.5):
        assert came[old & part].mean() == pytest.approx(share[old & part].mean(), abs=0.08)
    assert set(RETURNS) == set(LOSS_REASONS)


def test_returning_deals_are_new_business_of_the_same_account_and_product(
    watched: tuple[SimulatedCrm, Returning],
) -> None:
    crm, returning = watched
    deals = crm.tables["opportunities"]
    rows = np.flatnonzero(returning.follows >= 0)
    before, after = deals.iloc[returning.follows[rows]], deals.iloc[rows]
    assert 0.15 < len(rows) / len(deals) < 0.3
    assert (after["deal_type"] == "New Business").all()
    assert (after["account_id"].astype(str).to_numpy() == before["account_id"].astype(str).to_numpy()).all()
    assert (after["product"].astype(str).to_numpy() == before["product"].astype(str).to_numpy()).all()
    assert (after["created_at"].to_numpy() > before["closed_at"].to_numpy()).mean() > 0.99
    assert np.corrcoef(np.log(before["amount"]), np.log(after["amount"]))[0, 1] > 0.85


def test_deals_put_off_come_back_around_the_date_that_was_named(watched: tuple[SimulatedCrm, Returning]) -> None:
    _, returning = watched
    chances = returning.chances()
    ahead = returning.ahead[chances.deal]
    old = chances.start < (UNTIL.value // 1000) // DAY - 500  # of later losses, only early returns are known
    came = (ahead > 0) & (chances.median != NEWS_WEEKS) & old & (chances.returned < NEVER_DAY)
    late = (chances.returned - chances.start - ahead * 30.44)[came]
    assert len(late) > 30
    assert abs(np.median(late)) < 14
    assert np.mean(np.abs(late) < 90) > 0.85


def test_the_named_date_stands_in_the_note(watched: tuple[SimulatedCrm, Returning]) -> None:
    crm, returning = watched
    notes = crm.tables["notes"].astype({"opportunity_id": "object"})
    row = {name: place for place, name in enumerate(crm.tables["opportunities"]["opportunity_id"])}
    ahead = notes["opportunity_id"].map(row).map(lambda place: returning.ahead[place])
    said = notes["text"].str.contains(r"(?:Q\d|20\d\d|/20\d\d)", case=False)
    assert said[(ahead > 0)].mean() > 2 * said[(ahead == 0)].mean()
    words = period_in_words(np.full(3, micros("2025-02-10")), np.array([0, 6, 14]), np.random.default_rng(0))
    assert words[0] == ""
    assert all(words[1:])


def test_a_new_champion_shows_in_the_crm_and_brings_deals(watched: tuple[SimulatedCrm, Returning]) -> None:
    crm, returning = watched
    deals = crm.tables["opportunities"].astype({"opportunity_id": "object"})
    roles = crm.tables["contact_roles"].astype({"opportunity_id": "object"}).merge(deals, on="opportunity_id")
    news = roles[roles["added_at"] > roles["closed_at"]]
    chances = returning.chances()
    mine = (chances.median == NEWS_WEEKS) & (chances.spread == NEWS_SPREAD)
    assert len(news) == mine.sum() > 100
    old = mine & (chances.start < (UNTIL.value // 1000) // DAY - 250)
    came = chances.returned[old] < NEVER_DAY
    assert came.mean() == pytest.approx(chances.share[old].mean(), abs=0.08)
    weeks = (chances.returned - chances.start)[old][came] / 7
    assert np.median(weeks) == pytest.approx(NEWS_WEEKS, abs=2)


def realised(crm: SimulatedCrm, months: int) -> pd.DataFrame:
    """Rows whose horizon ended before the export: what was said, and whether it happened."""
    assert crm.winback_truth is not None
    deals = crm.tables["opportunities"].astype({"account_id": "object"})
    won = deals[(deals["stage"] == "Closed Won") & (deals["deal_type"] == "New Business")]
    truth = crm.winback_truth
    parts = []
    for landmark, rows in truth.groupby("landmark"):
        end = landmark + pd.DateOffset(months=months)
        if end <= UNTIL:
            hit = won[(won["created_at"] >= landmark) & (won["closed_at"] < end)]["account_id"]
            parts.append(pd.DataFrame({"p": rows[f"p_won_{months}"], "won": rows["account_id"].isin(hit)}))
    return pd.concat(parts)


def test_the_probabilities_come_true() -> None:
    crms = [simulate(12_000, seed, winback_truth=True) for seed in (21, 22, 23)]
    for months in (6, 12, 18):
        rows = pd.concat([realised(crm, months) for crm in crms])
        assert rows["p"].mean() == pytest.approx(rows["won"].mean(), rel=0.1), months
        for _, part in rows.groupby(pd.qcut(rows["p"], 5)):
            assert part["p"].mean() == pytest.approx(part["won"].mean(), abs=0.03), months
        line = LogisticRegression(C=1e6).fit(logit(rows["p"].to_numpy())[:, None], rows["won"])
        assert line.coef_[0, 0] == pytest.approx(1.0, abs=0.1), months
