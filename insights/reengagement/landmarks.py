"""Rows to learn from: accounts that had lost a deal, on the first of each month, and whether they were won back.

A row is what the queue would have held on that day: the account's newest loss that counts, at least `least_days` old,
and no deal won since. It is followed for the horizon; one whose horizon has not ended is censored, and is learned from
when it has. What is known early of such rows are their quick win-backs only. Weights 1 / G (`models.censoring`) cannot
make up for the rest here: whether a row is censored is decided by the date of its landmark alone, so that given the
date, which features such as the length of an account's record give away, G is 1 or 0. A model fitted with such weights
takes recent landmarks for sure win-backs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from crm.tables import DAY, FloatArray, IntArray, micros, moment
from features.records import NEVER
from insights.reengagement.losses import Accounts, Lost

MOST_ROWS = 200_000
"""Rows learned from at most: of more, those of every k-th account."""


def month_starts(first: int, last: int) -> IntArray:
    """00:00 UTC of every first of a month in (first, last], in microseconds."""
    if last <= first:
        return np.zeros(0, dtype=np.int64)
    months = np.arange(np.datetime64(first, "us").astype("M8[M]") + 1, np.datetime64(last, "us").astype("M8[M]") + 1)
    return months.astype("M8[us]").astype(np.int64)


def months_later(when: IntArray, months: int) -> IntArray:
    """The same day and time so many months later; the 28th at most, so that it exists. Shape of `when`."""
    unique, place = np.unique(when, return_inverse=True)
    moved = np.array([_later(int(value), months) for value in unique], dtype=np.int64)
    return moved[place] if len(unique) else when.copy()


def _later(value: int, months: int) -> int:
    at = moment(value)
    place = at.month - 1 + months
    day = at.day if at.day <= 28 else 28
    then = datetime(at.year + place // 12, place % 12 + 1, day)
    return micros(then) + value % DAY


@dataclass(frozen=True)
class Landmarks:
    """Rows to learn from.

    Attributes:
        lost: Account, newest loss and landmark of each row, in order of account and landmark.
        won_at: When it was won back within the horizon, NEVER where it was not, as far as known; shape (n_rows,).
        entered_at: When it next entered new business, NEVER where it has not, as far as known.
        until: When the row's horizon ends, in microseconds.
        end: What happened at or after it is not known.
    """

    lost: Lost
    won_at: IntArray
    entered_at: IntArray
    until: IntArray
    end: int

    def __len__(self) -> int:
        return len(self.lost)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Landmarks:
        """The chosen rows."""
        return Landmarks(self.lost.take(rows), self.won_at[rows], self.entered_at[rows], self.until[rows], self.end)

    def as_known(self, end: int) -> Landmarks:
        """The same rows without what came at or after an earlier moment."""
        won_at, entered_at = (np.where(when < end, when, NEVER) for when in (self.won_at, self.entered_at))
        return Landmarks(self.lost, won_at, entered_at, self.until, end)

    def followed(self, end: int) -> NDArray[np.bool_]:
        """Rows that had been followed to the end of their horizon by a moment."""
        return self.until <= end

    def won_back(self) -> FloatArray:
        """1 where it was won back within the horizon, else 0."""
        return np.asarray(self.won_at != NEVER, dtype=np.float64)

    def accounts_won_back(self) -> int:
        """Number of accounts won back."""
        return len(np.unique(self.lost.account[self.won_at != NEVER]))


def landmarks(accounts: Accounts, end: int, horizon: int, left_out: NDArray[np.bool_]) -> Landmarks:
    """The rows before a moment.

    Args:
        accounts: The company's accounts.
        end: Microseconds; what happened at or after it is not known.
        horizon: Months.
        left_out: Deals that do not count as losses, shape (n_deals,).
    """
    losses = accounts.losses
    known = losses.time < end
    if not known.any():
        none = np.zeros(0, dtype=np.int64)
        return Landmarks(Lost(none, none, none, none), none, none, none, end)
    months = month_starts(int(losses.time[known].min()), end)
    who = np.unique(losses.key[known]).astype(np.int64)
    step = -(-len(who) * max(len(months), 1) // MOST_ROWS)
    who = who[who % step == 0] if step > 1 else who
    account, when = np.repeat(who, len(months)), np.tile(months, len(who))
    lost = eligible(accounts, accounts.newest_losses(account, when, left_out))
    until = months_later(lost.as_of, horizon)
    won_at = accounts.won_back_at(lost.account, lost.as_of, end)
    entered_at = accounts.entered_at(lost.account, lost.as_of, end)
    return Landmarks(lost, np.where(won_at < until, won_at, NEVER), entered_at, until, end)


def eligible(accounts: Accounts, lost: Lost) -> Lost:
    """Pairs whose loss is old enough, whose deal is still lost, and whose account has not won a deal since."""
    old = lost.as_of - lost.lost_at >= accounts.options.least_days * DAY
    reopened = accounts.history.is_open(lost.deal, lost.as_of)
    return lost.take(old & ~reopened & ~accounts.won_since(lost))


__all__ = ["Landmarks", "eligible", "landmarks", "month_starts", "months_later"]
