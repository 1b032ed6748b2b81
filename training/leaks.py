"""The leak alarm: a single feature that alone separates won from lost knows the outcome, and stops the training."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.metrics import auc
from training.gate import Refused

ALARM_AUC = 0.95
BINS = 20


def single_feature_auc(values: FloatArray | Coded, won: FloatArray, deal: IntArray) -> float:
    """How well a feature alone tells won from lost: AUC of its win rates by value, learnt on half of the deals.

    Numbers are taken in twenty bins of equal mass, and missing ones as a value of their own, because a field that is
    filled in only for one outcome tells by being there.

    Args:
        values: The feature, shape (n_rows,).
        won: Outcomes.
        deal: Deal of each row; even ones are learnt from, odd ones are told.
    """
    learn, told = deal % 2 == 0, deal % 2 == 1
    if isinstance(values, Coded):
        codes = values.codes.astype(np.int64) + 1
    else:
        present = values[~np.isnan(values)]
        edges = np.unique(np.quantile(present, np.arange(1, BINS) / BINS)) if len(present) else np.zeros(0)
        codes = np.where(np.isnan(values), 0, np.searchsorted(edges, values, side="left") + 1)
    size = int(codes.max(initial=0)) + 1
    base = float(won[learn].mean()) if learn.any() else 0.5
    wins, n = np.bincount(codes[learn], won[learn], size), np.bincount(codes[learn], minlength=size)
    rate = (wins + base) / (n + 1.0)
    return auc(rate[codes[told]], won[told])


def check_leaks(
    matrix: FeatureMatrix, won: FloatArray, deal: IntArray, allowed: Collection[str] = (), alarm: float = ALARM_AUC
) -> None:
    """Stop where a single feature separates won from lost.

    Args:
        matrix: Training rows.
        won: Outcomes.
        deal: Deal of each row.
        allowed: Names of features that somebody looked at and vouches for.
        alarm: AUC above which a feature is not believed.

    Raises:
        Refused: Names each such feature, and how to declare it.
    """
    found = {
        name: value
        for name, values in matrix.columns.items()
        if name not in allowed and (value := single_feature_auc(values, won, deal)) > alarm
    }
    if found:
        named = ", ".join(f"{name} (AUC {value:.3f})" for name, value in sorted(found.items()))
        raise Refused(
            f"leak alarm: alone, {named} separates won from lost, so it was probably filled in when the deal closed. "
            f'Declare its column in the mapping as known = "closed" and import again; if it truly was known before, '
            f"train with {' '.join(f'--allow {name}' for name in sorted(found))}"
        )
