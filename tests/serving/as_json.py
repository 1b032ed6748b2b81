"""A deal of the store as the JSON that a client would send for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from crm.schema import TABLES, Kind
from crm.tables import NAT, Coded, CrmData, moment
from serving.requests import EVENTS


def rows_of(crm: CrmData, table: str, key: str, value: str) -> list[dict[str, Any]]:
    """Rows of a table with a certain id, as JSON values; what is missing is left out."""
    columns = crm.tables.get(table, {})
    if not columns:
        return []
    ids = columns[key]
    assert isinstance(ids, Coded)
    kinds = {name: column.kind for name, column in TABLES[table].columns().items()}
    kinds |= {item.name: item.kind for item in crm.attributes if item.table == table}
    own = {item.name for item in crm.attributes if item.table == table and item.custom}
    found = []
    for row in np.flatnonzero(ids.strings() == value):
        plain: dict[str, Any] = {}
        custom: dict[str, Any] = {}
        for name, values in columns.items():
            if isinstance(values, Coded):
                cell: Any = values.levels[values.codes[row]] if values.codes[row] >= 0 else None
            elif values.dtype == np.int64:
                cell = moment(int(values[row])).isoformat() if values[row] != NAT else None
            else:
                number = float(values[row])
                cell = None if np.isnan(number) else number
                if cell is not None and kinds[name] is Kind.MONEY:
                    cell = number / 100
                if cell is not None and kinds[name] is Kind.BOOLEAN:
                    cell = bool(number)
            if cell is not None:
                (custom if name in own else plain)[name] = cell
        found.append(plain | ({"custom": custom} if custom else {}))
    return found


def deal_as_json(crm: CrmData, deal_id: str, as_of: str, *, account: bool) -> dict[str, Any]:
    """The body of `POST /v1/score` for a deal of the store.

    Args:
        crm: The store's tables.
        deal_id: The deal.
        as_of: The moment.
        account: Whether to send its account too.
    """
    deal = rows_of(crm, "opportunities", "opportunity_id", deal_id)[0]
    body: dict[str, Any] = {"opportunity": deal, "as_of": as_of}
    for table in EVENTS:
        body[table] = rows_of(crm, table, "opportunity_id", deal_id)
    if account and "account_id" in deal:
        body["account"] = rows_of(crm, "accounts", "account_id", deal["account_id"])[0]
    return body
