"""When each column is known, from the mapping, the schema and the changes at hand; and how the process is read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

import sqlalchemy as sa

from crm.importing.binding import Binding
from crm.records import RECORDS, attributes, process
from crm.rules import Mapping, folded
from crm.schema import TABLES, Known

_DERIVED = ("outcome", "expected_close_at", "from_stage")
_NEVER_HISTORY = {"opportunity_id", "name", "created_at", "closed_at", "outcome", "sequence"}
USUAL = {"won": ("Closed Won", "Won"), "lost": ("Closed Lost", "Lost")}
"""Names of closing stages that count where a column of its own tells the outcome, besides those that the mapping names.

Guessing them from the outcomes at hand would let what happens later decide what a past move meant.
"""


def record_attributes(
    connection: sa.Connection, bindings: Iterable[Binding], mapped: dict[str, list[str]]
) -> list[str]:
    """Write down every column at hand with when it is known; warnings come back.

    Args:
        connection: Inside the import's transaction, after the rows.
        bindings: Files and tables of this import.
        mapped: Columns of the schema that this import gave, by table.
    """
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for binding in bindings:
        order = list(TABLES[binding.table].columns())
        for position, name in enumerate(order):
            if name in mapped[binding.table] and (binding.has(name) or name in _DERIVED):
                rule = binding.rule.columns.get(name)
                kind = TABLES[binding.table].columns()[name].kind
                declared = rule.known if rule else None
                rows.setdefault((binding.table, name), {
                    "table_name": binding.table, "name": name, "position": position, "kind": kind.value,
                    "declared": declared.value if declared else None, "custom": 0, "source": binding.header(name),
                })  # fmt: skip
        for position, name in enumerate(binding.rule.custom, start=len(order)):
            if name in binding.custom:
                custom = binding.rule.custom[name]
                rows.setdefault((binding.table, name), {
                    "table_name": binding.table, "name": name, "position": position, "kind": custom.kind.value,
                    "declared": custom.known.value if custom.known else None, "custom": 1,
                    "source": binding.header(name),
                })  # fmt: skip
    for stored in connection.execute(sa.select(attributes)).mappings():
        rows.setdefault((stored["table_name"], stored["name"]), dict(stored))
    with_history = _fields_with_history(connection)
    warnings = []
    for (table, name), row in rows.items():
        row["known"], warning = _known(table, name, row["declared"], with_history)
        warnings += [warning] if warning else []
    connection.execute(attributes.delete())
    if rows:
        connection.execute(attributes.insert(), list(rows.values()))
    return warnings


def _known(table: str, name: str, declared: object, with_history: set[str]) -> tuple[str, str | None]:
    column = TABLES[table].columns().get(name)
    changes = table == "opportunities" and name in with_history and name not in _NEVER_HISTORY
    if declared == Known.HISTORY and not changes:
        reason = "but there are no changes of it" if table == "opportunities" else "which only opportunities can have"
        text = f"{table}.{name}: the mapping says that it is known from its history, {reason}; it is treated as closed."
        return Known.CLOSED.value, text
    if declared is not None:
        return str(declared), None
    if changes:
        return Known.HISTORY.value, None
    return (column.known if column else Known.CLOSED).value, None


def _fields_with_history(connection: sa.Connection) -> set[str]:
    changes = RECORDS["field_changes"]
    fields = {str(field) for field in connection.scalars(sa.select(changes.c.field).distinct())}
    if connection.scalar(sa.select(RECORDS["stage_changes"].c.event_key).limit(1)) is not None:
        fields.add("stage")
    return fields


def record_process(connection: sa.Connection, mapping: Mapping, *, outcome_from_stage: bool) -> None:
    """Write down how the sales process is read, with the stages that mean won and lost as the data spell them."""
    deals, changes = RECORDS["opportunities"], RECORDS["stage_changes"]
    # Sorted here, because a database sorts text by the rules of its own language.
    stages = [
        *sorted(s for s in connection.scalars(sa.select(deals.c.stage).distinct()) if s),
        *sorted(connection.scalars(sa.select(changes.c.to_stage).distinct())),
    ]
    values = asdict(mapping.process.process())
    ends = {"won": mapping.process.won, "lost": mapping.process.lost}
    for outcome, declared in ends.items():
        usual = set() if outcome_from_stage else {folded(value) for value in USUAL[outcome]}
        spelled = [s for s in stages if mapping.process.meaning(s) == outcome or folded(s) in usual]
        named = [value for value in declared if "*" not in value] if outcome_from_stage else []
        values[f"{outcome}_stages"] = list(dict.fromkeys([*spelled, *named]))
    connection.execute(process.delete())
    rows = [{"key": key, "value": json.dumps(value, ensure_ascii=False)} for key, value in values.items()]
    connection.execute(process.insert(), rows)
