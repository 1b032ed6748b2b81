"""Small tables in: a company's data written as text, one line a row, cells between bars."""

from __future__ import annotations

from collections.abc import Mapping

from crm.schema import TABLES, Kind, Known
from crm.tables import Attribute, Coded, Columns, CrmData, FloatArray, IntArray, Process, encode, micros
from features.history import History
from features.matrix import Snapshots, build_matrix, open_at
from features.registry import Feature, features_of

PROCESS = Process(stages=("Qualify", "Propose", "Negotiate", "Contract"), won_stages=("Won",), lost_stages=("Lost",))


def crm_of(
    tables: Mapping[str, str], *, process: Process = PROCESS, known: Mapping[str, Known] | None = None,
    kinds: Mapping[str, Kind] | None = None,
) -> CrmData:  # fmt: skip
    """Tables of text as a store would hand them out.

    Args:
        tables: Text by table; the first line names the columns; an empty cell is a missing value; amounts in units.
        process: How the sales process is read.
        known: When columns (`table.column`) are known, where not as the schema says; columns of deals that have changes
            are known from history.
        kinds: Kind of the company's own columns (`table.column`).
    """
    known, kinds = known or {}, kinds or {}
    read = {name: _rows(text) for name, text in tables.items()}
    changed = {row["field"] for row in read.get("field_changes", [])}
    columns: dict[str, Columns] = {}
    attributes: list[Attribute] = []
    for table, rows in read.items():
        columns[table] = {}
        for name in rows[0] if rows else TABLES[table].columns():
            described = TABLES[table].columns().get(name)
            kind = described.kind if described else kinds[f"{table}.{name}"]
            default = described.known if described else Known.CLOSED
            history = table == "opportunities" and name in changed
            when = known.get(f"{table}.{name}", Known.HISTORY if history else default)
            attributes.append(Attribute(table, name, kind, when, described is None, name))
            columns[table][name] = encode(kind, [_value(kind, row[name]) for row in rows])
    return CrmData(columns, tuple(attributes), process)


def _rows(text: str) -> list[dict[str, str]]:
    lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]


def _value(kind: Kind, text: str) -> object:
    if not text:
        return None
    if kind in (Kind.ID, Kind.TEXT, Kind.CATEGORY):
        return text
    if kind is Kind.TIME:
        return micros(text)
    return float(text) * (100 if kind is Kind.MONEY else 1)


def values_at(crm: CrmData, as_of: str) -> dict[str, dict[str, float | str | None]]:
    """A dict out: for every feature that the data allow, its value by deal open at a moment; None where missing."""
    history = History(crm)
    return values_of(history, features_of(history), open_at(history, micros(as_of)))


def values_of(
    history: History, features: list[Feature], pairs: Snapshots
) -> dict[str, dict[str, float | str | None]]:  # fmt: skip
    """Values of features by deal."""
    ids = [history.deal_ids[deal] for deal in pairs.deal]
    matrix = build_matrix(history, features, pairs)
    return {name: dict(zip(ids, _plain(values), strict=True)) for name, values in matrix.columns.items()}


def _plain(values: Coded | FloatArray | IntArray) -> list[float | str | None]:
    if isinstance(values, Coded):
        return [text or None for text in values.strings()]
    return [None if value != value else float(value) for value in values]
