"""The linear part: one line of scores for each reason, from sparse or dense rows, each row with a weight."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from crm.tables import FloatArray, IntArray

NEVER = -8.0
"""Score of a reason that has no row to learn from, in log-odds: about 3 in 10,000."""


@dataclass(frozen=True)
class Lines:
    """Scores of rows: `rows @ coefficients + intercepts`, log-odds up to a constant of the row.

    Attributes:
        coefficients: Shape (n_features, n_reasons), float32.
        intercepts: Shape (n_reasons,).
    """

    coefficients: FloatArray
    intercepts: FloatArray

    def __call__(self, rows: Any) -> FloatArray:
        """Scores, shape (n_rows, n_reasons).

        Args:
            rows: Sparse or dense, shape (n_rows, n_features).
        """
        return np.asarray(rows @ self.coefficients, dtype=np.float64) + self.intercepts


def fit_lines(rows: Any, reason: IntArray, n_reasons: int, weight: FloatArray, c: float) -> Lines:
    """Multinomial logistic regression with an L2 penalty.

    Args:
        rows: Sparse or dense, shape (n_rows, n_features).
        reason: Reason of each row, shape (n_rows,).
        n_reasons: Number of reasons; one without a row gets the score `NEVER`.
        weight: Weight of each row.
        c: Inverse strength of the penalty.
    """
    coefficients = np.zeros((rows.shape[1], n_reasons), dtype=np.float32)
    intercepts = np.full(n_reasons, NEVER)
    seen = np.unique(reason)
    if len(seen) == 1:
        intercepts[seen] = 0.0
        return Lines(coefficients, intercepts)
    line = LogisticRegression(C=c, tol=1e-3, max_iter=100)
    # One thread: spinning BLAS threads are slow on a busy machine. Stopped after 100 steps, the line is as good on
    # rows it has not seen, so the warning is of no use.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        line.fit(rows.astype(np.float32), reason, sample_weight=weight)
    found, at = line.coef_, line.intercept_
    if len(seen) == 2:  # scikit-learn then gives the log-odds of the second against the first
        found, at = np.vstack([-found, found]) * 0.5, np.concatenate([-at, at]) * 0.5
    coefficients[:, seen], intercepts[seen] = found.T, at
    return Lines(coefficients, intercepts)


def balanced(reason: IntArray, n_reasons: int, power: float) -> FloatArray:
    """Weight of each row by how rare its reason is: (mean number of rows / its number) to a power, shape (n_rows,).

    At power 0 all weigh the same, at 1 every reason does; between them rare reasons are heard without drowning the
    frequent ones.
    """
    count = np.bincount(reason, minlength=n_reasons).astype(np.float64)
    mean = len(reason) / max(1, int(np.count_nonzero(count)))
    return np.asarray((mean / np.maximum(count, 1.0)) ** power)[reason]
