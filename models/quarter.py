"""The crowd at the end of a quarter: how much faster deals are won, and lost, in each of its weeks.

With n_b closings of a kind in week b of the quarters seen, and e_b expected of it at the mean rate (closings per day
and open deal, times the days that deals were open in such weeks), the rate of the week relative to the mean is

    r_b = 1 + (n_b / e_b - 1) x t / (t + 1 / e_b),     t = max(mean of ((n_b / e_b - 1)^2 - 1 / e_b), 0)

each drawn to 1 the more, the less the weeks differ beyond chance (DerSimonian and Laird 1986). Hazards are multiplied
by it (proportional hazards with a known course; Cox 1972), so what is learnt over all days tells of each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crm.tables import DAY, NAT, FloatArray, IntArray

WEEKS = 13
"""Weeks of a quarter, counted from its end; the one farthest from it takes what is left over."""
QUARTER_DAYS = 365.25 / 4
LEAST_QUARTERS = 4
"""Fewest quarters to learn from: with fewer, a week of the quarter cannot be told from a week of the year."""
LEAST_RATE = 0.1
"""No week is slower than this."""
_EDGES: FloatArray = np.append(7.0 * np.arange(WEEKS), 93.0)


@dataclass(frozen=True)
class QuarterPace:
    """Rates of winning and losing in each week of a quarter, relative to the mean over it.

    Attributes:
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
        won: Relative rate by week, that before the quarter's end first; their mean over the days is 1.
        lost: The same of losses.
    """

    fiscal_year_start: int
    won: tuple[float, ...]
    lost: tuple[float, ...]

    @classmethod
    def learn(
        cls, created: IntArray, closed: IntArray, won: FloatArray, end: int, fiscal_year_start: int = 1
    ) -> QuarterPace | None:  # fmt: skip
        """From the deals known at a moment; None where they cover too few quarters.

        Args:
            created: Entry in microseconds, NAT where unknown, shape (n_deals,).
            closed: Close in microseconds; at or after `end` where the deal was open then.
            won: 1 won, 0 lost.
            end: What happened at or after it is not known.
            fiscal_year_start: Month in which the company's year starts.
        """
        mine = (created != NAT) & (created < end)
        if not mine.any():
            return None
        first, last = int(created[mine].min()) // DAY, end // DAY
        n_days = last - first
        if n_days < LEAST_QUARTERS * QUARTER_DAYS:
            return None
        days: IntArray = np.arange(n_days, dtype=np.int64)
        week = _week((first + days) * DAY, fiscal_year_start)
        over = mine & (closed < end)
        come = np.bincount(created[mine] // DAY - first, minlength=n_days)[:n_days]
        gone = np.bincount(np.clip(closed[over] // DAY - first, 0, n_days - 1), minlength=n_days)
        is_open = (np.cumsum(come) - np.cumsum(gone) + gone).astype(np.float64)
        exposure = np.bincount(week, weights=is_open, minlength=WEEKS).astype(np.float64)
        rates = []
        for outcome in (1, 0):
            at = np.clip(closed[over & (won == outcome)] // DAY - first, 0, n_days - 1)
            rates.append(_relative(np.bincount(week[at], minlength=WEEKS), exposure))
        return cls(fiscal_year_start, *rates)

    def usual_days(self, at: IntArray, days: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How many days at the mean rates the first so many days after moments are worth, for wins and for losses.

        Args:
            at: Moments in microseconds, shape (n_rows,).
            days: Shape (n_rows, n_days), or (n_days,) for the same ones.

        Returns:
            Two arrays of shape (n_rows, n_days), growing with the days.
        """
        left = days_left(at, self.fiscal_year_start)[:, None]
        beyond = np.maximum(days - left, 0.0)  # later quarters count as of mean length
        quarters = np.floor(beyond / QUARTER_DAYS)
        rest = QUARTER_DAYS - (beyond - quarters * QUARTER_DAYS)
        still = np.maximum(left - days, 0.0)
        ends, n_days = np.hstack([left, still, rest]), days.shape[-1]
        found = []
        for upto, whole in self._worth:
            last = np.interp(ends, _EDGES, upto)  # usual days in the last so many days of a quarter
            last_left, last_still, last_rest = last[:, :1], last[:, 1 : n_days + 1], last[:, n_days + 1 :]
            found.append(last_left - last_still + quarters * whole + np.where(beyond > 0, whole - last_rest, 0.0))
        return found[0], found[1]

    @cached_property
    def _worth(self) -> list[tuple[FloatArray, FloatArray]]:
        """Usual days of wins, and of losses, in the last days of a quarter up to each of `_EDGES`, and in all of it."""
        upto = [np.concatenate([[0.0], np.cumsum(np.diff(_EDGES) * rates)]) for rates in (self.won, self.lost)]
        return [(each, np.interp(QUARTER_DAYS, _EDGES, each)) for each in upto]


def days_left(at: IntArray, fiscal_year_start: int = 1) -> FloatArray:
    """Days from moments (microseconds) to the end of the fiscal year's quarter in which they lie, same shape."""
    month = at.astype("M8[us]").astype("M8[M]")
    to_end = 3 - (month.astype(np.int64) - (fiscal_year_start - 1)) % 3
    return np.asarray(((month + to_end).astype("M8[us]").astype(np.int64) - at) / DAY)


def _week(at: IntArray, fiscal_year_start: int) -> IntArray:
    """Week of a day (its 00:00), counted from the quarter's end."""
    return np.minimum((days_left(at, fiscal_year_start) - 0.5) // 7, WEEKS - 1).astype(np.int64)


def _relative(closings: IntArray, exposure: FloatArray) -> tuple[float, ...]:
    """Relative rates, see the module; 1 where a week was not seen."""
    expected = exposure * (closings.sum() / max(exposure.sum(), 1.0))
    seen = expected > 0
    excess = np.where(seen, closings / np.where(seen, expected, 1.0) - 1.0, 0.0)
    chance = 1.0 / np.where(seen, expected, np.inf)
    spread = max(float(np.mean((excess**2 - chance)[seen])), 0.0) if seen.any() else 0.0
    drawn = spread / (spread + chance) if spread > 0 else np.zeros(WEEKS)
    rates = np.maximum(1.0 + excess * drawn, LEAST_RATE)
    length = np.append(np.full(WEEKS - 1, 7.0), QUARTER_DAYS - 7.0 * (WEEKS - 1))
    return tuple((rates * length.sum() / (rates @ length)).tolist())
