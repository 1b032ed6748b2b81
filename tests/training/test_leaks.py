from __future__ import annotations

import numpy as np
import pytest

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from training.gate import Refused
from training.leaks import LEAST_DEALS, NEAR_DAYS, Leaks, check_leaks, rank_features
from training.run import Trained

DEALS, WEEKS = 600, 8


class Planted:
    """Deals of eight weekly rows each, the last a day before the close."""

    def __init__(self, deals: int = DEALS) -> None:
        self.random = np.random.default_rng(1)
        self.deal: IntArray = np.repeat(np.arange(deals), WEEKS)
        self.days_left: FloatArray = np.tile(1.0 + 7 * np.arange(WEEKS)[::-1], deals)
        self.won = (self.random.random(deals) < 0.4).astype(np.float64)[self.deal]
        self.near = self.days_left <= NEAR_DAYS
        noise = self.random.normal(size=len(self.deal))
        self.columns: dict[str, FloatArray | Coded] = {
            "honest": self.won + 1.5 * self.random.normal(size=deals)[self.deal],
            "noise": noise,
            "filled_at_close": np.where(self.near, self.won + 0.3 * noise, noise),
            "filled_when_won": np.where(self.near & (self.won == 1), 1.0, np.nan),
            "marked_at_close": Coded(np.where(self.near, self.won, -1).astype(np.int32), ("no", "yes")),
        }

    def ranked(self, dated: bool = True) -> Leaks:
        matrix = FeatureMatrix(self.columns, len(self.deal))
        return rank_features(matrix, self.won, self.deal, self.days_left if dated else None)


def test_features_powerful_only_near_the_close_are_marked_and_honest_ones_are_not() -> None:
    found = Planted().ranked()
    assert {item.feature for item in found.only_near} == {"filled_at_close", "filled_when_won", "marked_at_close"}
    by_name = {item.feature: item for item in found.ranked}
    assert by_name["honest"].near == pytest.approx(by_name["honest"].earlier, abs=0.05)
    assert by_name["noise"].auc == pytest.approx(0.5, abs=0.05)
    assert all(item.near > 0.9 and abs(item.earlier - 0.5) < 0.05 for item in found.only_near)
    assert "filled_when_won (AUC" in found.warnings[0]
    assert "honest" not in found.warnings[0]


def test_they_come_in_order_of_what_they_tell() -> None:
    found = [item.auc for item in Planted().ranked().ranked]
    assert found == sorted(found, reverse=True)
    assert Planted().ranked().ranked[-1].feature == "noise"


def test_without_dates_or_with_few_deals_nothing_is_marked() -> None:
    for found in (Planted().ranked(dated=False), Planted(LEAST_DEALS).ranked()):
        assert np.isnan([item.near for item in found.ranked]).all()
        assert found.only_near == ()
        assert found.warnings == []


def test_the_alarm_names_what_separates_won_from_lost() -> None:
    planted = Planted()
    planted.columns["outcome"] = planted.won + 0.01
    found = planted.ranked()
    with pytest.raises(Refused, match=r"leak alarm: alone, outcome \(AUC 1\.000\) separates"):
        check_leaks(found)
    check_leaks(found, allowed=["outcome"])
    check_leaks(Planted().ranked())


def test_a_simulated_company_has_no_leak_to_warn_of(few_recipes: Trained) -> None:
    assert {item.feature for item in few_recipes.leaks.ranked} == set(few_recipes.data.matrix.columns)
    assert few_recipes.leaks.warnings == []
    assert not np.isnan(few_recipes.leaks.ranked[0].near)
