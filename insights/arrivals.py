"""Deals that are not there yet: how many enter until a day, how many of those are won by then, and for how much.

With a share r of a day's entries, and W(d) the Aalen-Johansen estimate of the probability that a deal is won within d
days of its entry (deals still open are censored), deals entering in [as_of, end) are expected to be won in the period
[start, end) with probability

    p = mean over u in [0, end - as_of) of W(end - as_of - u) - W(start - as_of - u)

and their number is r x (end - as_of) on average. Everything is counted as it was known at `as_of`.
"""

from __future__ import annotations

import numpy as np

from crm.tables import DAY, NAT, CodeArray, FloatArray
from features.history import History
from insights.simulation import Arrivals

LOOK_BACK = 182.0
"""Days over which entries are counted."""
LEAST_DAYS = 28.0
"""Days of history before which nothing is said of deals to come."""
MEMORY = 730.0
"""Days of entries that tell how fast new deals are won, and of wins that tell their amounts."""
USUAL = 0.15
"""Standard deviation of the logarithm of how many enter, expected before anything was seen."""
PRIOR_WINDOWS = 3.0
"""How many past windows that expectation is worth."""
LEAST_WINS = 30
"""Fewest quick wins to draw amounts from; with fewer, all wins are drawn from."""


def won_since_entry(history: History, as_of: int, most_days: int) -> FloatArray:
    """W(d) for d = 0 to `most_days`: probability that a deal is won within d days of its entry.

    Args:
        history: The deals.
        as_of: What happened at or after it is not known.
        most_days: Length in days.
    """
    born = history.created
    mine = np.flatnonzero((born != NAT) & (born < as_of) & (born >= as_of - int(MEMORY * DAY)))
    watched = (as_of - born[mine]) / DAY
    ended = history.closed[mine] < as_of
    days = np.where(ended, (history.closed[mine].astype(np.float64) - born[mine]) / DAY, np.inf)
    last = np.minimum(np.minimum(days, watched), most_days + 1.0).astype(np.int64)
    # a day counts only if it was watched whole
    at_risk = np.bincount(last, minlength=most_days + 2)[::-1].cumsum()[::-1].astype(np.float64)
    at_risk -= np.bincount(last[~ended], minlength=most_days + 2)
    inside = ended & (days < most_days + 1)
    closings = np.bincount(last[inside], minlength=most_days + 2)[: most_days + 1]
    wins = np.bincount(last[inside & (history.won[mine] == 1)], minlength=most_days + 2)[: most_days + 1]
    risk = np.maximum(at_risk[: most_days + 1], 1.0)
    still = np.concatenate([[1.0], np.cumprod(1.0 - np.minimum(closings / risk, 1.0))])
    return np.concatenate([[0.0], np.cumsum(still[:-1] * wins / risk)])[: most_days + 1]


def arrivals_of(
    history: History, as_of: int, start: int, end: int, amount: FloatArray, currency: CodeArray
) -> Arrivals | None:  # fmt: skip
    """What to expect of deals that enter after `as_of`; None where the history is too short to tell.

    Args:
        history: The deals.
        as_of: Microseconds.
        start: Start of the period; what is won before it does not count.
        end: End of the period.
        amount: Amount of every deal as it stood at `as_of`, NaN where unknown, shape (history.n_deals,).
        currency: Place of its currency.
    """
    born = np.sort(history.created[(history.created != NAT) & (history.created < as_of)])
    if not len(born) or (as_of - born[0]) / DAY < LEAST_DAYS or end <= as_of:
        return None
    length = (end - as_of) / DAY
    days = int(np.ceil(length))
    won = won_since_entry(history, as_of, days)
    middle = np.arange(days) + 0.5
    grid = np.arange(days + 1, dtype=np.float64)
    late = max((start - as_of) / DAY, 0.0)
    p = float(np.mean(np.interp(length - middle, grid, won) - np.interp(np.maximum(late - middle, 0.0), grid, won)))
    wins = (history.won == 1) & (history.closed < as_of) & (history.closed >= as_of - int(MEMORY * DAY))
    wins &= ~np.isnan(amount) & (history.created != NAT)
    quick = wins & (history.closed - np.where(wins, history.created, 0) <= end - as_of)
    chosen = np.flatnonzero(quick if quick.sum() >= LEAST_WINS else wins)
    return Arrivals(_rate(born, as_of) * length, max(p, 0.0), _spread(born, as_of, length), amount[chosen],
                    currency[chosen])  # fmt: skip


def _rate(born: FloatArray, as_of: float) -> float:
    """Deals entering per day, counted over the last `LOOK_BACK` days, or since the first deal."""
    days = min(LOOK_BACK, (as_of - float(born[0])) / DAY)
    return float(np.sum(born >= as_of - days * DAY)) / days


def _spread(born: FloatArray, as_of: int, length: float) -> float:
    """How far the number of entries in past windows of the same length lay from what was expected before each."""
    excess: list[float] = []
    moment = as_of - length * DAY
    while moment - born[0] >= LEAST_DAYS * DAY and len(excess) < 12:
        before = born[born < moment]
        expected = _rate(before, moment) * length
        came = float(np.sum((born >= moment) & (born < moment + length * DAY)))
        if expected > 0 and came > 0:
            excess.append(np.log(came / expected) ** 2 - 1 / came)
        moment -= length * DAY
    n = len(excess)
    found = max(float(np.mean(excess)), 0.0) if n else 0.0
    return float(np.sqrt((n * found + PRIOR_WINDOWS * USUAL**2) / (n + PRIOR_WINDOWS)))
