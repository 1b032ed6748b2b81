from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from crm.tables import Coded
from features.matrix import FeatureMatrix
from models.average import Average
from models.calibration import Beta, Calibration, Isotonic, Plain, Platt
from models.encoding import Encoding
from models.errors import FeatureMismatch
from models.estimator import Estimator
from models.explain import points_per_log_odds
from models.logistic import Logistic
from models.metrics import auc
from models.odoo import OdooBayes
from models.stage_age import StageAgeTable
from models.trees import Trees, TreeSize
from tests.models.conftest import Rows, make_rows

SMALL = TreeSize(trees=40, leaves=7, depth=4)
BUILDS = {
    "base rate": lambda: StageAgeTable(use_age=False, use_stage=False),
    "stage rate": lambda: StageAgeTable(use_age=False),
    "stage x age": StageAgeTable,
    "Odoo's rule": OdooBayes,
    "logistic": Logistic,
    "trees": lambda: Trees(SMALL),
    "average": lambda: Average([Logistic(), Trees(SMALL)]),
}


@pytest.fixture(params=BUILDS)
def fitted(request: pytest.FixtureRequest, rows: Rows) -> Estimator:
    estimator = BUILDS[request.param]()
    estimator.fit(*rows)
    return estimator


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def test_contributions_add_up_to_the_log_odds(fitted: Estimator, rows: Rows) -> None:
    parts, reference = fitted.contributions(rows[0])
    assert parts.shape == (rows[0].n_rows, len(fitted.features))
    assert reference + parts.sum(1) == pytest.approx(fitted.margin(rows[0]), abs=1e-9)


def test_saved_and_loaded_gives_the_same_bits(fitted: Estimator, rows: Rows, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    again = type(fitted).load(tmp_path)
    assert again.unread == fitted.unread
    assert np.array_equal(again.margin(rows[0]), fitted.margin(rows[0]))
    assert again.features == fitted.features


def test_trained_twice_gives_the_same_bytes(rows: Rows, tmp_path: Path) -> None:
    for name, build in BUILDS.items():
        for turn in "ab":
            (tmp_path / turn / name).mkdir(parents=True)
            estimator = build()
            estimator.fit(*rows)
            estimator.save(tmp_path / turn / name)
    assert digest(tmp_path / "a") == digest(tmp_path / "b")


def test_one_row_alone_scores_as_it_does_among_many(fitted: Estimator, rows: Rows) -> None:
    among = fitted.margin(rows[0])
    for row in (0, 17, 99):
        alone = fitted.margin(rows[0].take(np.array([row])))
        assert alone[0] == pytest.approx(among[row], abs=1e-12)


def test_signal_is_found_on_fresh_rows(rows: Rows) -> None:
    fresh, won = make_rows(seed=1)
    for name in ("stage x age", "logistic", "trees", "average"):
        estimator = BUILDS[name]()
        estimator.fit(*rows)
        assert auc(estimator.margin(fresh), won) > 0.65, name


def test_levels_never_seen_and_missing_values_are_scored(fitted: Estimator) -> None:
    strange = FeatureMatrix(
        {"age_days": np.array([np.nan]), "amount": np.array([np.nan]), "days_silent": np.array([np.nan]),
         "stage": Coded.of(["Renamed"])}, 1)  # fmt: skip
    assert np.isfinite(fitted.margin(strange)).all()


def test_levels_in_another_order_change_nothing(fitted: Estimator, rows: Rows) -> None:
    matrix = rows[0]
    stage = matrix.columns["stage"]
    assert isinstance(stage, Coded)
    turned = Coded((2 - stage.codes).astype(np.int32), stage.levels[::-1])
    assert list(turned.strings()) == list(stage.strings())
    again = FeatureMatrix({**matrix.columns, "stage": turned}, matrix.n_rows)
    assert np.array_equal(fitted.margin(again), fitted.margin(matrix))


def test_a_missing_column_is_named(rows: Rows) -> None:
    estimator = Logistic()
    estimator.fit(*rows)
    without = FeatureMatrix({k: v for k, v in rows[0].columns.items() if k != "amount"}, rows[0].n_rows)
    with pytest.raises(FeatureMismatch, match="'amount'"):
        estimator.margin(without)


@pytest.mark.parametrize("kind", ["trees", "average"])
def test_what_no_tree_splits_on_may_be_absent(kind: str, rows: Rows) -> None:
    columns = rows[0].columns | {"noise": np.arange(3000.0) % 2, "kind": Coded.of(["x", "y"] * 1500)}
    stump = TreeSize(trees=20, leaves=2, depth=1, column_share=1.0)
    estimator = Trees(stump) if kind == "trees" else Average([Logistic(), Trees(stump)])
    estimator.fit(FeatureMatrix(columns, rows[0].n_rows), rows[1])
    if kind == "average":  # the line reads them all
        assert estimator.unread == frozenset()
        return
    assert {"noise", "kind"} <= estimator.unread < set(estimator.features)
    for place in (np.arange(200), np.array([7])):
        few = FeatureMatrix(columns, rows[0].n_rows).take(place)
        read = FeatureMatrix({k: v for k, v in few.columns.items() if k not in estimator.unread}, few.n_rows)
        for with_all, without in zip(estimator.explained(few), estimator.explained(read), strict=True):
            assert np.array_equal(with_all, without)
        parts, _ = estimator.contributions(few)
        unread = [name in estimator.unread for name in estimator.features]
        assert not parts[:, unread].any()


def test_a_feature_that_trees_split_on_must_be_there(rows: Rows) -> None:
    estimator = Trees(SMALL)
    estimator.fit(*rows)
    assert "stage" not in estimator.unread
    without = FeatureMatrix({k: v for k, v in rows[0].columns.items() if k != "stage"}, rows[0].n_rows)
    with pytest.raises(FeatureMismatch, match="'stage'"):
        estimator.margin(without)


def test_a_plain_table_scores_as_the_matrix_does(fitted: Estimator, rows: Rows) -> None:
    few = rows[0].take(np.arange(50))
    assert np.array_equal(fitted.margin(FeatureMatrix.of_frame(few.frame())), fitted.margin(few))


def test_stage_age_cells_are_rates_drawn_to_their_stage() -> None:
    stage = Coded.of(["Early"] * 60 + ["Late"] * 40)
    won = np.array([1.0] * 6 + [0.0] * 54 + [1.0] * 20 + [0.0] * 20)
    table = StageAgeTable(strength=10, use_age=False)
    table.fit(FeatureMatrix({"stage": stage}, 100), won)
    p = 1 / (1 + np.exp(-table.margin(FeatureMatrix({"stage": Coded.of(["Early", "Late", "New"])}, 3))))
    base = 0.26
    early, late = (6 + 10 * base) / 70, (20 + 10 * base) / 50
    assert p == pytest.approx([(6 + 10 * early) / 70, (20 + 10 * late) / 50, base])


def test_encoding_drops_what_never_varies_and_rare_levels() -> None:
    matrix = FeatureMatrix(
        {
            "same": np.ones(100),
            "varies": np.arange(100.0),
            "gap": np.where(np.arange(100) < 50, np.nan, 1.0),
            "kind": Coded.of(["x"] * 50 + ["y"] * 45 + ["rare"] * 5),
            "all_missing": np.full(100, np.nan),
        },
        100,
    )
    encoding = Encoding.learn(matrix)
    assert encoding.numbers == ("varies", "gap")
    assert encoding.categories == {"kind": ("x", "y")}
    assert list(encoding.codes(matrix, "kind")[[0, 60, 99]]) == [0, 1, -1]


CALIBRATIONS = [
    Plain(),
    Platt(0.6, 0.6, -0.2),
    Beta(0.5, 1.4, 0.3),
    Isotonic(np.array([-2.0, 0, 2]), np.array([0.1, 0.1, 0.9])),
]


@pytest.mark.parametrize("calibration", CALIBRATIONS, ids=lambda form: form.kind)
def test_points_add_up_under_any_calibration(calibration: Calibration, rows: Rows) -> None:
    estimator = Trees(SMALL)
    estimator.fit(*rows)
    parts, reference = estimator.contributions(rows[0])
    p = calibration(estimator.margin(rows[0]))
    ratio, p_ref = points_per_log_odds(parts, p, reference, calibration)
    assert p_ref + (parts * ratio[:, None]).sum(1) == pytest.approx(p, abs=1e-9)


def test_points_of_contributions_that_cancel_out() -> None:
    parts = np.array([[0.7, -0.7], [0.0, 0.0]])
    ratio, p_ref = points_per_log_odds(parts, np.array([0.5, 0.5]), 0.0, Plain())
    points = parts * ratio[:, None]
    assert p_ref + points.sum(1) == pytest.approx([0.5, 0.5])
    assert points[0] == pytest.approx([0.175, -0.175], rel=1e-4)
