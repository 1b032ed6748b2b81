"""When another call is best: on the date asked for, before a contract ends, or as the history or a prior says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from crm.tables import DAY, Coded, IntArray, moment
from insights.reengagement.dates import NamedDate
from insights.reengagement.landmarks import Landmarks
from insights.reengagement.losses import Accounts
from models.taxonomy import Taxonomy

LEAST_RETURNS = 10
"""Fewest accounts that came back after a reason for the history to say when."""
CONTRACT_DAYS = 60
"""Days before the end of a rival's contract at which to call: before the renewal is signed."""


@dataclass(frozen=True)
class BestDate:
    """When to call.

    Attributes:
        day: The day; the moment's own where the best one has passed.
        why: What it rests on, in words.
    """

    day: date
    why: str


@dataclass(frozen=True)
class UsualWait:
    """Days from the loss to the entry of the deal that was won back, in past win-backs.

    Attributes:
        days: A quarter of them came earlier than this many days, by reason, and how many there were.
        overall: The same over all reasons; None where there were too few.
    """

    days: dict[str, tuple[float, int]]
    overall: tuple[float, int] | None

    @classmethod
    def learn(cls, accounts: Accounts, rows: Landmarks, reason: Coded) -> UsualWait:
        """From the win-backs known by the end of the rows, each counted once."""
        pairs = won_back_pairs(accounts, rows)
        wait = (accounts.history.created[pairs.won] - pairs.lost_at) / DAY
        ids = reason.strings()[pairs.row]
        found = {id: wait[ids == id] for id in sorted(set(ids.tolist())) if id}
        days = {id: (float(np.quantile(own, 0.25)), len(own)) for id, own in found.items() if len(own) >= LEAST_RETURNS}
        overall = (float(np.quantile(wait, 0.25)), len(wait)) if len(wait) >= LEAST_RETURNS else None
        return cls(days, overall)


@dataclass(frozen=True)
class WonBack:
    """Win-backs of the past, each once: what was lost, and what was won after it.

    Attributes:
        row: Last row of the landmarks before the deal was entered, shape (n_pairs,).
        lost: Code of the lost deal.
        lost_at: When it was lost.
        won: Code of the deal that was won back.
    """

    row: IntArray
    lost: IntArray
    lost_at: IntArray
    won: IntArray


def won_back_pairs(accounts: Accounts, rows: Landmarks) -> WonBack:
    """Lost deals and the deals won back after them, from rows with a win-back."""
    history = accounts.history
    hits = np.flatnonzero(rows.won_at < rows.end)
    by_close: dict[tuple[int, int], int] = {}
    for deal, won_at in zip(*(part.tolist() for part in accounts.closings(won=True)), strict=True):
        if accounts.fresh[deal]:
            by_close[int(accounts.account[deal]), won_at] = deal
    last: dict[int, int] = {}
    for row in hits.tolist():
        deal = by_close[int(rows.lost.account[row]), int(rows.won_at[row])]
        if history.created[deal] >= rows.lost.as_of[row]:
            last[deal] = row
    deals = np.array(sorted(last), dtype=np.int64)
    place = np.array([last[deal] for deal in deals.tolist()], dtype=np.int64)
    return WonBack(place, rows.lost.deal[place], rows.lost.lost_at[place], deals)


def best_date(
    as_of: int, lost_at: int, reason: str, named: NamedDate | None, contract_end: float, usual: UsualWait,
    taxonomy: Taxonomy,
) -> BestDate | None:  # fmt: skip
    """When to call about one deal; None where nothing tells.

    Args:
        as_of: The moment, in microseconds.
        lost_at: When it was lost.
        reason: Id of the reason, "" where unknown.
        named: Date that the note names.
        contract_end: End of the rival's contract in microseconds, NaN where unknown.
        usual: What past win-backs say.
        taxonomy: What is held by hand.
    """
    today, loss = moment(as_of).date(), moment(lost_at).date()

    def on(day: date, why: str) -> BestDate:
        return BestDate(max(day, today), f"{why}; that day has passed" if day < today else why)

    if named is not None:
        return on(named.day, f"named in the note: {named.words!r}")
    if contract_end == contract_end:
        end = moment(int(contract_end)).date()
        return on(end - timedelta(days=CONTRACT_DAYS), f"{CONTRACT_DAYS} days before the rival's contract ends")
    learned = usual.days.get(reason)
    if learned is not None:
        days, n = learned
        why = f"three in four of {n} that came back after this reason did so {days:.0f} days after the loss or later"
        return on(loss + timedelta(days=round(days)), why)
    if reason in taxonomy.ids and (wait := taxonomy.reason(reason).wait_days) is not None:
        why = f"prior set by hand for this reason: {wait[0]} to {wait[1]} days after the loss"
        return on(loss + timedelta(days=wait[0]), why)
    if usual.overall is not None:
        days, n = usual.overall
        why = f"three in four of {n} that came back did so {days:.0f} days after the loss or later"
        return on(loss + timedelta(days=round(days)), why)
    return None
