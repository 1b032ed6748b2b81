"""Leaks: what each feature tells alone, and the alarm.

A single feature that alone separates won from lost knows the outcome, and stops the training. One that tells nothing
until the last days before the close may be filled in as the deal closes, and is named.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.metrics import auc
from training.gate import Refused

ALARM_AUC = 0.95
BINS = 20
NEAR_DAYS = 14
"""Rows at most so many days before the close are near it: two of the weekly snapshots."""
TELLS_NEAR = 0.8
"""AUC near the close from which a feature is suspect there. Honest ones come near: days since the last stage began
reach 0.77 on simulated deals, as who gets there mostly wins; one that is filled in with the outcome comes near 1."""
TELLS_NOTHING = 0.55
"""AUC up to which it is said to tell nothing, as chance alone gives a few hundredths."""
LEAST_DEALS = 40
"""Fewest won, and fewest lost, deals whose outcome is told in a part of the rows; of fewer, an AUC is mostly chance."""


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


@dataclass(frozen=True)
class Power:
    """How well one feature alone tells won from lost.

    Attributes:
        feature: Its name.
        auc: AUC over all rows (`single_feature_auc`); NaN where the rows cannot give one.
        near: AUC over rows taken within `NEAR_DAYS` of the deal's close; NaN where there are too few, or no dates.
        earlier: AUC over all other rows; NaN likewise.
    """

    feature: str
    auc: float
    near: float
    earlier: float

    @property
    def only_near(self) -> bool:
        """Whether it tells much near the close and next to nothing earlier: it may be filled in at the close."""
        return self.near >= TELLS_NEAR and self.earlier <= TELLS_NOTHING


@dataclass(frozen=True)
class Leaks:
    """All features by what each tells alone.

    Attributes:
        ranked: The most telling first.
    """

    ranked: tuple[Power, ...]

    @property
    def only_near(self) -> tuple[Power, ...]:
        """Those whose power appears only near the close."""
        return tuple(item for item in self.ranked if item.only_near)

    @property
    def warnings(self) -> list[str]:
        """What the user should look at, in words."""
        if not self.only_near:
            return []
        named = ", ".join(
            f"{item.feature} (AUC {item.near:.2f}, earlier {item.earlier:.2f})" for item in self.only_near
        )
        return [f"tells won from lost only within {NEAR_DAYS} days of the close: {named}; see whether it is filled in "
                f"as a deal closes, and if so declare its column as known = \"closed\""]  # fmt: skip


def rank_features(matrix: FeatureMatrix, won: FloatArray, deal: IntArray, days_left: FloatArray | None) -> Leaks:
    """What each feature tells alone, near the close and earlier.

    Args:
        matrix: Training rows.
        won: Outcomes.
        deal: Deal of each row.
        days_left: Days from each row to its deal's close; None without dates.
    """
    parts = () if days_left is None else (days_left <= NEAR_DAYS, days_left > NEAR_DAYS)
    near, earlier = (part if _enough(part, won, deal) else None for part in parts) if parts else (None, None)

    def of_part(values: FloatArray | Coded, part: NDArray[np.bool_] | None) -> float:
        if part is None:
            return float("nan")
        chosen = values.take(part) if isinstance(values, Coded) else values[part]
        return single_feature_auc(chosen, won[part], deal[part])

    found = [
        Power(name, single_feature_auc(values, won, deal), of_part(values, near), of_part(values, earlier))
        for name, values in matrix.columns.items()
    ]
    return Leaks(tuple(sorted(found, key=lambda item: (-item.auc if item.auc == item.auc else 0.0, item.feature))))


def _enough(part: NDArray[np.bool_], won: FloatArray, deal: IntArray) -> bool:
    """Whether a part of the rows tells of enough won and of enough lost deals (`single_feature_auc` tells odd ones)."""
    told = part & (deal % 2 == 1)
    return all(len(np.unique(deal[told & (won == outcome)])) >= LEAST_DEALS for outcome in (0, 1))


def check_leaks(leaks: Leaks, allowed: Collection[str] = (), alarm: float = ALARM_AUC) -> None:
    """Stop where a single feature separates won from lost.

    Args:
        leaks: What each feature tells alone.
        allowed: Names of features that somebody looked at and vouches for.
        alarm: AUC above which a feature is not believed.

    Raises:
        Refused: Names each such feature, and how to declare it.
    """
    found = {item.feature: item.auc for item in leaks.ranked if item.feature not in allowed and item.auc > alarm}
    if found:
        named = ", ".join(f"{name} (AUC {value:.3f})" for name, value in sorted(found.items()))
        raise Refused(
            f"leak alarm: alone, {named} separates won from lost, so it was probably filled in when the deal closed. "
            f'Declare its column in the mapping as known = "closed" and import again; if it truly was known before, '
            f"train with {' '.join(f'--allow {name}' for name in sorted(found))}"
        )
