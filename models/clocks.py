"""Clocks: features that tell the time, so that new rows always look different from old ones by them."""

from __future__ import annotations

import numpy as np

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import WEEK

CLOCK = 0.25
"""A feature tells the time if it and the week explain each other to at least this share among the old rows
(`clock_share`). On simulated deals running rates reach 0.6 to 1, running totals of accounts 0.3, all others 0.15."""


def clock_share(values: FloatArray | Coded, as_of: IntArray, deal: IntArray) -> float:
    """How much of a clock a feature is, 0 to 1: whether the week tells its value, or its value tells the week.

    The first is the share of the variance of its ranks that the week of the row explains (adjusted for the number of
    weeks, so that chance gives about 0: epsilon squared; Kelley 1935), which finds what grows with time and what
    follows the calendar. The second is the share of the variance of the moments explained by the mean moment of other
    deals' rows with the very same value, which finds running rates: one number for all deals of a segment and week, and
    never again. A category is no clock: 0.

    Args:
        values: The feature, shape (n_rows,).
        as_of: Moments of the rows, in microseconds.
        deal: Deal of each row.
    """
    if isinstance(values, Coded):
        return 0.0
    present = ~np.isnan(values)
    _, week = np.unique(as_of[present] // WEEK, return_inverse=True)
    _, level, times = np.unique(values[present], return_inverse=True, return_counts=True)
    n, n_weeks = len(level), int(week.max(initial=-1)) + 1
    if n - n_weeks < 1 or n_weeks < 2 or len(times) < 2:
        return 0.0
    rank = (np.cumsum(times) - (times + 1) / 2)[level]
    means = np.bincount(week, rank) / np.bincount(week)
    by_week = 1 - float(((rank - means[week]) ** 2).mean() * n / (n - n_weeks)) / (float(rank.var()) * n / (n - 1))
    at = week - week.mean()
    _, pair = np.unique(level * (int(deal.max()) + 1) + deal[present], return_inverse=True)
    others = times[level] - np.bincount(pair)[pair]
    total = np.bincount(level, at)[level] - np.bincount(pair, at)[pair]
    told = np.divide(total, others, out=np.zeros(n), where=others > 0)
    return max(by_week, 1 - float(((at - told) ** 2).sum() / (at**2).sum()), 0.0)
