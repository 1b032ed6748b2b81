"""Two steps to a win-back: the account comes back, and the deal that it enters is won.

The first is learned from landmarks, for returns are several times as many as win-backs; the second from all new
business that has closed, of accounts that never lost a deal too. Their log-odds are added up, which ranks accounts by
the odds of both; the slope and the level of the sum are for a calibration to set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray
from features.matrix import FeatureMatrix
from insights.reengagement.lessons import Lessons
from models.average import Average
from models.estimator import Estimator
from models.logistic import Logistic
from models.trees import Trees, TreeSize

TREES = TreeSize(trees=200, leaves=5, depth=3, learning_rate=0.04, min_rows=100, l2=10.0, column_share=0.5)
KINDS: dict[str, Callable[[], Estimator]] = {
    "lines": lambda: Logistic(0.05),
    "average": lambda: Average([Logistic(0.05), Trees(TREES)]),
}
"""What each step may be: a regularised line, or its average with small trees; the simplest first."""
LEAST_EVENTS = 10
"""Fewest returns and wins, and as many of their opposites, to learn a step from."""


@dataclass(frozen=True)
class TwoSteps:
    """Two fitted steps.

    Attributes:
        comes_back: Whether the account enters new business soon enough.
        is_won: Whether new business of such an account is won.
    """

    comes_back: Estimator
    is_won: Estimator

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that either step reads."""
        return tuple(dict.fromkeys([*self.comes_back.features, *self.is_won.features]))

    def margin(self, matrix: FeatureMatrix) -> FloatArray:
        """Sum of the log-odds of both, shape (n_rows,)."""
        return self.comes_back.margin(matrix) + self.is_won.margin(matrix)

    def explained(self, matrix: FeatureMatrix) -> tuple[FloatArray, FloatArray, float]:
        """That sum, what each feature adds to it, shape (n_rows, n_features), and what these are added to."""
        place = {name: number for number, name in enumerate(self.features)}
        margin, parts, reference = np.zeros(matrix.n_rows), np.zeros((matrix.n_rows, len(place))), 0.0
        for step in (self.comes_back, self.is_won):
            own, shares, base = step.explained(matrix)
            margin = margin + own
            parts[:, [place[name] for name in step.features]] += shares
            reference += base
        return margin, parts, reference


def fit_steps(kind: str, lessons: Lessons, often: FloatArray | None = None) -> TwoSteps | None:
    """Fit both steps on what was known by the end of the lessons; None where there is too little.

    Rows of one account share its fate, so all rows together weigh as much as there are accounts.

    Args:
        kind: One of `KINDS`.
        lessons: What to learn from.
        often: How often each account counts, by its code; once each by default.
    """
    rows, business, until = lessons.rows, lessons.business, lessons.until_return()
    known = np.flatnonzero(until <= rows.end).astype(np.int64)
    account = rows.lost.account[known]
    came = (rows.entered_at[known] < until[known]).astype(np.float64)
    weight = np.full(len(known), len(np.unique(account)) / max(len(known), 1))
    steps = []
    for matrix, y, each, who in (
        (lessons.matrix.take(known), came, weight, account),
        (business.matrix, business.won, np.ones(len(business.won)), business.account),
    ):
        times = np.ones(len(y)) if often is None else often[who]
        some = np.flatnonzero(times > 0).astype(np.int64)
        if min(y[some].sum(), len(some) - y[some].sum()) < LEAST_EVENTS:
            return None
        step = KINDS[kind]()
        step.fit(matrix.take(some), y[some], (each * times)[some])
        steps.append(step)
    return TwoSteps(*steps)
