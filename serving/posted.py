"""Deals that are sent, as tables: what the as-of algebra then reads is the same as of deals in the store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crm.schema import TABLES, Kind
from crm.tables import Attribute, Coded, Columns, CrmData, RowColumns
from features.fields import parse, readable
from features.history import History
from features.matrix import UNDATED, Snapshots
from features.rows import TEXT
from serving.answers import Detail
from serving.company import CompanyData
from serving.errors import InvalidRequestError
from serving.requests import EVENTS, Row, Sent

MONEY = {name: tuple(column for column, described in table.columns().items() if described.kind is Kind.MONEY)
         for name, table in TABLES.items()}  # fmt: skip
"""Columns of amounts, by table."""
_CUSTOM = {Kind.BOOLEAN: (bool,), Kind.INTEGER: (int,), Kind.NUMBER: (int, float), Kind.MONEY: (int, float)}


@dataclass(frozen=True)
class Posted:
    """One deal that was sent, checked against what the company's data hold.

    Attributes:
        deal: Its row of `opportunities`.
        account: Its row of `accounts`; None where none was sent and the store knows none.
        events: Rows by table of events.
        as_of: Microseconds.
        note: Why it is not scored; None where it is open at as_of.
    """

    deal: dict[str, Any]
    account: dict[str, Any] | None
    events: dict[str, list[dict[str, Any]]]
    as_of: int
    note: str | None

    @property
    def id(self) -> str:
        """Identifier of the deal."""
        return str(self.deal["opportunity_id"])


def check(sent: Sent, data: CompanyData, now: int, where: str) -> Posted:
    """Check a deal against what the company's data hold.

    Args:
        sent: The deal.
        data: The company's data.
        now: Microseconds.
        where: Path of the deal in the body, for messages: "" or "3.".

    Raises:
        InvalidRequestError: Unknown custom columns, ids that contradict each other, impossible dates.
    """
    problems: list[Detail] = []

    def problem(path: str, message: str) -> None:
        problems.append(Detail(where=where + path, message=message))

    parts: dict[str, Any] = sent.__dict__
    deal = _plain(parts["opportunity"], data, "opportunities", problem, "opportunity")
    account = None
    if parts["account"] is not None:
        account = _plain(parts["account"], data, "accounts", problem, "account")
        if deal["account_id"] is None:
            deal["account_id"] = account["account_id"]
        elif deal["account_id"] != account["account_id"]:
            problem("account.account_id", f"the deal is with {deal['account_id']!r}, not {account['account_id']!r}")
    events: dict[str, list[dict[str, Any]]] = {}
    for table in EVENTS:
        rows = [dict(row.__dict__) for row in parts[table]]
        for place, row in enumerate(rows):
            if row["opportunity_id"] not in (None, deal["opportunity_id"]):
                problem(f"{table}.{place}.opportunity_id", f"of another deal than {deal['opportunity_id']!r}")
            row["opportunity_id"] = deal["opportunity_id"]
            for name in MONEY[table]:
                row[name] = _hundredths(row[name])
        events[table] = rows
    _write_changes(events["field_changes"], data, problem)
    as_of = now if parts["as_of"] is None else parts["as_of"]
    if as_of > max(now, data.cut):
        problem("as_of", "lies in the future; deals are scored with what is known by now")
    note = _closing(deal, data.dated, as_of, problem)
    if problems:
        raise InvalidRequestError(f"{problems[0].where}: {problems[0].message}", problems)
    return Posted(deal, account, events, as_of, note)


def _plain(row: Row, data: CompanyData, table: str, problem: Any, path: str) -> dict[str, Any]:
    """A row as the store would hold it: custom columns beside the others, money in hundredths."""
    plain = dict(row.__dict__)
    own = data.own_columns[table]
    for name, value in plain.pop("custom").items():
        if name not in own:
            known = f"; there are {', '.join(own)}" if own else ""
            problem(f"{path}.custom.{name}", f"no such column of {table}{known}")
            continue
        plain[name] = value if value is None else _custom(own[name], value, problem, f"{path}.custom.{name}")
    for name in MONEY[table]:
        plain[name] = _hundredths(plain[name])
    return plain


def _custom(column: Attribute, value: Any, problem: Any, path: str) -> Any:
    """A company's own column as the store would hold it."""
    if column.kind in TEXT:
        if isinstance(value, str):
            return value
    elif column.kind is Kind.TIME:
        found = parse(Kind.TIME, Coded.of([value])) if isinstance(value, str) else np.array([np.nan])
        if not np.isnan(found[0]):
            return int(found[0])
    elif isinstance(value, _CUSTOM[column.kind]) and (column.kind is Kind.BOOLEAN) == isinstance(value, bool):
        return _hundredths(value) if column.kind is Kind.MONEY else value
    problem(path, f"not a {column.kind}")
    return None


def _hundredths(value: Any) -> int | None:
    return None if value is None else round(value * 100)


def _write_changes(rows: list[dict[str, Any]], data: CompanyData, problem: Any) -> None:
    """Bring old and new values of field changes to text, as the store holds them, and check that they can be read."""
    for place, row in enumerate(rows):
        column = data.history.attribute("opportunities", row["field"])
        kind = Kind.TEXT if column is None else column.kind
        for name in ("old_value", "new_value"):
            value = row[name]
            if value is None or value == "":
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            row[name] = text
            if kind not in TEXT and not readable(kind, text):
                problem(f"field_changes.{place}.{name}", f"{text[:80]!r} is not a {kind}, which {row['field']} is")


def _closing(deal: dict[str, Any], dated: bool, as_of: int, problem: Any) -> str | None:
    """Check entry and closing, and say why a deal is not open at as_of; None where it is."""
    created, closed, outcome = deal["created_at"], deal["closed_at"], deal["outcome"]
    if not dated:
        return None if outcome is None else f"the deal is {outcome}"
    if created is None:
        problem("opportunity.created_at", "needed: when the deal was entered")
        return None
    if closed is not None and outcome is None:
        problem("opportunity.closed_at", "given without an outcome; the planned date is expected_close_at")
    if outcome is not None and closed is None:
        problem("opportunity.closed_at", f"needed for a deal that is {outcome}")
    if closed is not None and closed < created:
        problem("opportunity.closed_at", "before created_at")
    if created >= as_of:
        return "the deal was not entered before as_of"
    return f"the deal was {outcome} before as_of" if closed is not None and closed < as_of else None


def rounds(posted: Sequence[Posted]) -> list[list[int]]:
    """Places of the deals in groups that can be read together: no deal twice, and no account told in two ways."""
    groups: list[tuple[list[int], set[str], dict[str, dict[str, Any] | None]]] = []
    for place, item in enumerate(posted):
        account = item.deal["account_id"]
        fitting = [group for group in groups
                   if item.id not in group[1] and group[2].get(account, item.account) == item.account]  # fmt: skip
        if not fitting:
            groups.append(([], set(), {}))
        places, deals, accounts = fitting[0] if fitting else groups[-1]
        places.append(place)
        deals.add(item.id)
        accounts[account] = item.account
    return [places for places, _, _ in groups]


def tables_of(posted: Sequence[Posted], data: CompanyData) -> CrmData:
    """The tables of deals that can be read together, with the company's catalogue of columns."""
    tables: dict[str, Columns] = {
        "opportunities": RowColumns(data.kinds["opportunities"], [item.deal for item in posted])
    }
    accounts = {item.deal["account_id"]: item.account for item in posted if item.account is not None}
    for item in posted:
        key = item.deal["account_id"]
        if key is not None and key not in accounts and key in data.account_rows:
            accounts[key] = stored_account(data, key)
    tables["accounts"] = RowColumns(data.kinds["accounts"], list(accounts.values()))
    for table in EVENTS:
        rows = [row for item in posted for row in item.events[table]]
        if rows:
            tables[table] = RowColumns(data.kinds[table], rows)
    return CrmData(tables, data.crm.attributes, data.crm.process, data.crm.imported_at)


def stored_account(data: CompanyData, key: str) -> dict[str, Any]:
    """An account as the store holds it."""
    row = data.account_rows[key]
    found: dict[str, Any] = {}
    for name, values in data.crm.tables["accounts"].items():
        if isinstance(values, Coded):
            found[name] = values.levels[values.codes[row]] if values.codes[row] >= 0 else None
        else:
            found[name] = values[row]
    return found


def pairs_of(history: History, posted: Sequence[Posted], data: CompanyData) -> tuple[Snapshots, list[int]]:
    """Pairs of the deals that are to be scored, ordered by deal, and the place of each in `posted`."""
    place_of = {item.id: place for place, item in enumerate(posted) if item.note is None}
    deals = np.array([code for code, deal in enumerate(history.deal_ids) if deal in place_of], dtype=np.int64)
    order = [place_of[history.deal_ids[code]] for code in deals]
    times = np.array([posted[place].as_of for place in order], dtype=np.int64)
    if not data.dated:
        return Snapshots(deals, np.full(len(order), UNDATED, dtype=np.int64)), order
    still = history.is_open(deals, times)  # its stage changes may tell of a closing that was undone later
    deals, times = deals[still], times[still]
    order = [place for place, is_open in zip(order, still, strict=True) if is_open]
    return Snapshots(deals, history.created[deals] if data.crm.process.snapshots == "entry" else times), order

