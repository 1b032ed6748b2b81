from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from crm.tables import Coded, FloatArray
from features.matrix import FeatureMatrix
from training.data import TrainingData
from training.drift import HIGH_AUC, drift_of
from training.run import Trained

pytestmark = pytest.mark.slow


def with_columns(data: TrainingData, columns: dict[str, FloatArray | Coded]) -> TrainingData:
    return dataclasses.replace(data, matrix=FeatureMatrix(columns, len(data.rows)))


def test_a_shift_is_found_named_and_warned_of(few_recipes: Trained) -> None:
    data, folds = few_recipes.data, few_recipes.folds
    random = np.random.default_rng(0)
    of_deal = random.normal(size=(data.history.n_deals, 4))[data.rows.deal]
    new = np.zeros(len(data.rows), dtype=bool)
    new[folds[-1].test] = True
    source = np.where(new & (of_deal[:, 3] > -0.5), 2, (of_deal[:, 3] > 0).astype(int)).astype(np.int32)
    same = {"amount": of_deal[:, 0], "employees": of_deal[:, 1]}
    calm = drift_of(with_columns(data, {**same}), folds)
    assert calm.auc == pytest.approx(0.5, abs=0.1)
    assert calm.warnings == []
    moved = drift_of(with_columns(data, {**same, "source": Coded(source, ("a", "b", "c"))}), folds)
    assert moved.auc > HIGH_AUC
    assert moved.movers[0].feature == "source"
    assert moved.movers[0].share > 0.5
    assert moved.movers[0].auc > 0.7
    assert moved.warnings[0].startswith(f"deals since {folds[-1].name} look different from those before (AUC 0.")
    assert "mostly by source (alone 0." in moved.warnings[0]
    assert sum(item.share for item in moved.movers) == pytest.approx(1)


def test_features_that_tell_the_time_are_named_and_do_not_count(few_recipes: Trained) -> None:
    data, drift = few_recipes.data, few_recipes.drift
    assert {"recent_win_rate", "recent_closings", "days_to_quarter_end", "owner_closed_deals"} <= set(drift.clocks)
    assert not {"age_days", "amount", "activities", "days_in_stage", "employees"} & set(drift.clocks)
    assert all(item.share == 0 for item in drift.movers if item.clock)
    only = {name: data.matrix.columns[name] for name in ("recent_win_rate", "amount")}
    alone = drift_of(with_columns(data, only), few_recipes.folds)
    assert alone.clocks == ("recent_win_rate",)
    assert alone.auc < 0.7, "the clock was read"


def test_months_are_those_of_the_closings(few_recipes: Trained) -> None:
    data = few_recipes.data
    deals = np.unique(data.rows.deal)
    table = pd.DataFrame({
        "month": pd.to_datetime(data.history.closed[deals], unit="us").strftime("%Y-%m"),
        "won": data.history.won[deals],
    })  # fmt: skip
    expected = table.groupby("month")["won"].agg(["size", "sum"])
    found = {item.name: (item.closed, item.won) for item in few_recipes.drift.months}
    assert found == {str(name): (int(row["size"]), int(row["sum"])) for name, row in expected.iterrows()}
    assert [item.name for item in few_recipes.drift.months] == sorted(found)


def test_it_can_be_told_again_and_does_not_depend_on_deals_it_learnt_from(few_recipes: Trained) -> None:
    again = drift_of(few_recipes.data, few_recipes.folds)
    assert again == few_recipes.drift
    data, folds = few_recipes.data, few_recipes.folds
    # a number of each deal tells every deal that was seen, and no other
    names = np.random.default_rng(3).permutation(data.history.n_deals).astype(np.float64)
    known = drift_of(with_columns(data, {"number": names[data.rows.deal]}), folds)
    assert known.auc == pytest.approx(0.5, abs=0.12)


def test_too_few_new_deals_give_no_figure(few_recipes: Trained) -> None:
    data, last = few_recipes.data, few_recipes.folds[-1]
    found = drift_of(data, [dataclasses.replace(last, test=last.test[:10])])
    assert np.isnan(found.auc)
    assert found.warnings == []
    assert found.months == few_recipes.drift.months
