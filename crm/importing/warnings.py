"""Imports that are right but leave nothing to learn from: no outcome at all, or nothing known before the close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from crm.importing.binding import Binding
from crm.importing.rows import RowReader
from crm.records import RECORDS
from crm.rules import Mapping
from crm.schema import TABLES, Known
from crm.tables import Attribute

_SHOWN = 6
_EVENTS = ("stage_changes", "field_changes", "activities", "contact_roles", "deal_products")
_NO_INPUTS = {"name", "closed_at", "outcome", "stage", "expected_close_at", "loss_reason", "win_reason"}
"""Columns that can change, but do not describe the deal: they follow its course, its end, or are shown only."""


def no_outcomes(connection: sa.Connection, mapping: Mapping, readers: Iterable[RowReader]) -> str | None:
    """A warning if the store holds deals, of which none is won or lost: then the mapping reads the outcomes wrongly.

    Args:
        connection: Inside the import's transaction, after the rows.
        mapping: The import's mapping.
        readers: Those that have read the export's opportunities.
    """
    deals = RECORDS["opportunities"]
    readers = [reader for reader in readers if reader.told]
    closed = sa.select(deals.c.opportunity_id).where(deals.c.outcome.is_not(None)).limit(1)
    if not readers or connection.scalar(closed) is not None:
        return None
    told: Counter[str] = Counter()
    for reader in readers:
        headers = _telling(reader.binding)
        for values, count in reader.told.items():
            told[_seen(headers, values)] += count
    binding = readers[0].binding
    columns = " and ".join(map(repr, _telling(binding)))
    process = mapping.process
    if binding.flags:
        reads = f"reads the outcome from {columns}"
        mend = "see outcome = { won = ..., closed = ... } under [tables.opportunities.columns]"
    else:
        won, lost = (" or ".join(map(repr, values)) or "nothing" for values in (process.won, process.lost))
        reads = f"takes {won} in column {columns} as won, and {lost} as lost"
        mend = "write the values that mean won and lost under [process] of the mapping, or map another column"
    shown = ", ".join(f"{value} ({count:,})" for value, count in told.most_common(_SHOWN))
    more = f" and {len(told) - _SHOWN:,} more" if len(told) > _SHOWN else ""
    return (
        f"NO DEAL IS WON AND NONE IS LOST, so there is nothing to learn from. Mapping {mapping.name!r} {reads}; "
        f"the export has {shown}{more}. Unless all its deals are open, {mend}, and import again."
    )


def _telling(binding: Binding) -> list[str]:
    """Headers of the columns that tell the outcome."""
    names = [f"{flag}_flag" for flag in binding.flags] or ["outcome" if binding.has("outcome") else "stage"]
    return [binding.header(name) for name in names]


def _seen(headers: Sequence[str], values: Sequence[str]) -> str:
    if len(values) == 1:
        return repr(values[0]) if values[0] else "(empty)"
    return " with ".join(f"{header} {value or '(empty)'}" for header, value in zip(headers, values, strict=True))


def nothing_known_before_the_close(attributes: Iterable[Attribute], undeclared: Sequence[str]) -> str | None:
    """A warning if no column that describes the deals is known before their close, so that none can be a feature.

    Args:
        attributes: Every column of the store and when it is known.
        undeclared: Headers of the opportunities' files that the mapping does not declare.
    """
    attributes = list(attributes)
    schema = TABLES["opportunities"].columns()
    changing = {name for name, column in schema.items() if column.known is Known.CLOSED} - _NO_INPUTS
    describing = [a for a in attributes if a.table == "opportunities" and (a.custom or a.name in changing)]
    if any(a.known is not Known.CLOSED for a in describing) or not (describing or undeclared):
        return None
    names = [f"{a.name} ({a.source!r})" if a.name != a.source else a.name for a in describing]
    said = f"{', '.join(names)}: known only at the close, so no feature of an open deal. " if names else ""
    events = [table for table in _EVENTS if any(a.table == table for a in attributes)]
    own = {a.name for a in attributes if a.table == "opportunities"}
    records = {"created_at": "its dates", "account_id": "its account"}
    left = [*(what for name, what in records.items() if name in own), *events]
    undeclared_too = f" (left out: {', '.join(undeclared)})" if undeclared else ""
    return (
        f"NO COLUMN THAT DESCRIBES A DEAL IS KNOWN BEFORE IT CLOSES. {said}What is left to learn from: "
        f'{", ".join(left) or "nothing"}. Where a column is fixed when the deal is entered, write known = "created" '
        f"in the mapping; columns that it does not declare{undeclared_too} can be taken in as custom ones, for which "
        "`wonlost mapping suggest` writes commented lines."
    )
