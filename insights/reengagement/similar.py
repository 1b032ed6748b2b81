"""Lost deals like one at hand that did come back, for the conversation: what was lost, and what was won after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import DAY, Coded, FloatArray, IntArray
from features.history import History
from insights.reengagement.losses import Accounts
from insights.reengagement.timing import WonBack

SHOWN = 3
"""Similar deals shown with each."""
SAME_REASON, SAME_OTHER = 2.0, 1.0
"""What sharing the reason, and sharing the product, segment or industry, count for."""
_SHARED = ("opportunities.product", "accounts.segment", "opportunities.segment", "accounts.industry")


@dataclass(frozen=True)
class Similar:
    """A lost deal that came back.

    Attributes:
        lost: Id of the lost deal.
        won: Id of the deal that was won after it.
        reason: Id of the reason of the loss, "" where unknown.
        days: Days from the loss to the entry of the new deal.
    """

    lost: str
    won: str
    reason: str
    days: int


class Likeness:
    """Finds similar deals among past win-backs.

    How alike two lost deals are: `SAME_REASON` for the same reason, `SAME_OTHER` for each of product, segment and
    industry in common, less the distance of their amounts' logarithms.

    Args:
        accounts: The company's accounts.
        pairs: Past win-backs.
        reason: Reason of each pair's loss, shape (n_pairs,).
        as_of: The moment, in microseconds.
    """

    def __init__(self, accounts: Accounts, pairs: WonBack, reason: Coded, as_of: int) -> None:
        self._history, self._pairs, self._as_of = accounts.history, pairs, as_of
        self._reason, self._account = reason.strings(), accounts.account[pairs.lost]
        when = np.full(len(pairs.lost), as_of, dtype=np.int64)
        self._columns = _columns(self._history, pairs.lost, when)
        self._amount = log_amounts(self._history, pairs.lost, when)

    def of(self, deals: IntArray, reasons: Coded, accounts: IntArray) -> list[list[Similar]]:
        """The most similar ones to each deal, of other accounts, the most alike first.

        Args:
            deals: Codes of lost deals, shape (n_deals,).
            reasons: Their reasons.
            accounts: Their accounts.
        """
        when = np.full(len(deals), self._as_of, dtype=np.int64)
        columns, amount = _columns(self._history, deals, when), log_amounts(self._history, deals, when)
        ids = reasons.strings()
        return [
            self._of_one([column[row] for column in columns], float(amount[row]), str(ids[row]), int(accounts[row]))
            for row in range(len(deals))
        ]

    def _of_one(self, columns: list[int], amount: float, reason: str, account: int) -> list[Similar]:
        pairs, history = self._pairs, self._history
        if not len(pairs.lost):
            return []
        alike = SAME_REASON * ((self._reason == reason) & (reason != ""))
        for own, theirs in zip(columns, self._columns, strict=True):
            if own >= 0:
                alike = alike + SAME_OTHER * (theirs == own)
        distance = np.abs(self._amount - amount)
        alike = alike - np.where(np.isnan(distance), 1.0, np.minimum(distance, 3.0))
        alike = np.where(self._account == account, -np.inf, alike)
        order = np.lexsort((pairs.won, -alike))[:SHOWN]
        return [
            Similar(history.deal_ids[pairs.lost[row]], history.deal_ids[pairs.won[row]], str(self._reason[row]),
                    int((history.created[pairs.won[row]] - pairs.lost_at[row]) // DAY))
            for row in order.tolist() if alike[row] > 0
        ]  # fmt: skip


def _columns(history: History, deals: IntArray, as_of: IntArray) -> list[IntArray]:
    """Codes of what deals may share, as far as the data have it."""
    return [history.field(source).codes(deals, as_of).astype(np.int64)
            for source in _SHARED if source in history.sources]  # fmt: skip


def log_amounts(history: History, deals: IntArray, as_of: IntArray) -> FloatArray:
    """Logarithm of the amounts of lost deals, in currency units; NaN where there is none."""
    values = history.field("opportunities.amount").numbers(deals, as_of) / 100
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log(np.where(values > 0, values, np.nan)))
