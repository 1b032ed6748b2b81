"""How likely a lost account is to be won back where a company's own history says little: a prior, by reason and time.

Win-backs of a reason r in a phase of time after the loss (before, within or after the days in which the taxonomy holds
another call to be worth most, `wait_days`) are taken as a Poisson process with a yearly rate

    rate(r, phase) ~ Gamma(STRENGTH x m(r, phase), STRENGTH),   m(r, phase) = overall x FACTORS[phase],

overall itself drawn from the history towards `USUAL_RATE`: (k + OVERALL_STRENGTH x USUAL_RATE) / (E + OVERALL_STRENGTH)
for k win-backs in E years that accounts spent in the history. With k_rp win-backs in E_rp years of the cell, the rate's
posterior is Gamma(STRENGTH x m + k_rp, STRENGTH + E_rp): the hand-set figures fade as years gather (conjugate
Gamma-Poisson; Gelman et al., Bayesian Data Analysis, 3rd ed., 2.6). The probability of a win-back in the years d_p
ahead in each phase is 1 - prod_p (b_p / (b_p + d_p))^a_p, a and b the posterior's. A win-back counts from the entry of
its deal, so the years ahead are those of the horizon less the usual time from entry to win.

The figures of `USUAL_RATE` and `FACTORS` are set by hand and not measured; no published measurement was found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import gamma

from crm.tables import DAY, Coded, FloatArray, IntArray
from insights.reengagement.landmarks import Landmarks
from insights.reengagement.lessons import Lessons
from models.estimator import FLOOR
from models.taxonomy import Taxonomy
from models.uncertainty import LEVEL

USUAL_RATE = 0.08
"""Win-backs a year of a lost account before any history."""
OVERALL_STRENGTH = 25.0
"""Years of accounts that `USUAL_RATE` weighs."""
STRENGTH = 40.0
"""Years of accounts that the prior of a reason and phase weighs."""
PHASES = ("before", "within", "after")
FACTORS = (0.7, 1.4, 0.8)
"""Rates before, within and after the days of `wait_days`, as multiples of the overall one."""
NO_WINDOW = 0.4
"""The same, for reasons of which the taxonomy names no days."""
YEAR = 365.25


@dataclass(frozen=True)
class Prior:
    """The posterior of the rates.

    Attributes:
        reasons: Ids; the last place of the arrays is for a reason that is not known.
        window: First and last day of the phase within, shape (n_reasons + 1, 2); infinite where there is none. A loss
            without a reason has the medians of all.
        a: Shape of each rate's distribution, (n_reasons + 1, 3).
        b: Its rate, in years, likewise.
        winbacks: Win-backs that it has seen.
        years: Years of accounts that it has seen.
        lag: Usual days from the entry of a deal to its win.
    """

    reasons: tuple[str, ...]
    window: FloatArray
    a: FloatArray
    b: FloatArray
    winbacks: float
    years: float
    lag: float

    @classmethod
    def learn(cls, taxonomy: Taxonomy, lessons: Lessons) -> Prior:
        """From the months that accounts spent lost, up to where deals entered in them are usually won by now.

        Args:
            taxonomy: The reasons, with their `wait_days`.
            lessons: What to learn from.
        """
        rows, lag = lessons.rows, lessons.lag
        end = rows.end - round(lag * DAY)
        window = _windows(taxonomy)
        known = rows.lost.as_of < end
        month = rows.take(known)
        place = _places(taxonomy.ids, lessons.reason.take(np.flatnonzero(known).astype(np.int64)))
        # Each row watches its account for the month that it begins, so that all rows together count every month once.
        until = np.minimum(np.minimum(month.lost.as_of + 30 * DAY, end), month.won_at)
        span: FloatArray = (until - month.lost.as_of) / DAY / YEAR
        phase = _phase((month.lost.as_of - month.lost.lost_at) / DAY, window[place])
        years, winbacks = np.zeros((len(window), 3)), np.zeros((len(window), 3))
        np.add.at(years, (place, phase), span)
        np.add.at(winbacks, (place, phase), _first_of_account(month))
        overall = (winbacks.sum() + OVERALL_STRENGTH * USUAL_RATE) / (years.sum() + OVERALL_STRENGTH)
        factors = np.where(np.isinf(window[:, :1]), NO_WINDOW, np.array(FACTORS))
        return cls(taxonomy.ids, window, STRENGTH * overall * factors + winbacks, STRENGTH + years,
                   float(winbacks.sum()), float(years.sum()), lag)  # fmt: skip

    def predict(
        self, days_since_loss: FloatArray, reason: Coded, months: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Probability of a win-back within so many months, and its interval; three arrays of shape (n_rows,).

        Args:
            days_since_loss: Days from the loss to the moment, shape (n_rows,).
            reason: Reason of each row.
            months: The horizon.
        """
        place = _places(self.reasons, reason)
        ahead = self._ahead(days_since_loss, place, months)
        a, b = self.a[place], self.b[place]
        p = 1.0 - np.prod((b / (b + ahead)) ** a, axis=1)
        # The sum of the rates times the years ahead, as a Gamma of the same mean and variance.
        mean, variance = (a / b * ahead).sum(axis=1), (a / b**2 * ahead**2).sum(axis=1)
        shape, scale = mean**2 / variance, variance / mean
        lower, upper = (1.0 - np.exp(-gamma.ppf(q, shape, scale=scale)) for q in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
        return np.clip(p, FLOOR, 1 - FLOOR), np.minimum(lower, p), np.maximum(upper, p)

    def _ahead(self, days: FloatArray, place: IntArray, months: int) -> FloatArray:
        """Years of the horizon that fall into each phase, shape (n_rows, 3)."""
        stop = days + np.maximum(months * YEAR / 12 - self.lag, 0.0)
        window = self.window[place]
        first = np.where(np.isinf(window[:, 0]), stop, np.clip(window[:, 0], days, stop))
        last = np.where(np.isinf(window[:, 1]), stop, np.clip(window[:, 1], first, stop))
        return np.column_stack([first - days, last - first, stop - last]) / YEAR

    def phase_of(self, days_since_loss: float, reason: str) -> str:
        """In which phase a loss is: `before`, `within` or `after`."""
        place = _places(self.reasons, Coded.of([reason]))
        return PHASES[int(_phase(np.array([days_since_loss]), self.window[place])[0])]


def _windows(taxonomy: Taxonomy) -> FloatArray:
    """`wait_days` of each reason, infinite where it has none; last, for a loss without a reason, their medians."""
    set_by_hand = [item.wait_days for item in taxonomy.reasons if item.wait_days is not None]
    usual = np.median(np.array(set_by_hand, dtype=np.float64), axis=0) if set_by_hand else np.full(2, np.inf)
    own = [(np.inf, np.inf) if item.wait_days is None else item.wait_days for item in taxonomy.reasons]
    return np.array([*own, usual], dtype=np.float64)


def _first_of_account(rows: Landmarks) -> FloatArray:
    """1 on the last row of each account and win-back before it came, so that one counts once, shape (n_rows,)."""
    came = np.flatnonzero(rows.won_at < rows.end)
    last: dict[tuple[int, int], int] = {}
    for row in came.tolist():
        last[int(rows.lost.account[row]), int(rows.won_at[row])] = row
    found = np.zeros(len(rows))
    found[list(last.values())] = 1.0
    return found


def _places(ids: tuple[str, ...], reason: Coded) -> IntArray:
    place = {name: number for number, name in enumerate(ids)}
    table = np.array([*(place.get(level, len(ids)) for level in reason.levels), len(ids)], dtype=np.int64)
    return table[reason.codes]


def _phase(days: FloatArray, window: FloatArray) -> IntArray:
    return (days >= window[:, 0]).astype(np.int64) + (days > window[:, 1]).astype(np.int64)
