"""What the probability is learned from: accounts at past landmarks, and new business as it was entered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crm.tables import DAY, NAT, Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from insights.reengagement.features import Knowing
from insights.reengagement.landmarks import Landmarks, months_later
from insights.reengagement.losses import Accounts

USUAL_LAG = 90.0
"""Days from the entry of a deal to its win where a company has hardly won any yet; set by hand."""
LEAST_WINS = 10
MONTH = 365.25 / 12


@dataclass(frozen=True)
class Business:
    """New business that has closed, one entry per closing.

    Attributes:
        account: Code of each deal's account, shape (n_closings,).
        closed: When it closed, in microseconds.
        won: 1 won, 0 lost.
        lag: Days from its entry to that.
        matrix: What was known when it was entered, as far as a later deal of the account shares it.
    """

    account: IntArray
    closed: IntArray
    won: FloatArray
    lag: FloatArray
    matrix: FeatureMatrix

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Business:
        """The chosen closings."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Business(self.account[rows], self.closed[rows], self.won[rows], self.lag[rows],
                        self.matrix.take(places.astype(np.int64)))  # fmt: skip

    @classmethod
    def before(cls, accounts: Accounts, knowing: Knowing, end: int) -> Business:
        """New business that had closed before a moment, reopened deals with each of their closings."""
        lost, won = accounts.closings(won=False), accounts.closings(won=True)
        deal, time = np.concatenate([lost[0], won[0]]), np.concatenate([lost[1], won[1]])
        flag = np.repeat([0.0, 1.0], [len(lost[0]), len(won[0])])
        created = accounts.history.created[deal]
        kept = accounts.fresh[deal] & (created != NAT) & (time < end) & (created < time)
        order = np.lexsort((time[kept], deal[kept]))
        deal, time, flag, created = (part[kept][order] for part in (deal, time, flag, created))
        return cls(accounts.account[deal], time, flag, (time - created) / DAY, knowing.as_entered(deal))


@dataclass(frozen=True)
class Lessons:
    """All that there is to learn from.

    Attributes:
        rows: Accounts at landmarks, and what became of them before `rows.end`.
        matrix: What was known at them; columns `days_since_loss` and `loss_reason` among others.
        business: New business that had closed before that.
        horizon: Months in which a win-back counts.
    """

    rows: Landmarks
    matrix: FeatureMatrix
    business: Business
    horizon: int

    @property
    def reason(self) -> Coded:
        """Reason of each row."""
        reason = self.matrix.columns.get("loss_reason", Coded.of([]))
        assert isinstance(reason, Coded)
        return reason

    @property
    def lag(self) -> float:
        """Usual days from entry to win: their median, drawn towards nothing but `USUAL_LAG` while there are few."""
        won = self.business.lag[self.business.won == 1]
        return float(np.median(won)) if len(won) >= LEAST_WINS else USUAL_LAG

    @property
    def months_to_return(self) -> int:
        """Months within which a deal is to be entered, so that it is usually won within the horizon; at least half."""
        return max(self.horizon - round(self.lag / MONTH), self.horizon // 2)

    def until_return(self) -> IntArray:
        """When these months end, for each row."""
        return months_later(self.rows.lost.as_of, self.months_to_return)

    def as_known(self, end: int) -> Lessons:
        """The same rows, as they were known at an earlier moment: what came at or after it has not come."""
        return replace(self, rows=self.rows.as_known(end), business=self.business.take(self.business.closed < end))
