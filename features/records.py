"""A company's deals and their events, sorted once and asked many times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from crm.schema import ACTIVITY_TYPES, TABLES, Kind, Known
from crm.tables import DAY, NAT, Attribute, CodeArray, Coded, Columns, CrmData, FloatArray, IntArray, Values, n_rows
from features.asof import Column, Events
from features.asof_once import look_back
from features.fields import Field, as_floats, linked, parse, recode, union
from features.ordering import first_places, joint_codes
from features.rows import TEXT, Rows, among, lookup, take

NEVER = int(np.iinfo(np.int64).max)
"""The closing time of a deal that is still open."""
ROLE_WORDS = {
    "decider": ("decision", "economic", "executive"),
    "champion": ("champion", "sponsor"),
    "blocker": ("blocker", "opponent", "detractor"),
}
"""Words that tell what a contact's role means for a deal; a role that has none of them is just a role."""


class Records:
    """Deals and their events as arrays, ordered by deal id and time.

    Args:
        crm: The tables. Deals may come in any order.

    Attributes:
        deal_ids: Ids in sorted order; a deal's code is its place here.
        created: Entry time by deal in microseconds, NAT where unknown.
        closed: Closing time by deal, `NEVER` while open, NAT for a closed deal of an export without dates.
        won: 1 won, 0 lost, NaN open; by deal.
    """

    def __init__(self, crm: CrmData) -> None:
        self.crm = crm
        deals = crm.tables["opportunities"]
        ids = deals["opportunity_id"]
        assert isinstance(ids, Coded)
        names = ids.strings().tolist()
        in_order = names == sorted(names)
        order = np.array([] if in_order else sorted(range(len(names)), key=names.__getitem__), dtype=np.int64)
        self.deal_ids: tuple[str, ...] = tuple(sorted(names))
        self.n_deals = len(names)
        self._deals: Columns = deals if in_order else {name: take(deals[name], order) for name in deals}
        self.created: IntArray = self._times("created_at")
        outcome = recode(self._text("outcome"), ("lost", "won"))
        self.won: FloatArray = np.where(outcome >= 0, outcome, np.nan)
        self.closed: IntArray = np.where(outcome >= 0, self._times("closed_at"), NEVER)

    # -- what is at hand ---------------------------------------------------------------------------------------------

    @cached_property
    def sources(self) -> frozenset[str]:
        """What features may be made of: tables, columns known before the close, and dates.

        Names of tables at hand, `table.column`, and `dates` where the export has them.
        """
        names = {name for name, columns in self.crm.tables.items() if n_rows(columns)}
        for attribute in self.crm.attributes:
            known = attribute.known
            event = known is Known.EVENT and attribute.table in names
            if event or known is Known.CREATED or (known is Known.HISTORY and self._tracked(attribute)):
                names.add(f"{attribute.table}.{attribute.name}")
        if self.crm.process.time_basis == "dates":
            names.add("dates")
        return frozenset(names)

    @staticmethod
    def _tracked(attribute: Attribute) -> bool:
        return attribute.table == "opportunities" and attribute.name != "stage"

    @cached_property
    def _code(self) -> dict[str, int]:
        return {name: code for code, name in enumerate(self.deal_ids)}

    def code(self, deal_id: str) -> int | None:
        """Code of a deal, None where there is none with that id."""
        return self._code.get(deal_id)

    # -- open and closed ---------------------------------------------------------------------------------------------

    def is_open(self, deal: IntArray, as_of: IntArray) -> NDArray[np.bool_]:
        """Whether deals were open at moments: entered before, and not closed before, or reopened since.

        Args:
            deal: Codes of deals, shape (n_pairs,).
            as_of: Microseconds, shape (n_pairs,).
        """
        born = self.created[deal]
        alive: NDArray[np.bool_] = (born != NAT) & (born < as_of) & (self.closed[deal] >= as_of)
        if len(self.lapses):
            alive &= look_back(self.lapses, deal, as_of).total("delta") == 0
        return alive

    @cached_property
    def lapses(self) -> Events:
        """Closings that were undone by a reopening, and the reopenings: the deal's columns of today tell neither.

        Columns: `delta` (+1 closed, -1 reopened), `won` (the closing stage was one of won deals). Told by moves into
        and out of closing stages; an undone closing without such moves is not known.
        """
        rows, process = self._rows("stage_changes"), self.crm.process
        closing = {*process.won_stages, *process.lost_stages}
        none = np.zeros(0, dtype=np.int64)
        nothing = Events(none, none, self.n_deals, columns={"delta": none, "won": none.astype(bool)})
        if closing.isdisjoint(rows.text("from_stage").levels):
            return nothing
        to_closing = among(rows.text("to_stage"), closing)
        leaves = among(rows.text("from_stage"), closing) & ~to_closing
        if not leaves.any():
            return nothing
        deal = self.deal_codes(rows.text("opportunity_id"))
        mine = np.flatnonzero(np.isin(deal, np.unique(deal[leaves])))
        rows = rows.take(mine)
        won = among(rows.text("to_stage"), set(process.won_stages))
        moves = self._moves(rows, {"closed": to_closing[mine], "won": won})
        key, closed = moves.key, np.asarray(moves.values("closed"), dtype=bool)
        stays = np.zeros(len(moves), dtype=bool)
        stays[1:] = (key[1:] == key[:-1]) & closed[:-1]  # it was closed already, before this move
        edges = np.flatnonzero(closed != stays)
        undone = np.zeros(len(edges), dtype=bool)
        undone[:-1] = key[edges[1:]] == key[edges[:-1]]  # the next edge of the deal after a closing is its reopening
        kept = edges[undone | ~closed[edges]]
        columns = {"delta": np.where(closed[kept], 1, -1), "won": np.asarray(moves.values("won"))[kept]}
        return Events(key[kept], moves.time[kept], self.n_deals, columns=columns)

    # -- columns of deals --------------------------------------------------------------------------------------------

    def _text(self, name: str) -> Coded:
        values = self._deals.get(name)
        return values if isinstance(values, Coded) else Coded(np.full(self.n_deals, -1, dtype=np.int32), ())

    def _times(self, name: str) -> IntArray:
        values = self._deals.get(name)
        if isinstance(values, np.ndarray) and values.dtype == np.int64:
            return values.astype(np.int64)
        return np.full(self.n_deals, NAT, dtype=np.int64)

    def attribute(self, table: str, name: str) -> Attribute | None:
        """A column's entry in the catalogue of this company's data."""
        return self.catalogue.get((table, name))

    @cached_property
    def catalogue(self) -> dict[tuple[str, str], Attribute]:
        """Columns of this company's data by table and name."""
        return {(attribute.table, attribute.name): attribute for attribute in self.crm.attributes}

    @cached_property
    def _fields(self) -> dict[str, Field]:
        return {}

    def field(self, source: str) -> Field:
        """A column of the deal, or of its account, as it stood at any moment.

        Args:
            source: `opportunities.amount`, `accounts.industry`, ...; must be in `sources`.
        """
        if source not in self._fields:
            table, name = source.split(".")
            self._fields[source] = self._account_field(name) if table == "accounts" else self._deal_field(name)
        return self._fields[source]

    def _deal_field(self, name: str) -> Field:
        kind = self._kind("opportunities", name)
        attribute = self.attribute("opportunities", name)
        changing = attribute is not None and attribute.known is Known.HISTORY
        close_date = name == "expected_close_at"
        if close_date and changing:
            return Field(kind, np.full(self.n_deals, np.nan), (), self.pushes, trust_old=False)
        if name == "amount" and changing:
            return Field(kind, self._numbers(name), (), self.amount_changes)
        rows = self._changes_of(name) if changing else None
        if rows is not None and not len(rows):
            rows = None
        if kind in TEXT:
            current = self._text(name)
            if rows is None:
                return Field(kind, current.codes, current.levels)
            old_value, new_value = _values_of(rows)
            levels, (codes, old, new) = union(current, old_value, new_value)
            return Field(kind, codes, levels, self._change_events(rows, Coded(old, levels), Coded(new, levels)))
        numbers = np.full(self.n_deals, np.nan) if close_date else self._numbers(name)
        if rows is None:
            return Field(kind, numbers, ())
        return Field(kind, numbers, (), self._change_events(rows, *(parse(kind, text) for text in _values_of(rows))))

    def _numbers(self, name: str) -> FloatArray:
        values = self._deals.get(name)
        if values is None:
            return np.full(self.n_deals, np.nan)
        assert not isinstance(values, Coded)
        return as_floats(values)

    def _account_field(self, name: str) -> Field:
        kind = self._kind("accounts", name)
        accounts = self.crm.tables.get("accounts", {})
        values = accounts.get(name)
        if values is None or not len(values):  # a deal sent to the API may come without its account
            none = np.full(self.n_deals, -1, dtype=np.int32) if kind in TEXT else np.full(self.n_deals, np.nan)
            return Field(kind, none, ())
        row = self._account_rows
        if isinstance(values, Coded):
            return Field(kind, np.where(row >= 0, values.codes[row], -1).astype(np.int32), values.levels)
        numbers = as_floats(values)
        return Field(kind, np.where(row >= 0, numbers[row], np.nan), ())

    @cached_property
    def _account_rows(self) -> IntArray:
        """Row of each deal's account in its table, -1 where there is none."""
        ids = self.crm.tables["accounts"]["account_id"]
        assert isinstance(ids, Coded)
        row_of = np.full(len(ids.levels) + 1, -1, dtype=np.int64)
        row_of[ids.codes] = np.arange(len(ids))
        return row_of[recode(self._text("account_id"), ids.levels)]

    def _kind(self, table: str, name: str) -> Kind:
        attribute = self.attribute(table, name)
        return attribute.kind if attribute is not None else TABLES[table].columns()[name].kind

    # -- events ------------------------------------------------------------------------------------------------------

    def deal_codes(self, ids: Coded) -> CodeArray:
        """Codes of deals by their ids; -1 where unknown."""
        if ids.levels == self.deal_ids:
            return ids.codes
        levels, table = self._codes_of.get(id(ids.levels), (None, None))
        if levels is not ids.levels or table is None:
            table = np.full(len(ids.levels) + 1, -1, dtype=np.int32)
            table[:-1] = np.fromiter(map(self._code.get, ids.levels, repeat(-1)), np.int32, len(ids.levels))
            self._codes_of[id(ids.levels)] = ids.levels, table  # parts of a table share their levels
        return table[ids.codes]

    @cached_property
    def _codes_of(self) -> dict[int, tuple[tuple[str, ...], CodeArray]]:
        return {}

    def _rows(self, table: str) -> Rows:
        return Rows(table, self.crm.tables.get(table, {}))

    def _events(
        self, rows: Rows, columns: Mapping[str, Column], links: tuple[Coded, Coded] | None = None,
        first: Iterable[NDArray[np.generic]] = (),
    ) -> Events:  # fmt: skip
        """Events of a table by deal; ties are broken by everything that its rows say.

        Args:
            rows: Its rows, or some of them.
            columns: What is asked about the events.
            links: What each event starts from and leads to, where it is a change.
            first: What breaks ties before all else.
        """
        clock = TABLES[rows.table].clock
        assert clock is not None
        return Events(self.deal_codes(rows.text("opportunity_id")), rows.times(clock), self.n_deals,
                      ties=lambda: chain(first, rows.ties("opportunity_id", clock)),
                      links=(lambda: linked(*links)) if links else None, columns=columns)  # fmt: skip

    def _moves(self, rows: Rows, columns: Mapping[str, Column]) -> Events:
        """Stage changes; ties in time by sequence, from stage to stage, in the declared order, then by id."""
        to_stage = rows.text("to_stage")
        sequence = rows.values("sequence")
        assert not isinstance(sequence, Coded)
        place = lookup(to_stage, {stage: number for number, stage in enumerate(self.crm.process.stages)})
        return self._events(rows, columns, (rows.text("from_stage"), to_stage), (sequence, place))

    @cached_property
    def stage_changes(self) -> Events:
        """Moves between open stages.

        Moves into a closing stage are left out: whether a deal closed is told by its closing time, and a stage that
        says so may be entered some days before it.

        Columns: `stage` (entered), `backward` (to an earlier stage of the declared order; without one, to a stage that
        the deal had been in before), `skipped` (passed over at least one stage), `reopened` (left a closing stage).
        """
        rows, process = self._rows("stage_changes"), self.crm.process
        closing = {*process.won_stages, *process.lost_stages}
        closes = among(rows.text("to_stage"), closing)
        if np.count_nonzero(closes):
            rows = rows.take(np.flatnonzero(~closes))
        to_stage, from_stage = rows.text("to_stage"), rows.text("from_stage")
        place = {stage: number for number, stage in enumerate(process.stages)}
        to_place, from_place = lookup(to_stage, place), lookup(from_stage, place)
        columns: dict[str, Column] = {
            "stage": to_stage,
            "skipped": to_place - from_place > 1,
            "reopened": among(from_stage, closing),
            "backward": to_place < from_place,
        }
        events = self._moves(rows, columns)
        if not process.stages:
            events = Events(events.key, events.time, self.n_deals, columns={  # already in order: keeps it
                **{name: events.values(name) for name in ("stage", "skipped", "reopened")},
                "backward": _revisits(events),
            })  # fmt: skip
        return events

    @cached_property
    def activities(self) -> Events:
        """Emails, calls, meetings, tasks and quotes, with a flag for each type and direction."""
        rows = self._rows("activities")
        columns: dict[str, Column] = {
            "type": rows.text("type"), "topic": rows.text("topic"), "contact": rows.text("contact_id"),
            "user": rows.text("user_id"), "direction": rows.text("direction"),
            "inbound": _flag("direction", {"inbound"}), "outbound": _flag("direction", {"outbound"}),
            **{name: _flag("type", {name}) for name in ACTIVITY_TYPES},
        }  # fmt: skip
        return self._events(rows, columns)

    @cached_property
    def contact_roles(self) -> Events:
        """Contacts entered on deals, with their roles."""
        rows = self._rows("contact_roles")
        role = rows.text("role")
        kinds = {kind: {level for level in role.levels if any(word in level.lower() for word in words)}
                 for kind, words in ROLE_WORDS.items()}  # fmt: skip
        return self._events(rows, {
            "contact": rows.text("contact_id"), "role": role,
            **{kind: _flag("role", levels) for kind, levels in kinds.items()},
        })  # fmt: skip

    @cached_property
    def deal_products(self) -> Events:
        """Lines on deals, with `product` and `amount` (hundredths)."""
        rows = self._rows("deal_products")
        return self._events(rows, {"product": rows.text("product"), "amount": rows.values("amount")})

    @cached_property
    def field_changes(self) -> Events:
        """All changes of tracked fields: when they were; several of one instant are in no order."""
        rows = self._rows("field_changes")
        return Events(self.deal_codes(rows.text("opportunity_id")), rows.times("changed_at"), self.n_deals)

    @cached_property
    def pushes(self) -> Events:
        """Changes of the expected close: `later` and `earlier` flags, `days` moved (whole days, later positive)."""
        rows = self._changes_of("expected_close_at")
        old, new = (parse(Kind.TIME, text) for text in _values_of(rows))
        moved = (new - old) / DAY
        moved[np.isnan(moved)] = 0.0
        days = np.trunc(moved)
        return self._change_events(rows, old, new, later=moved > 0, earlier=moved < 0, days=days)

    @cached_property
    def amount_changes(self) -> Events:
        """Changes of the amount: `up` and `down` flags."""
        rows = self._changes_of("amount")
        old, new = (parse(Kind.MONEY, text) for text in _values_of(rows))
        return self._change_events(rows, old, new, up=new > old, down=new < old)

    def _changes_of(self, name: str) -> Rows:
        """Changes of one field, its values without the levels of other fields."""
        none = np.zeros(0, dtype=np.int64)
        return self._rows("field_changes").take(self._changed.get(name, none)).compacted("old_value", "new_value")

    @cached_property
    def _changed(self) -> dict[str, IntArray]:
        """Places of changes in their table, by the field that changed."""
        field = self._rows("field_changes").text("field")
        order = np.argsort(field.codes, kind="stable").astype(np.int64, copy=False)
        ends = np.bincount(field.codes + 1, minlength=len(field.levels) + 1).cumsum().tolist()
        return {level: order[ends[code] : ends[code + 1]] for code, level in enumerate(field.levels)}

    def _change_events(
        self, rows: Rows, old: Values, new: Values, **flags: NDArray[np.bool_] | FloatArray
    ) -> Events:  # fmt: skip
        """Changes of one field; ties in time by sequence, from value to value, then by all that is written."""
        return self._events(rows, {"old": old, "new": new, **flags}, _values_of(rows))


def _values_of(rows: Rows) -> tuple[Coded, Coded]:
    return rows.text("old_value"), rows.text("new_value")


def _flag(column: str, names: set[str]) -> Callable[[Events], NDArray[np.bool_]]:
    """Tells, once it is asked for, which events have one of some values."""
    return lambda events: among(events.text(column), names)


def _revisits(events: Events) -> NDArray[np.bool_]:
    """Whether each stage change enters a stage that its deal had been in before and had left since."""
    stage = events.codes("stage")
    first = first_places(joint_codes(events.key, stage, len(events.levels("stage"))))
    revisit = np.ones(len(stage), dtype=bool)
    revisit[first] = False
    revisit[1:] &= ~((stage[1:] == stage[:-1]) & (events.key[1:] == events.key[:-1]))
    return revisit
