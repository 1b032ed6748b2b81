"""Deals that are not there yet: how many enter until a day, how many of those are won by then, and for how much.

With a share r of a day's entries, and W(d) the Aalen-Johansen estimate of the probability that a deal is won within d
days of its entry (deals still open are censored), deals entering in [as_of, end) are won in the period [start, end)
with probability

    p = mean over u in [0, end - as_of) of W(end - as_of - u) - W(start - as_of - u)

and their number is r x (end - as_of) on average. That knows neither the crowd at the end of a quarter nor growth, so
the same is asked as of moments whole quarters earlier, as seen from them: if e_k wins were to be expected and w_k came,
p is multiplied by

    c = (sum of w_k + PRIOR_WINS) / (sum of e_k + PRIOR_WINS)

and how far the w_k lie from c e_k beyond chance is the spread of how many are won. Nothing after `as_of` is looked at.
"""

from __future__ import annotations

from calendar import monthrange

import numpy as np

from crm.tables import DAY, NAT, CodeArray, FloatArray, IntArray, micros, moment
from features.history import History
from insights.simulation import Arrivals

LOOK_BACK = 182.0
"""Days over which entries are counted."""
LEAST_DAYS = 28.0
"""Days of history before which nothing is said of deals to come."""
LEAST_BEFORE = 182.0
"""Days of history before which a past moment tells nothing of how good such a statement is."""
MEMORY = 730.0
"""Days of entries that tell how fast new deals are won, and of wins that tell their amounts."""
USUAL = 0.15
"""Standard deviation of how many are won, relative to what is expected, before anything was seen."""
PRIOR_WINDOWS = 3.0
"""How many past periods that expectation is worth."""
PRIOR_WINS = 5.0
"""How many wins, as many as were expected, are taken to have been seen already."""
MOST_WINDOWS = 8
"""Past periods that are looked at."""
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
    expected, p = _plain(history, born, as_of, start, end)
    factor, spread = _corrected(history, born, as_of, start, end)
    wins = (history.won == 1) & (history.closed < as_of) & (history.closed >= as_of - int(MEMORY * DAY))
    wins &= ~np.isnan(amount) & (history.created != NAT)
    quick = wins & (history.closed - np.where(wins, history.created, 0) <= end - as_of)
    chosen = np.flatnonzero(quick if quick.sum() >= LEAST_WINS else wins)
    return Arrivals(expected, min(p * factor, 1.0), spread, amount[chosen], currency[chosen])


def _plain(history: History, born: IntArray, as_of: int, start: int, end: int) -> tuple[float, float]:
    """Entries to expect until the end, and the probability that one is won in the period, by W alone."""
    length, late = (end - as_of) / DAY, max((start - as_of) / DAY, 0.0)
    days = int(np.ceil(length))
    won = won_since_entry(history, as_of, days)
    middle, grid = np.arange(days) + 0.5, np.arange(days + 1, dtype=np.float64)
    p = float(np.mean(np.interp(length - middle, grid, won) - np.interp(np.maximum(late - middle, 0.0), grid, won)))
    counted = min(LOOK_BACK, (as_of - int(born[0])) / DAY)
    rate = float(np.sum((born < as_of) & (born >= as_of - counted * DAY))) / counted
    return rate * length, max(p, 0.0)


def _corrected(history: History, born: IntArray, as_of: int, start: int, end: int) -> tuple[float, float]:
    """By how much more were won in past periods than was to be expected, and how far that spread."""
    said: list[float] = []
    came: list[float] = []
    for back in range(1, 60):
        then, since, until = (_months_before(when, 3 * back) for when in (as_of, start, end))
        if then - int(born[0]) < LEAST_BEFORE * DAY or len(said) == MOST_WINDOWS:
            break
        if until > as_of:
            continue
        entries, p = _plain(history, born, then, since, until)
        said.append(entries * p)
        won = (history.won == 1) & (history.closed >= since) & (history.closed < until)
        came.append(float(np.sum(won & (history.created >= then) & (history.created < until))))
    expected, n = np.array(said), len(said)
    factor = (sum(came) + PRIOR_WINS) / (float(expected.sum()) + PRIOR_WINS)
    expected = expected * factor
    found = 0.0
    if expected.any():
        found = max(float(np.sum((np.array(came) - expected) ** 2 - expected) / np.sum(expected**2)), 0.0)
    return factor, float(np.sqrt((n * found + PRIOR_WINDOWS * USUAL**2) / (n + PRIOR_WINDOWS)))


def _months_before(when: int, months: int) -> int:
    """The same day and time so many months earlier, or the last day of a month that lacks it."""
    day = moment(when)
    month = 12 * day.year + day.month - 1 - months
    year, number = month // 12, month % 12 + 1
    return micros(day.replace(year=year, month=number, day=min(day.day, monthrange(year, number)[1])))
