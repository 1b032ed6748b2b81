"""The linear part: one line of scores for each reason, from sparse or dense rows, each row with a weight."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import solve_triangular
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from crm.tables import FloatArray, IntArray

NEVER = -8.0
"""Score of a reason that has no row to learn from, in log-odds: about 3 in 10,000."""

MOST_ROTATED = 3_000
"""Rows up to which a fit runs over the rows' own span; the time of each step grows with their square."""

JITTER = 1e-6
"""Added to the squared length of each row, 1.49, so that rows that say the same do not make the root singular."""

TOLERANCE = 0.01
"""Greatest slope at which the search stops, for all reasons together."""

MOST_STEPS = 100


@dataclass(frozen=True)
class Lines:
    """Scores of rows: `rows @ coefficients + intercepts`, log-odds up to a constant of the row.

    Attributes:
        coefficients: Shape (n_features, n_reasons), of float32's precision; those of a feature add up to 0.
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


class Design:
    """Rows made ready for fits, of which there may be several.

    A line with an L2 penalty is a weighted sum of its rows. Where rows are far fewer than features, the search runs
    over as many directions as there are rows: the rows are written in an orthonormal basis of their span (the Cholesky
    root of their inner products), which changes neither scores nor penalty and is several times faster.

    Args:
        rows: Sparse or dense, shape (n_rows, n_features).
    """

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self._root: FloatArray | None = None
        if issparse(rows) and rows.shape[0] <= min(MOST_ROTATED, rows.shape[1] // 2):
            inner = (rows @ rows.T).toarray()
            inner[np.diag_indices_from(inner)] += JITTER
            self._root = np.linalg.cholesky(inner)

    @property
    def fitted_on(self) -> Any:
        """What the search sees, shape (n_rows, n_directions)."""
        return self.rows.astype(np.float32) if self._root is None else self._root

    def back(self, found: FloatArray) -> FloatArray:
        """Coefficients of the features, from those of the directions, shape (n_features, n_reasons)."""
        if self._root is None:
            return found
        return np.asarray(self.rows.T @ solve_triangular(self._root.T, found, lower=False))


def fit_lines(design: Design, reason: IntArray, n_reasons: int, weight: FloatArray, c: float) -> Lines:
    """Multinomial logistic regression with an L2 penalty.

    Args:
        design: The rows.
        reason: Reason of each row, shape (n_rows,).
        n_reasons: Number of reasons; one without a row gets the score `NEVER`.
        weight: Weight of each row.
        c: Inverse strength of the penalty.
    """
    coefficients = np.zeros((design.rows.shape[1], n_reasons))
    intercepts = np.full(n_reasons, NEVER)
    seen = np.unique(reason)
    if len(seen) == 1:
        intercepts[seen] = 0.0
        return Lines(coefficients, intercepts)
    line = LogisticRegression(C=c, tol=TOLERANCE / len(seen), max_iter=MOST_STEPS)
    # One thread: spinning BLAS threads are slow on a busy machine. A search stopped early is as good on rows that it
    # has not seen, so the warning is of no use.
    with threadpool_limits(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        line.fit(design.fitted_on, reason, sample_weight=weight)
    found, at = line.coef_, line.intercept_
    if len(seen) == 2:  # scikit-learn then gives the log-odds of the second against the first
        found, at = np.vstack([-found, found]) * 0.5, np.concatenate([-at, at]) * 0.5
    # Saved as float32; SciPy would copy such an array at each product with rows of float64.
    coefficients[:, seen], intercepts[seen] = design.back(found.T).astype(np.float32), at
    return Lines(coefficients, intercepts)


def balanced(reason: IntArray, n_reasons: int, power: float) -> FloatArray:
    """Weight of each row by how rare its reason is: (mean number of rows / its number) to a power, shape (n_rows,).

    At power 0 all weigh the same, at 1 every reason does; between them rare reasons are heard without drowning the
    frequent ones.
    """
    count = np.bincount(reason, minlength=n_reasons).astype(np.float64)
    mean = len(reason) / max(1, int(np.count_nonzero(count)))
    return np.asarray((mean / np.maximum(count, 1.0)) ** power)[reason]
