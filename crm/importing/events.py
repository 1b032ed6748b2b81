"""Events: the words of a CRM's own for activity types, directions and fields, and times that cannot be true."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np

from crm.importing.deals import future
from crm.importing.rows import RowReader, Rows
from crm.reading.cells import Parsed, Text, parsed
from crm.rules import Mapping, folded
from crm.schema import ACTIVITY_TYPES, DIRECTIONS, TABLES, Kind
from crm.tables import NAT, moment

_VOCABULARIES = {
    ("activities", "type"): ({value: value for value in ACTIVITY_TYPES}, "other"),
    ("activities", "direction"): ({value: value for value in DIRECTIONS}, ""),
    ("notes", "kind"): ({"loss": "loss", "lost": "loss", "win": "win", "won": "win"}, ""),
}


def settle(reader: RowReader, rows: Rows, imported_at: int, fields: dict[str, str]) -> None:
    """Bring the words of event rows to those of the schema, and note times after the import.

    Planned activities are welcome: they are not seen before their time.

    Args:
        reader: Reader of the rows' table.
        rows: The rows, changed in place.
        imported_at: Microseconds since 1970.
        fields: Column of the opportunities by folded field name, for field changes.
    """
    table = reader.binding.table
    for (owner, column), (words, otherwise) in _VOCABULARIES.items():
        if owner == table and column in rows.columns:
            rows.columns[column] = _worded(reader, column, rows.columns[column], words, otherwise)
    if table == "field_changes":
        _settle_fields(reader, rows, fields)
    clock = TABLES[table].clock or "created_at"
    if table != "activities" and clock in rows.columns:
        moments = rows.columns[clock].values.astype(np.int64, copy=False)
        future(reader, rows, clock, moments, imported_at, "dated")


def field_names(mapping: Mapping) -> dict[str, str]:
    """Column of the opportunities by the names that field changes may call it: its own, and its header's.

    A change of the CRM's close date is one of the expected close.
    """
    names: dict[str, str] = {}
    rule = mapping.tables.get("opportunities")
    if rule is not None:
        for column, source in (*rule.columns.items(), *rule.custom.items()):
            for name in (column, *source.sources):
                names.setdefault(folded(name), column)
    for column in TABLES["opportunities"].columns():
        names[folded(column)] = column
    closing = {name for name, column in names.items() if column == "closed_at"}
    return names | dict.fromkeys(closing, "expected_close_at")


def _worded(reader: RowReader, column: str, cells: Parsed, words: dict[str, str], otherwise: str) -> Parsed:
    found = {value: words.get(folded(str(value)), otherwise) if value else "" for value in set(cells.values)}
    for value, count in zip(*np.unique(cells.values.astype(str), return_counts=True), strict=True):
        if value and folded(value) not in words:
            reader.odd[column, str(value)] += int(count)
    return replace(cells, values=np.array([found[value] for value in cells.values], dtype=object))


def _settle_fields(reader: RowReader, rows: Rows, names: dict[str, str]) -> None:
    raw: Text = rows.columns["field"].values.astype(object)
    known = {value: names.get(folded(value), value) for value in set(raw)}
    fields = np.array([known[value] for value in raw], dtype=object)
    rows.columns["field"] = replace(rows.columns["field"], values=fields)
    kinds = {name: column.kind for name, column in TABLES["opportunities"].columns().items()}
    deals = reader.mapping.tables.get("opportunities")
    kinds |= {name: rule.kind for name, rule in (deals.custom if deals else {}).items()}
    for field in set(fields):
        kind = kinds.get(field, Kind.TEXT)
        if kind in (Kind.ID, Kind.TEXT, Kind.CATEGORY):
            continue
        mine = fields == field
        for column in ("old_value", "new_value"):
            if column not in rows.columns:
                continue
            values = rows.columns[column].values.copy()
            typed = parsed(kind, values[mine].astype(object), reader.mapping.format)
            bad = np.zeros(len(rows), dtype=bool)
            bad[mine] = typed.bad
            reader.problem(rows, column, bad, typed.reason)
            values[mine] = written(kind, typed)
            rows.columns[column] = replace(rows.columns[column], values=values)


def written(kind: Kind, column: Parsed) -> Text:
    """Typed values in the one notation that the store uses within text: 1234.50, 2024-03-31T17:05:00+00:00, true."""
    out = np.full(len(column.values), "", dtype=object)
    for index in np.flatnonzero(column.present):
        value = column.values[index]
        if kind is Kind.MONEY:
            sign, whole = "-" if value < 0 else "", abs(int(value))
            out[index] = f"{sign}{whole // 100}.{whole % 100:02d}"
        elif kind is Kind.TIME:
            out[index] = _iso(int(value))
        elif kind is Kind.BOOLEAN:
            out[index] = "true" if value else "false"
        else:
            out[index] = repr(float(value)).removesuffix(".0")
    return out


def _iso(value: int) -> str:
    assert value != NAT
    stamp: datetime = moment(value)
    return stamp.isoformat()
