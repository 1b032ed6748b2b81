"""What became of a company's accounts: losses, wins, deals open and entered, each asked as of a moment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from crm.tables import NAT, FloatArray, IntArray
from features.asof import Events, Seen
from features.history import History
from features.records import NEVER
from insights.reengagement.options import Options


@dataclass(frozen=True)
class Lost:
    """Lost deals at moments: for each pair an account's newest loss before the moment.

    Attributes:
        deal: Code of the deal, shape (n_pairs,).
        account: Code of its account in `Accounts`.
        lost_at: When it was lost, in microseconds.
        as_of: The moment, in microseconds.
    """

    deal: IntArray
    account: IntArray
    lost_at: IntArray
    as_of: IntArray

    def __len__(self) -> int:
        return len(self.deal)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Lost:
        """The chosen pairs."""
        return Lost(self.deal[rows], self.account[rows], self.lost_at[rows], self.as_of[rows])


class Accounts:
    """A company's accounts and what happened with them. A deal without an account is an account of its own.

    Everything but the outcome of win-backs is told by events strictly before a moment. Business with customers
    (renewals, expansions) is neither a loss to come back from nor a win-back; where a deal has no type, it is business
    with a customer if the account had won a deal before it was entered.

    Args:
        history: The deals.
        options: How the queue is made.

    Attributes:
        account: Code of each deal's account, shape (n_deals,).
        n_accounts: Number of accounts.
        fresh: Whether each deal is new business, shape (n_deals,).
    """

    def __init__(self, history: History, options: Options) -> None:
        self.history, self.options = history, options
        field = history.field("opportunities.account_id")
        everyone = np.arange(history.n_deals, dtype=np.int64)
        self._ids = field.levels
        self._entry = np.where(history.created == NAT, NAT, history.created + 1)
        codes = field.codes(everyone, self._entry).astype(np.int64)
        lone = np.flatnonzero(codes < 0)
        codes[lone] = len(field.levels) + np.arange(len(lone))
        self.account: IntArray = codes
        self.n_accounts = len(field.levels) + len(lone)
        undone = history.lapses
        kept = np.asarray(undone.values("delta")) == 1
        self._undone = undone.key[kept].astype(np.int64), undone.time[kept], np.asarray(undone.values("won"))[kept]
        final = (history.closed != NEVER) & (history.closed != NAT)
        self._closed = np.flatnonzero(final).astype(np.int64)
        self.fresh = self._new_business()

    def id(self, account: int) -> str | None:
        """Id of an account; None where a deal has none."""
        return self._ids[account] if account < len(self._ids) else None

    def _new_business(self) -> NDArray[np.bool_]:
        history = self.history
        field = history.field("opportunities.deal_type")
        everyone = np.arange(history.n_deals, dtype=np.int64)
        codes = field.codes(everyone, self._entry).astype(np.int64)  # as it was entered, should it have changed
        ours = np.array([bool(self.options.customers.search(level)) for level in field.levels] + [False])
        known = codes >= 0
        before = Seen(self.wins, self.account, np.where(history.created == NAT, 0, history.created)).any()
        return ~np.where(known, ours[codes], before)

    # -- events by account -------------------------------------------------------------------------------------------

    def closings(self, won: bool) -> tuple[IntArray, IntArray]:
        """Deals and times of all wins or losses, those that were undone later too."""
        deal, time, flags = self._undone
        rows = self._closed[self.history.won[self._closed] == (1 if won else 0)]
        undone = flags == won
        return np.concatenate([rows, deal[undone]]), np.concatenate([self.history.closed[rows], time[undone]])

    @cached_property
    def wins(self) -> Events:
        """Deals won."""
        deal, time = self.closings(won=True)
        return Events(self.account[deal], time, self.n_accounts)

    @cached_property
    def losses(self) -> Events:
        """New business lost; column `deal`."""
        deal, time = self.closings(won=False)
        fresh = self.fresh[deal]
        deal, time = deal[fresh], time[fresh]
        columns = {"deal": deal.astype(np.float64)}
        return Events(self.account[deal], time, self.n_accounts, ties=lambda: [deal], columns=columns)

    @cached_property
    def entries(self) -> Events:
        """Deals entered; flag `fresh`, and `again` for new business that followed a loss."""
        history = self.history
        deals = np.flatnonzero(history.created != NAT).astype(np.int64)
        account, created = self.account[deals], history.created[deals]
        again = self.fresh[deals] & Seen(self.losses, account, created).any()
        return Events(account, created, self.n_accounts, ties=lambda: [deals],
                      columns={"fresh": self.fresh[deals], "again": again})  # fmt: skip

    @cached_property
    def comings(self) -> Events:
        """Entries, closings and reopenings of deals, with `delta` +1 or -1: its sum is the number of open deals."""
        history, lapses = self.history, self.history.lapses
        born = np.flatnonzero(history.created != NAT).astype(np.int64)
        died = self._closed[history.created[self._closed] != NAT]
        gone = lapses.key.astype(np.int64)
        deltas = [np.ones(len(born)), -np.ones(len(died)), -np.asarray(lapses.values("delta"), dtype=np.float64)]
        key = np.concatenate([self.account[born], self.account[died], self.account[gone]])
        time = np.concatenate([history.created[born], history.closed[died], lapses.time])
        delta = np.concatenate(deltas)
        return Events(key, time, self.n_accounts, ties=lambda: [delta], columns={"delta": delta})

    # -- questions ---------------------------------------------------------------------------------------------------

    def newest_losses(self, account: IntArray, as_of: IntArray, left_out: NDArray[np.bool_]) -> Lost:
        """The newest loss of accounts before moments, of the pairs that have one.

        Args:
            account: Codes, shape (n_pairs,).
            as_of: Microseconds, shape (n_pairs,).
            left_out: Deals that do not count, shape (n_deals,).
        """
        events = self._counting(left_out)
        seen = Seen(events, account, as_of)
        some = seen.any()
        deal, when = seen.last("deal")[some].astype(np.int64), seen.last_time()[some].astype(np.int64)
        return Lost(deal, account[some], when, as_of[some])

    def _counting(self, left_out: NDArray[np.bool_]) -> Events:
        losses = self.losses
        deal = losses.numbers("deal").astype(np.int64)
        kept = ~left_out[deal]
        return Events(losses.key[kept], losses.time[kept], self.n_accounts, ties=lambda: [deal[kept]],
                      columns={"deal": losses.numbers("deal")[kept]})  # fmt: skip

    def open_deals(self, account: IntArray, as_of: IntArray) -> FloatArray:
        """How many deals of accounts were open at moments."""
        return Seen(self.comings, account, as_of).total("delta")

    def won_since(self, lost: Lost) -> NDArray[np.bool_]:
        """Whether the account has won a deal since the loss."""
        return Seen(self.wins, lost.account, lost.as_of).count_since(lost.lost_at.astype(np.float64)) > 0

    def entered_at(self, account: IntArray, since: IntArray, known_by: int) -> IntArray:
        """When accounts entered their first new business at or after moments; NEVER where none was yet.

        Args:
            account: Codes, shape (n_pairs,).
            since: Microseconds, shape (n_pairs,).
            known_by: Entries at or after it are not known.
        """
        created = self.history.created
        deals = np.flatnonzero(self.fresh & (created != NAT) & (created < known_by))
        found = np.full(len(account), NEVER, dtype=np.int64)
        if not len(deals):
            return found
        entries = Events(self.account[deals], created[deals], self.n_accounts)
        place = entries.before(account, since)
        inside = np.minimum(place, len(deals) - 1)
        some = (place < len(deals)) & (entries.key[inside] == account)
        found[some] = entries.time[inside[some]]
        return found

    def won_back_at(self, account: IntArray, since: IntArray, known_by: int) -> IntArray:
        """When the first new business that accounts entered at or after moments was won; NEVER where none was yet.

        Args:
            account: Codes, shape (n_pairs,).
            since: Microseconds, shape (n_pairs,).
            known_by: Wins at or after it are not known.
        """
        created = self.history.created
        won, won_at = self.closings(won=True)
        kept = self.fresh[won] & (won_at < known_by) & (created[won] != NAT)
        won, won_at = won[kept], won_at[kept]
        found = np.full(len(account), NEVER, dtype=np.int64)
        if not len(won) or not len(account):
            return found
        # Wins in order of account and entry; from each on, the earliest time of winning that follows in its account.
        order = np.lexsort((created[won], self.account[won]))
        won, won_at = won[order], won_at[order]
        owner, times = self.account[won], np.unique(won_at)
        rank = np.searchsorted(times, won_at) + owner * (len(times) + 1)
        first = np.minimum.accumulate(rank[::-1])[::-1] - owner * (len(times) + 1)
        seen = Events(owner, created[won], self.n_accounts).before(account, since)
        inside = np.minimum(seen, len(won) - 1)
        some = (seen < len(won)) & (owner[inside] == account)
        found[some] = times[first[inside[some]]]
        return found
