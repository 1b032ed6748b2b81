"""Temporary tables in which an export waits until all of it is known to be right, and the way on to the store."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from crm.errors import Problem
from crm.importing.problems import SHOWN, Problems
from crm.importing.rows import Rows
from crm.reading.cells import Parsed
from crm.records import CUSTOM, KEY_TYPE, RECORDS, SQL_TYPES, key_of
from crm.rules import TableRule
from crm.schema import TABLES, Kind
from crm.tables import NAT

_json_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class merged_json(GenericFunction[str]):  # noqa: N801  (SQLAlchemy registers it by this name)
    """The first JSON object with the values of the second put over it; a null takes a value away."""

    type = sa.Text()
    inherit_cache = True


@compiles(merged_json, "sqlite")
def _merged_sqlite(element: Any, compiler: Any, **options: Any) -> str:
    old, new = (compiler.process(clause, **options) for clause in element.clauses)
    return f"json_patch(coalesce({old}, '{{}}'), {new})"


@compiles(merged_json, "postgresql")
def _merged_postgresql(element: Any, compiler: Any, **options: Any) -> str:
    old, new = (compiler.process(clause, **options) for clause in element.clauses)
    return f"jsonb_strip_nulls(coalesce({old}, '{{}}')::jsonb || ({new})::jsonb)::text"


class Staging:
    """The staged rows of one table.

    Attributes:
        name: The table.
        rows: How many rows wait.
        left_out: How many were taken out again, being repeats or of unknown deals.
    """

    def __init__(self, connection: sa.Connection, name: str, columns: list[str], custom: dict[str, Kind]) -> None:
        self.name = name
        self.rows = 0
        self.left_out = 0
        self._own_ids = False
        self._connection = connection
        self._kinds = {column: TABLES[name].columns()[column].kind for column in columns}
        self._custom = custom
        self._key = key_of(TABLES[name])
        # Events: their own id, where the export has one, is the first column of the schema.
        first = next(iter(TABLES[name].columns()))
        self._own_id = self._key if TABLES[name].key else first if first not in ("opportunity_id",) else None
        extra = [sa.Column(CUSTOM, sa.Text())] if custom else []
        self.table = sa.Table(
            f"staged_{name}",
            sa.MetaData(),
            sa.Column("file_no", sa.Integer(), primary_key=True, autoincrement=False),
            sa.Column("row_no", sa.BigInteger(), primary_key=True, autoincrement=False),
            sa.Column("row_key", KEY_TYPE),
            sa.Column("hashed", sa.SmallInteger()),
            *(sa.Column(column, SQL_TYPES[kind]) for column, kind in self._kinds.items()),
            *extra,
            prefixes=["TEMPORARY"],
        )
        self.table.create(connection)

    def add(self, file_no: int, rows: Rows) -> None:
        """Stage rows; those without an id that they need have been noted as problems and are passed over."""
        if not len(rows):
            return
        columns = {name: _plain(self._kinds[name], rows.columns.get(name), len(rows)) for name in self._kinds}
        own = columns.get(self._own_id or "", [None] * len(rows))
        hashed = [0] * len(rows)
        keys = own
        if TABLES[self.name].key is None:
            hashes = self._hashes({name: values for name, values in columns.items() if name != self._own_id})
            hashed = [0 if value else 1 for value in own]
            self._own_ids = self._own_ids or not all(hashed)
            keys = [value or made for value, made in zip(own, hashes, strict=True)]
        lists = [[file_no] * len(rows), rows.numbers.tolist(), keys, hashed, *columns.values()]
        if self._custom:
            own_columns = {name: _plain(kind, rows.custom.get(name), len(rows)) for name, kind in self._custom.items()}
            lists.append([_json(own_columns, values) for values in zip(*own_columns.values(), strict=True)])
        staged = [values for values in zip(*lists, strict=True) if values[2]]
        if staged:
            # Straight to the driver: SQLAlchemy's own parameter handling would cost more than the insert.
            mark = "?" if self._connection.dialect.paramstyle == "qmark" else "%s"
            marks = ", ".join([mark] * len(lists))
            self._connection.exec_driver_sql(f"INSERT INTO {self.table.name} VALUES ({marks})", staged)
        self.rows += len(staged)

    def number_repeats(self) -> None:
        """Tell apart events of equal content: the second of two equal calls is the second, in every export."""
        staged = self.table
        order = (staged.c.file_no, staged.c.row_no)
        counted = (
            sa.select(*order, sa.func.row_number().over(partition_by=staged.c.row_key, order_by=order).label("n"))
            .where(staged.c.hashed == 1, staged.c.row_key.in_(self._repeated()))
            .subquery()
        )
        self._connection.execute(
            staged.update()
            .where(staged.c.file_no == counted.c.file_no, staged.c.row_no == counted.c.row_no, counted.c.n > 1)
            .values(row_key=staged.c.row_key + "." + sa.cast(counted.c.n, sa.Text()))
        )

    def leave_out_repeats(self) -> None:
        """Keep, of rows that each say the stage at a time, those in which it is another than before."""
        staged = self.table
        order = (staged.c.changed_at, staged.c.file_no, staged.c.row_no)
        before = sa.func.lag(staged.c.to_stage).over(partition_by=staged.c.opportunity_id, order_by=order)
        seen = sa.select(staged.c.file_no, staged.c.row_no, staged.c.to_stage, before.label("before")).subquery()
        same = (seen.c.file_no == staged.c.file_no) & (seen.c.row_no == staged.c.row_no)
        filled = staged.update().where(same, staged.c.from_stage.is_(None)).values(from_stage=seen.c.before)
        self._connection.execute(filled)
        # After the update every first row of a stage has another from_stage than to_stage, and only repeats do not.
        repeat = staged.c.from_stage == staged.c.to_stage
        taken = self._connection.execute(staged.delete().where(repeat)).rowcount
        self.left_out += taken
        self.rows -= taken

    def check_duplicates(self, problems: Problems, headers: dict[int, tuple[str, str]]) -> None:
        """Note ids that occur more than once.

        Args:
            problems: Where to note them.
            headers: Name of the file and header of the id, by number of the file.
        """
        staged = self.table
        order = (staged.c.file_no, staged.c.row_no)
        window: dict[str, Any] = {"partition_by": staged.c.row_key, "order_by": order}
        seen = (
            sa.select(
                *order,
                staged.c.row_key,
                sa.func.first_value(staged.c.file_no).over(**window).label("first_file"),
                sa.func.first_value(staged.c.row_no).over(**window).label("first_row"),
                sa.func.row_number().over(**window).label("n"),
            )
            .where(staged.c.row_key.in_(self._repeated()))
            .subquery()
        )
        found = sa.select(seen).where(seen.c.n > 1).order_by(seen.c.file_no, seen.c.row_no)
        total = self._connection.scalar(sa.select(sa.func.count()).select_from(found.subquery())) or 0
        if not total:
            return
        for row in self._connection.execute(found.limit(SHOWN)):
            name, header = headers[row.file_no]
            other = headers[row.first_file][0]
            where = f"row {row.first_row}" + ("" if other == name else f" of {other}")
            problems.add(row.file_no, Problem(name, row.row_no, header, row.row_key, f"the same id as {where}"))
        problems.total += max(0, total - SHOWN)

    def check_deals(
        self, problems: Problems, headers: dict[int, tuple[str, str]], deals: sa.Table | None, rule: TableRule
    ) -> None:
        """Note, or take out, rows of deals that neither the export nor the store holds.

        Args:
            problems: Where to note them.
            headers: Name of the file and header of the deal's id, by number of the file.
            deals: Staged opportunities; None where the export has none.
            rule: The table's rule.
        """
        staged, stored = self.table, RECORDS["opportunities"]
        unknown = ~sa.exists().where(stored.c.opportunity_id == staged.c.opportunity_id)
        if deals is not None:
            unknown &= ~sa.exists().where(deals.c.row_key == staged.c.opportunity_id)
        if rule.unknown_deals == "leave_out":
            taken = self._connection.execute(staged.delete().where(unknown)).rowcount
            self.left_out += taken
            self.rows -= taken
            return
        unknown &= staged.c.opportunity_id.is_not(None)
        total = self._connection.scalar(sa.select(sa.func.count()).select_from(staged).where(unknown)) or 0
        if not total:
            return
        found = sa.select(staged.c.file_no, staged.c.row_no, staged.c.opportunity_id).where(unknown)
        for row in self._connection.execute(found.order_by(staged.c.file_no, staged.c.row_no).limit(SHOWN)):
            name, header = headers[row.file_no]
            reason = "neither this export nor the store holds such a deal"
            problems.add(row.file_no, Problem(name, row.row_no, header, row.opportunity_id, reason))
        problems.total += max(0, total - SHOWN)

    def index_key(self) -> None:
        """Make looking up staged rows by their id fast; the checks below rest on it."""
        sa.Index(f"staged_{self.name}_key", self.table.c.row_key).create(self._connection)

    def _repeated(self) -> sa.Select[tuple[str]]:
        """Ids that occur more than once: read off the index, so that the usual case, none, costs little."""
        key = self.table.c.row_key
        return sa.select(key).group_by(key).having(sa.func.count() > 1)

    def put(self) -> tuple[int, int]:
        """Bring the staged rows into the store, touching only the mapped columns.

        Returns:
            Numbers of new and of changed rows.
        """
        staged, stored = self.table, RECORDS[self.name]
        key = stored.c[self._key]
        names = [name for name in self._kinds if name != self._key]
        differs = [stored.c[name].is_distinct_from(staged.c[name]) for name in names]
        if self._custom:
            differs.append(merged_json(stored.c[CUSTOM], staged.c[CUSTOM]).is_distinct_from(stored.c[CUSTOM]))
        both = sa.select(sa.func.count()).select_from(staged.join(stored, key == staged.c.row_key))
        known = self._connection.scalar(both) or 0
        # An event known by its content cannot have changed: it would be another event.
        can_change = bool(differs) and (self._own_ids or TABLES[self.name].key is not None)
        changed = (self._connection.scalar(both.where(sa.or_(*differs))) or 0) if known and can_change else 0
        new = self.rows - known
        if not new and not changed:
            return 0, 0
        same = key == staged.c.row_key
        if changed:
            updates: dict[str, Any] = {name: staged.c[name] for name in names}
            if self._custom:
                updates[CUSTOM] = merged_json(stored.c[CUSTOM], staged.c[CUSTOM])
            self._connection.execute(stored.update().where(same, sa.or_(*differs)).values(updates))
        values: list[sa.ColumnElement[Any]] = [staged.c.row_key, *(staged.c[name] for name in names)]
        targets = [self._key, *names]
        if self._custom:
            values.append(merged_json(sa.literal("{}"), staged.c[CUSTOM]))
            targets.append(CUSTOM)
        # Sorted by key, or each row would go to another page of the table.
        rows = sa.select(*values).order_by(staged.c.row_key)
        if known:
            rows = rows.where(~sa.exists().where(same))
        self._connection.execute(stored.insert().from_select(targets, rows))
        return new, changed

    def drop(self) -> None:
        """Let go of the staged rows."""
        self.table.drop(self._connection)

    def _hashes(self, columns: dict[str, list[Any]]) -> list[str]:
        # Missing values leave no trace, so that mapping a column which turns out empty makes no event a new one.
        pieces = [
            ["" if value is None else f"\x1f{name}={value}" for value in values] for name, values in columns.items()
        ]
        contents = map("".join, zip(*pieces, strict=True))
        return [hashlib.blake2b(content.encode(), digest_size=12).hexdigest() for content in contents]


def _plain(kind: Kind, column: Parsed | None, n: int) -> list[Any]:
    """Typed values as the database driver takes them, None where missing."""
    if column is None:
        return [None] * n
    values = column.values.tolist()
    if column.values.dtype == object:
        return [value or None for value in values]
    if column.values.dtype == np.int64:
        return [None if value == NAT else value for value in values]
    if kind in (Kind.BOOLEAN, Kind.INTEGER):
        return [None if value != value else int(value) for value in values]
    return [None if value != value else value for value in values]


def _json(names: dict[str, list[Any]], values: tuple[Any, ...]) -> str:
    return _json_text(dict(zip(names, values, strict=True)))
