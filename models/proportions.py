"""Shares of independent deals, and how well they are known."""

from __future__ import annotations

import numpy as np

from crm.tables import FloatArray

Z = 1.96
"""Standard deviations on either side of a 95 % interval."""


def wilson(k: FloatArray, n: FloatArray) -> tuple[FloatArray, FloatArray]:
    """95 % interval of shares of independent deals (Wilson 1927), lower and upper ends; NaN where there is none.

    Args:
        k: Deals that have it, of any shape.
        n: Deals.
    """
    n = np.where(n > 0, n, np.nan)
    rate = k / n
    middle, spread = rate + Z**2 / (2 * n), Z * np.sqrt(rate * (1 - rate) / n + Z**2 / (4 * n**2))
    return (middle - spread) / (1 + Z**2 / n), (middle + spread) / (1 + Z**2 / n)
