"""Pairs (deal, as_of) at which features are asked: what a feature function is given."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from crm.tables import DAY, CodeArray, Coded, FloatArray, IntArray
from features.asof import Events, Seen
from features.asof_once import look_back
from features.fields import translated
from features.history import History

LEAST_CLOSINGS = 20
"""Fewer closed deals than this make no overall rate to compare a group's with."""


class Moments:
    """Deals at moments, and everything that was known then.

    A feature function receives one of these and answers with an array of shape (n_pairs,). All it can reach is as of
    each pair's own moment. Answers that several features need (the present stage, positions of events) are kept.

    Args:
        history: The deals.
        deal: Code of each pair's deal, shape (n_pairs,).
        as_of: Moment of each pair in microseconds, shape (n_pairs,).
    """

    def __init__(self, history: History, deal: IntArray, as_of: IntArray) -> None:
        self._history = history
        self._deal = deal
        self.as_of = as_of
        self._seen: dict[str, Seen] = {}
        self._codes: dict[str, CodeArray] = {}
        self._numbers: dict[str, FloatArray] = {}
        self._records: dict[str, Seen] = {}

    def __len__(self) -> int:
        return len(self._deal)

    def has(self, source: str) -> bool:
        """Whether the company's data hold a table, `table.column` or `dates`."""
        return source in self._history.sources

    # -- the deal ----------------------------------------------------------------------------------------------------

    @cached_property
    def age_days(self) -> FloatArray:
        """Days since the deal was entered."""
        return (self.as_of - self._history.created[self._deal]) / DAY

    def number(self, source: str) -> FloatArray:
        """A number column as it stood, such as `opportunities.amount` (hundredths); NaN where missing."""
        if source not in self._numbers:
            self._numbers[source] = self._history.field(source).numbers(self._deal, self.as_of)
        return self._numbers[source]

    def category(self, source: str) -> Coded:
        """A text column as it stood."""
        field = self._history.field(source)
        if source not in self._codes:
            self._codes[source] = field.codes(self._deal, self.as_of)
        return Coded(self._codes[source], field.levels)

    @cached_property
    def days_to_quarter_end(self) -> FloatArray:
        """Days from as_of to the end of its calendar quarter."""
        moment, row = self._days
        month = moment.view("M8[us]").astype("M8[M]")
        quarter_end = (month + (3 - month.astype(np.int64) % 3)).astype("M8[us]").astype(np.int64)
        return np.asarray((quarter_end - moment) / DAY)[row]

    @cached_property
    def _days(self) -> tuple[IntArray, IntArray]:
        """The different moments, and the place of each pair's among them: what concerns all deals is asked once."""
        if len(self) == 1:
            return self.as_of, np.zeros(1, dtype=np.int64)
        moments, row = np.unique(self.as_of, return_inverse=True)
        return moments, row.astype(np.int64, copy=False)

    @cached_property
    def _closings(self) -> Seen:
        """Closings of the whole company before each of the different moments."""
        moments, _ = self._days
        return look_back(self._history.company.overall, np.zeros(len(moments), dtype=np.int64), moments)

    # -- its events --------------------------------------------------------------------------------------------------

    def _events(self, name: str) -> Seen:
        if name not in self._seen:
            events = getattr(self._history, name)
            assert isinstance(events, Events)
            self._seen[name] = look_back(events, self._deal, self.as_of)
        return self._seen[name]

    @property
    def stage_changes(self) -> Seen:
        """Moves between open stages; see `History.stage_changes`."""
        return self._events("stage_changes")

    @property
    def activities(self) -> Seen:
        """Emails, calls, meetings, tasks, quotes; see `History.activities`."""
        return self._events("activities")

    @property
    def contact_roles(self) -> Seen:
        """Contacts and their roles; see `History.contact_roles`."""
        return self._events("contact_roles")

    @property
    def deal_products(self) -> Seen:
        """Product lines; see `History.deal_products`."""
        return self._events("deal_products")

    @property
    def field_changes(self) -> Seen:
        """All changes of tracked fields."""
        return self._events("field_changes")

    @property
    def pushes(self) -> Seen:
        """Changes of the expected close date; see `History.pushes`."""
        return self._events("pushes")

    @property
    def amount_changes(self) -> Seen:
        """Changes of the amount; see `History.amount_changes`."""
        return self._events("amount_changes")

    @cached_property
    def stage(self) -> Coded:
        """The stage the deal is in; missing before its first recorded one."""
        seen = self.stage_changes
        return Coded(seen.last_code("stage"), seen.events.levels("stage"))

    # -- other deals -------------------------------------------------------------------------------------------------

    def track_record(self, source: str) -> Seen:
        """Closings before as_of of all deals with the same owner, account, product, ...: `count()`, `total("won")`."""
        if source not in self._records:
            group = self.category(source)
            self._records[source] = self._history.company.seen_closings(
                source, group.levels, group.codes, self.as_of
            )  # fmt: skip
        return self._records[source]

    @cached_property
    def overall_rate(self) -> FloatArray:
        """Win rate of all deals closed before as_of; missing before `LEAST_CLOSINGS` have closed."""
        wins, n = self._closings.total("won"), self._closings.count()
        rate: FloatArray = np.divide(wins, n, out=np.full(len(n), np.nan), where=n >= LEAST_CLOSINGS)
        return rate[self._days[1]]

    def closings_overall(self, days: float) -> tuple[FloatArray, FloatArray]:
        """Wins and closed deals of the company in the last `days` days."""
        seen, row = self._closings, self._days[1]
        return seen.total("won", days=days)[row], seen.count(days=days)[row]

    @cached_property
    def owner_open_deals(self) -> FloatArray:
        """Other deals that the owner has open; NaN where the owner is unknown."""
        company, owner = self._history.company, self.category("opportunities.owner_id")
        codes = owner.codes
        if self._history.borrows_company:
            codes = translated(codes, owner.levels, company.owner_codes)
            mine = company.counts_itself([self._history.deal_ids[deal] for deal in self._deal], codes, self.as_of)
        else:
            mine = self._history.is_open(self._deal, self.as_of).astype(np.int32)
        load = look_back(company.load, codes, self.as_of).total("delta") - mine
        return np.where(owner.codes >= 0, np.maximum(load, 0.0), np.nan)
