"""What a company's other deals tell about a deal: track records of groups, and how much its owner has open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from crm.tables import NAT, CodeArray, IntArray
from features.asof import Events, Seen
from features.asof_once import look_back
from features.fields import translated
from features.records import NEVER, Records


@dataclass(frozen=True)
class Closings:
    """Closed deals by the value of one column (owner, account, product, ...), as it stood when they closed.

    Attributes:
        levels: The values; a code is a place in them.
        events: Closings keyed by code, with the flag `won`.
    """

    levels: tuple[str, ...]
    events: Events

    @cached_property
    def codes(self) -> dict[str, int]:
        """Code of each value."""
        return {level: code for code, level in enumerate(self.levels)}


class Company:
    """Track records and loads over all deals of a store, as of any moment.

    The deals of the moment itself are never among what is counted: a closing counts strictly after it happened.

    Args:
        history: All deals of the company.
    """

    def __init__(self, history: Records) -> None:
        self._history = history
        self.sources = history.sources
        self.catalogue = history.catalogue
        closed = (history.closed != NEVER) & (history.closed != NAT) & ~np.isnan(history.won)
        deals, lapses = np.flatnonzero(closed).astype(np.int64), history.lapses
        undone = np.asarray(lapses.values("delta")) == 1  # a closing counts from then on, even if reopened later
        self._deals: IntArray = np.concatenate([deals, lapses.key[undone]])
        self._times: IntArray = np.concatenate([history.closed[deals], lapses.time[undone]])
        self._won = np.concatenate([history.won[deals] == 1, np.asarray(lapses.values("won"), dtype=bool)[undone]])
        self._closings: dict[str, Closings] = {}

    @cached_property
    def overall(self) -> Events:
        """All closings under one key 0, with the flag `won`."""
        return Events(np.zeros(len(self._deals), dtype=np.int64), self._times, 1, columns={"won": self._won})

    def closings(self, source: str) -> Closings:
        """Closings by the value of a column, such as `opportunities.owner_id` or `accounts.industry`."""
        if source not in self._closings:
            field = self._history.field(source)
            groups = field.codes(self._deals, self._times)
            events = Events(groups, self._times, len(field.levels), columns={"won": self._won})
            self._closings[source] = Closings(field.levels, events)
        return self._closings[source]

    @cached_property
    def load(self) -> Events:
        """Comings and goings of open deals by owner, with `delta` +1 or -1: entry, hand-over, closing, reopening."""
        history = self._history
        field = history.field("opportunities.owner_id")
        deals = np.flatnonzero(history.created != NAT).astype(np.int64)
        born, died = history.created[deals], history.closed[deals]
        keys, times, deltas = [field.codes(deals, born)], [born], [np.ones(len(deals), dtype=np.int64)]
        if field.changes is not None:
            changes = field.changes
            new, deal = changes.codes("new"), changes.key.astype(np.int64)
            before = np.concatenate([[-1], new[:-1]]).astype(np.int32)
            first = np.concatenate([[True], deal[1:] != deal[:-1]]) if len(deal) else np.zeros(0, dtype=bool)
            before[: len(deal)][first] = field.codes(deal[first], history.created[deal[first]])
            alive = history.is_open(deal, changes.time + 1)  # open once all of this instant has happened
            for owner, sign in ((before[: len(deal)], -1), (new, 1)):
                keys.append(owner[alive])
                times.append(changes.time[alive])
                deltas.append(np.full(int(alive.sum()), sign, dtype=np.int64))
        gone, lapses = died != NEVER, history.lapses
        keys += [field.codes(deals[gone], died[gone]), field.codes(lapses.key.astype(np.int64), lapses.time)]
        times += [died[gone], lapses.time]
        deltas += [np.full(int(gone.sum()), -1, dtype=np.int64), -np.asarray(lapses.values("delta"), dtype=np.int64)]
        return Events(np.concatenate(keys), np.concatenate(times), len(field.levels),
                      columns={"delta": np.concatenate(deltas)})  # fmt: skip

    @property
    def owners(self) -> tuple[str, ...]:
        """Owners by their code in `load`."""
        return self._history.field("opportunities.owner_id").levels

    @cached_property
    def owner_codes(self) -> dict[str, int]:
        """Code of each owner in `load`."""
        return {owner: code for code, owner in enumerate(self.owners)}

    def counts_itself(self, deal_ids: Sequence[str], owners: CodeArray, as_of: IntArray) -> CodeArray:
        """1 where the load of the owner counts the very deal asked about, 0 where not, shape (n_pairs,).

        Args:
            deal_ids: Id of each pair's deal.
            owners: Owner of each pair's deal at as_of by the code in `load`, -1 where unknown.
            as_of: Microseconds.
        """
        history = self._history
        codes = [history.code(deal_id) for deal_id in deal_ids]
        known = [place for place, code in enumerate(codes) if code is not None]
        counted = np.zeros(len(codes), dtype=np.int32)
        if known:  # a deal that is sent is often new
            deal, when = np.array([codes[place] for place in known], dtype=np.int64), as_of[known]
            theirs = history.field("opportunities.owner_id").codes(deal, when)
            counted[known] = (theirs == owners[known]) & history.is_open(deal, when)
        return counted

    def seen_closings(self, source: str, levels: tuple[str, ...], codes: CodeArray, as_of: IntArray) -> Seen:
        """Closings of the group that each pair belongs to.

        Args:
            source: The column that makes the groups.
            levels: Levels of the codes.
            codes: Group of each pair, -1 where unknown.
            as_of: Microseconds.
        """
        closings = self.closings(source)
        if levels is not closings.levels:
            codes = translated(codes, levels, closings.codes)
        return look_back(closings.events, codes, as_of)
