"""A company's deals and their events, sorted once and asked many times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from crm.schema import ACTIVITY_TYPES, TABLES, Kind, Known
from crm.tables import NAT, Attribute, CodeArray, Coded, Columns, CrmData, FloatArray, IntArray, Values, n_rows
from features.asof import Column, Events, Seen
from features.fields import Field, as_floats, compact, linked, parse, ranks, recode, union
from features.ordering import first_places

if TYPE_CHECKING:
    from features.company import Company

NEVER = int(np.iinfo(np.int64).max)
"""The closing time of a deal that is still open."""


class History:
    """Deals and their events as arrays, ordered by deal id and time.

    Args:
        crm: The tables. Deals may come in any order.
        company: What the company's other deals tell (track records, owners' loads); by default taken from `crm`
            itself. A deal sent to the API brings its own history and borrows the company of the store.

    Attributes:
        deal_ids: Ids in sorted order; a deal's code is its place here.
        created: Entry time by deal in microseconds, NAT where unknown.
        closed: Closing time by deal, `NEVER` while open, NAT for a closed deal of an export without dates.
        won: 1 won, 0 lost, NaN open; by deal.
    """

    def __init__(self, crm: CrmData, company: Company | None = None) -> None:
        self.crm = crm
        deals = crm.tables["opportunities"]
        ids = deals["opportunity_id"]
        assert isinstance(ids, Coded)
        names = ids.strings()
        order = np.argsort(names, kind="stable").astype(np.int64)
        self.deal_ids: tuple[str, ...] = tuple(names[order])
        self._code = dict(zip(self.deal_ids, range(len(order)), strict=True))
        self.n_deals = len(order)
        in_order = bool(np.all(order[1:] > order[:-1]))
        self._deals: Columns = dict(deals) if in_order else {name: _take(deals[name], order) for name in deals}
        self.created: IntArray = self._times("created_at")
        outcome = recode(self._text("outcome"), ("lost", "won"))
        self.won: FloatArray = np.where(outcome >= 0, outcome, np.nan)
        self.closed: IntArray = np.where(outcome >= 0, self._times("closed_at"), NEVER)
        self._company = company
        self.borrows_company = company is not None

    # -- what is at hand ---------------------------------------------------------------------------------------------

    @cached_property
    def sources(self) -> frozenset[str]:
        """What features may be made of: tables, columns known before the close, and dates.

        Names of tables at hand, `table.column`, and `dates` where the export has them.
        """
        if self._company is not None:
            return self._company.sources
        names = {name for name, columns in self.crm.tables.items() if n_rows(columns)}
        for attribute in self.crm.attributes:
            known = attribute.known
            event = known is Known.EVENT and attribute.table in names
            if event or known is Known.CREATED or (known is Known.HISTORY and self._tracked(attribute)):
                names.add(f"{attribute.table}.{attribute.name}")
        if self.crm.process.time_basis == "dates":
            names.add("dates")
        return frozenset(names)

    def _tracked(self, attribute: Attribute) -> bool:
        return attribute.table == "opportunities" and attribute.name != "stage"

    @cached_property
    def company(self) -> Company:
        """What the company's deals tell about an owner, an account, a segment, a product or a competitor."""
        if self._company is not None:
            return self._company
        from features.company import Company  # the company is made of a history, and a history asks its company

        return Company(self)

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
            alive &= Seen(self.lapses, deal, as_of).total("delta") == 0
        return alive

    @cached_property
    def lapses(self) -> Events:
        """Closings that were undone by a reopening, and the reopenings: the deal's columns of today tell neither.

        Columns: `delta` (+1 closed, -1 reopened), `won` (the closing stage was one of won deals). Told by moves into
        and out of closing stages; an undone closing without such moves is not known.
        """
        rows = self._table("stage_changes")
        closing = {*self.crm.process.won_stages, *self.crm.process.lost_stages}
        deal, to_closing = self.deal_codes(_text(rows["opportunity_id"])), _among(_text(rows["to_stage"]), closing)
        reopened = np.unique(deal[_among(_text(rows["from_stage"]), closing) & ~to_closing])
        mine = np.flatnonzero(np.isin(deal, reopened))
        rows = {name: _take(values, mine) for name, values in rows.items()}
        moves = self._moves(rows, {
            "closed": to_closing[mine], "won": _among(_text(rows["to_stage"]), set(self.crm.process.won_stages)),
        })  # fmt: skip
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
        if self._company is not None:
            return self._company.catalogue
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
        rows = self._changes_of(name) if changing else None
        if kind in (Kind.ID, Kind.TEXT, Kind.CATEGORY):
            current = self._text(name)
            if rows is None:
                return Field(kind, current.codes, current.levels)
            levels, (codes, old, new) = union(current, _text(rows["old_value"]), _text(rows["new_value"]))
            return Field(kind, codes, levels, self._change_events(rows, Coded(old, levels), Coded(new, levels)))
        values = self._deals.get(name)
        if values is None or close_date:
            numbers: FloatArray = np.full(self.n_deals, np.nan)
        else:
            assert not isinstance(values, Coded)
            numbers = as_floats(values)
        if rows is None:
            return Field(kind, numbers, ())
        if name == "amount":
            return Field(kind, numbers, (), self.amount_changes)
        events = self._change_events(rows, parse(kind, _text(rows["old_value"])), parse(kind, _text(rows["new_value"])))
        return Field(kind, numbers, (), events)

    def _account_field(self, name: str) -> Field:
        kind = self._kind("accounts", name)
        text = kind in (Kind.ID, Kind.TEXT, Kind.CATEGORY)
        accounts = self.crm.tables.get("accounts", {})
        values = accounts.get(name)
        if values is None or not len(values):  # a deal sent to the API may come without its account
            none = np.full(self.n_deals, -1, dtype=np.int32) if text else np.full(self.n_deals, np.nan)
            return Field(kind, none, ())
        ids = _text(accounts["account_id"])
        row_of = np.full(len(ids.levels) + 1, -1, dtype=np.int64)
        row_of[ids.codes] = np.arange(len(ids))
        row = row_of[recode(self._text("account_id"), ids.levels)]
        if isinstance(values, Coded):
            return Field(kind, np.where(row >= 0, values.codes[row], -1).astype(np.int32), values.levels)
        numbers = as_floats(values)
        return Field(kind, np.where(row >= 0, numbers[row], np.nan), ())

    def _kind(self, table: str, name: str) -> Kind:
        attribute = self.attribute(table, name)
        return attribute.kind if attribute is not None else TABLES[table].columns()[name].kind

    # -- events ------------------------------------------------------------------------------------------------------

    def deal_codes(self, ids: Coded) -> CodeArray:
        """Codes of deals by their ids; -1 where unknown."""
        levels, table = self._codes_of.get(id(ids.levels), (None, None))
        if levels is not ids.levels or table is None:
            table = np.full(len(ids.levels) + 1, -1, dtype=np.int32)
            table[:-1] = np.fromiter(map(self._code.get, ids.levels, repeat(-1)), np.int32, len(ids.levels))
            self._codes_of[id(ids.levels)] = ids.levels, table  # parts of a table share their levels
        return table[ids.codes]

    @cached_property
    def _codes_of(self) -> dict[int, tuple[tuple[str, ...], CodeArray]]:
        return {}

    def _table(self, name: str) -> Columns:
        """A table's columns, each column of the schema there, empty where it is absent."""
        columns = self.crm.tables.get(name, {})
        size = n_rows(columns)
        filled: Columns = {}
        for column, described in TABLES[name].columns().items():
            if column in columns:
                filled[column] = columns[column]
            elif described.kind in (Kind.ID, Kind.TEXT, Kind.CATEGORY):
                filled[column] = Coded(np.full(size, -1, dtype=np.int32), ())
            elif described.kind is Kind.TIME:
                filled[column] = np.full(size, NAT, dtype=np.int64)
            else:
                filled[column] = np.full(size, np.nan)
        return filled

    def _events(
        self, table: str, columns: Mapping[str, Column], rows: Columns,
        links: tuple[Coded, Coded] | None = None,
    ) -> Events:  # fmt: skip
        """Events of a table by deal; ties are broken by everything that its rows say.

        Args:
            table: Its name.
            columns: What is asked about the events.
            rows: Its rows, or some of them.
            links: What each event starts from and leads to, where it is a change.
        """
        clock = TABLES[table].clock
        assert clock is not None

        def ties() -> list[NDArray[np.generic]]:
            found = [_tie(values) for name, values in rows.items() if name not in ("opportunity_id", clock)]
            return sorted(found, key=lambda tie: tie.dtype != np.float64)  # sequence and stage order go before names

        return Events(self.deal_codes(_text(rows["opportunity_id"])), _time(rows[clock]), self.n_deals,
                      ties=ties, links=(lambda: linked(*links)) if links else None, columns=columns)  # fmt: skip

    def _moves(self, rows: Columns, columns: dict[str, Values | NDArray[np.bool_]]) -> Events:
        """Stage changes; ties in time by sequence, from stage to stage, in the declared order, then by id."""
        to_stage = _text(rows["to_stage"])
        place = _lookup(to_stage, {stage: number for number, stage in enumerate(self.crm.process.stages)})
        rows = {"sequence": rows["sequence"], "place": place, **rows}
        return self._events("stage_changes", columns, rows, (_text(rows["from_stage"]), to_stage))

    @cached_property
    def stage_changes(self) -> Events:
        """Moves between open stages.

        Moves into a closing stage are left out: whether a deal closed is told by its closing time, and a stage that
        says so may be entered some days before it.

        Columns: `stage` (entered), `backward` (to an earlier stage of the declared order; without one, to a stage that
        the deal had been in before), `skipped` (passed over at least one stage), `reopened` (left a closing stage).
        """
        rows = self._table("stage_changes")
        process = self.crm.process
        closing = {*process.won_stages, *process.lost_stages}
        to_stage, from_stage = _text(rows["to_stage"]), _text(rows["from_stage"])
        open_move = ~_among(to_stage, closing)
        rows = {name: _take(values, np.flatnonzero(open_move)) for name, values in rows.items()}
        to_stage, from_stage = _text(rows["to_stage"]), _text(rows["from_stage"])
        place = {stage: number for number, stage in enumerate(process.stages)}
        to_place, from_place = _lookup(to_stage, place), _lookup(from_stage, place)
        reopened = _among(from_stage, closing)
        columns: dict[str, Values | NDArray[np.bool_]] = {
            "stage": to_stage,
            "skipped": to_place - from_place > 1,
            "reopened": reopened,
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
        rows = self._table("activities")
        kind, direction = _text(rows["type"]), _text(rows["direction"])
        columns: dict[str, Column] = {
            "type": kind, "topic": _text(rows["topic"]), "contact": _text(rows["contact_id"]),
            "user": _text(rows["user_id"]),
            "direction": direction, "inbound": _flag("direction", {"inbound"}), "outbound": _flag("direction", {"outbound"}),
            **{name: _flag("type", {name}) for name in ACTIVITY_TYPES},
        }  # fmt: skip
        return self._events("activities", columns, rows)

    @cached_property
    def contact_roles(self) -> Events:
        """Contacts entered on deals, with their roles."""
        rows = self._table("contact_roles")
        role = _text(rows["role"])
        deciders = {level for level in role.levels if _is_decider(level)}
        champions = {level for level in role.levels if "champion" in level.lower() or "sponsor" in level.lower()}
        columns: dict[str, Values | NDArray[np.bool_]] = {
            "contact": _text(rows["contact_id"]),
            "role": role,
            "decider": _among(role, deciders),
            "champion": _among(role, champions),
        }
        return self._events("contact_roles", columns, rows)

    @cached_property
    def deal_products(self) -> Events:
        """Lines on deals, with `product` and `amount` (hundredths)."""
        rows = self._table("deal_products")
        columns: dict[str, Values | NDArray[np.bool_]] = {"product": _text(rows["product"]), "amount": rows["amount"]}
        return self._events("deal_products", columns, rows)

    @cached_property
    def field_changes(self) -> Events:
        """All changes of tracked fields, with `field` (its name)."""
        rows = self._table("field_changes")
        return self._events("field_changes", {"field": _text(rows["field"])}, rows)

    @cached_property
    def pushes(self) -> Events:
        """Changes of the expected close: `later` and `earlier` flags, `days` moved (whole days, later positive)."""
        rows = self._changes_of("expected_close_at")
        old, new = parse(Kind.TIME, _text(rows["old_value"])), parse(Kind.TIME, _text(rows["new_value"]))
        moved = np.nan_to_num((new - old) / 86_400_000_000)
        days = np.trunc(moved)
        return self._change_events(rows, old, new, later=moved > 0, earlier=moved < 0, days=days)

    @cached_property
    def amount_changes(self) -> Events:
        """Changes of the amount: `up` and `down` flags."""
        rows = self._changes_of("amount")
        old, new = parse(Kind.MONEY, _text(rows["old_value"])), parse(Kind.MONEY, _text(rows["new_value"]))
        return self._change_events(rows, old, new, up=new > old, down=new < old)

    def _changes_of(self, name: str) -> Columns:
        """Changes of one field, its values without the levels of other fields."""
        rows = self._table("field_changes")
        mask = np.flatnonzero(_among(_text(rows["field"]), {name}))
        found = {column: _take(values, mask) for column, values in rows.items()}
        return found | {column: compact(_text(found[column])) for column in ("old_value", "new_value")}

    def _change_events(
        self, rows: Columns, old: Values, new: Values, **flags: NDArray[np.bool_] | FloatArray
    ) -> Events:  # fmt: skip
        """Changes of one field; ties in time by sequence, from value to value, then by all that is written."""
        links = (_text(rows["old_value"]), _text(rows["new_value"]))
        return self._events("field_changes", {"old": old, "new": new, **flags}, rows, links)


def _take(values: Values, rows: IntArray | NDArray[np.intp]) -> Values:
    return values.take(rows.astype(np.int64)) if isinstance(values, Coded) else values[rows]


def _text(values: Values) -> Coded:
    assert isinstance(values, Coded)
    return values


def _time(values: Values) -> IntArray:
    assert not isinstance(values, Coded)
    return values.astype(np.int64)


def _tie(values: Values) -> NDArray[np.generic]:
    return ranks(values) if isinstance(values, Coded) else values


def _flag(column: str, names: set[str]) -> Callable[[Events], NDArray[np.bool_]]:
    """Tells, once it is asked for, which events have one of some values."""
    return lambda events: _among(Coded(events.codes(column), events.levels(column)), names)


def _among(column: Coded, names: set[str]) -> NDArray[np.bool_]:
    table = np.array([*(level in names for level in column.levels), False], dtype=bool)
    return table[column.codes]


def _lookup(column: Coded, numbers: dict[str, int]) -> FloatArray:
    table = np.array([*(numbers.get(level, np.nan) for level in column.levels), np.nan])
    return table[column.codes]


def _revisits(events: Events) -> NDArray[np.bool_]:
    """Whether each stage change enters a stage that its deal had been in before and had left since."""
    stage = events.codes("stage").astype(np.int64)
    first = first_places(events.key.astype(np.int64) * (len(events.levels("stage")) + 1) + stage + 1)
    revisit = np.ones(len(stage), dtype=bool)
    revisit[first] = False
    revisit[1:] &= ~((stage[1:] == stage[:-1]) & (events.key[1:] == events.key[:-1]))
    return revisit


def _is_decider(role: str) -> bool:
    role = role.lower()
    return "decision" in role or "economic" in role or "executive" in role
