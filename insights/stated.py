"""What the CRM states of deals as of a moment: amounts, currencies, expected closes, wins."""

from __future__ import annotations

import numpy as np

from crm.schema import Known
from crm.tables import Coded, FloatArray, IntArray
from features.fields import as_floats
from features.history import History
from features.matrix import default_as_of
from features.records import NEVER
from insights.money import Amounts, Rates, amounts_of

AMOUNT = "amount"
EXPECTED_CLOSE = "expected_close_at"


def has_amounts(history: History) -> bool:
    """Whether the export has amounts at all."""
    values = history.crm.tables["opportunities"].get(AMOUNT)
    return isinstance(values, np.ndarray) and bool(np.any(~np.isnan(values)))


def amounts_at(history: History, as_of: int) -> FloatArray:
    """Amount of every deal as it stood at a moment, in hundredths of its currency; NaN where that is not known.

    An amount without a history is known of deals that are open today, and of those that had closed by then.
    """
    n = history.n_deals
    if not has_amounts(history):
        return np.full(n, np.nan)
    everyone = np.arange(n, dtype=np.int64)
    values = history.field("opportunities.amount").numbers(everyone, np.full(n, as_of, dtype=np.int64))
    if history.crm.known("opportunities", AMOUNT) in (Known.CREATED, Known.HISTORY):
        return np.asarray(values)
    stands = (history.closed == NEVER) | (history.closed < as_of)
    return np.where(stands, values, np.nan)


def currencies_of(history: History) -> Coded:
    """Currency of every deal; missing where none is named."""
    n = history.n_deals
    if history.crm.known("opportunities", "currency") is None:
        return Coded(np.full(n, -1, dtype=np.int32), ())
    field = history.field("opportunities.currency")
    everyone = np.arange(n, dtype=np.int64)
    return Coded(field.codes(everyone, np.full(n, NEVER - 1, dtype=np.int64)), field.levels)


def money_at(history: History, as_of: int, rates: Rates | None) -> Amounts:
    """Amounts of all deals as they stood at a moment, converted if there are rates."""
    return amounts_of(amounts_at(history, as_of), currencies_of(history), rates)


def expected_closes(history: History, as_of: int, deals: IntArray) -> FloatArray | None:
    """Expected close of open deals as it stood at a moment, in microseconds; NaN where none was entered.

    A history of its changes tells; at the newest moment so does the CRM's own column, of deals never changed.

    Args:
        history: The deals.
        as_of: Microseconds.
        deals: Deals open at it, shape (n_deals,).

    Returns:
        Shape (n_deals,); None where the data do not tell.
    """
    source, found = f"opportunities.{EXPECTED_CLOSE}", None
    if source in history.sources:
        found = history.field(source).numbers(deals, np.full(len(deals), as_of, dtype=np.int64))
    columns = history.crm.tables["opportunities"]
    today, ids = columns.get(EXPECTED_CLOSE), columns["opportunity_id"]
    if not isinstance(today, np.ndarray) or as_of < default_as_of(history.crm):
        return found
    assert isinstance(ids, Coded)
    row_of = {str(name): row for row, name in enumerate(ids.strings())}
    rows = np.array([row_of[history.deal_ids[deal]] for deal in deals.tolist()], dtype=np.int64)
    shown = np.asarray(as_floats(today)[rows])
    return shown if found is None else np.where(np.isnan(found), shown, found)


def won_in(history: History, start: int, end: int) -> IntArray:
    """Deals won at or after `start` and before `end`."""
    return np.flatnonzero((history.won == 1) & (history.closed >= start) & (history.closed < end)).astype(np.int64)
