"""Which lost deals are left out of the queue, and why; each is counted, so that nothing goes missing silently."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm.schema import Kind
from crm.tables import DAY, IntArray
from features.history import History
from insights.reengagement.losses import Accounts, Lost
from insights.reengagement.options import Options
from insights.reengagement.reasons import LEFT_OUT, LossReasons
from models.taxonomy import UNCLEAR, Taxonomy

_SAYS_SO = re.compile(r"opt(?:ed)?[ _-]?out|do[ _-]?not[ _-]?(?:call|contact)|dnc|unsubscribed|no[ _-]?contact|"
                      r"gdpr[ _-]?(?:erased|objection)|werbesperre|kontaktsperre", re.IGNORECASE)  # fmt: skip
_NO = frozenset({"", "no", "n", "false", "0", "none", "nein", "non", "never", "opted in", "opt in", "in", "allowed"})

OPTED_OUT = "opted out"
OPEN_DEAL = "account has an open deal"
WON_SINCE = "account has won a deal since"
TOO_FRESH = "lost too recently"
NOT_A_REASON = "not a reason: never a prospect, a duplicate, or a test"
GONE = "project cancelled, or the company is gone"
OLDER = "a newer lost deal stands for the account"
REOPENED = "reopened"
CUSTOMERS = "renewal or expansion of a customer"


def left_out_deals(taxonomy: Taxonomy, reasons: LossReasons, deals: IntArray) -> dict[int, str]:
    """Why deals count neither as losses to come back from nor for learning, by the codes of those that do not.

    Args:
        taxonomy: The reasons of lost deals.
        reasons: Why `deals` were lost.
        deals: Codes of lost deals, shape (n_pairs,).
    """
    uncounted = {item.id for item in taxonomy.reasons if not item.counts and item.id != UNCLEAR}
    found: dict[int, str] = {}
    for row, (deal, id) in enumerate(zip(deals.tolist(), reasons.reason.strings().tolist(), strict=True)):
        if id in LEFT_OUT or reasons.gone(row):
            found[deal] = GONE
        elif id in uncounted:
            found[deal] = NOT_A_REASON
    return found


def opt_out_columns(history: History, options: Options) -> list[str]:
    """Columns that say not to call, as `table.column`: those set, else all custom ones whose names say so."""
    custom = [(item.table, item.name) for item in history.crm.attributes if item.custom]
    if options.opt_out:
        return [f"{table}.{name}" for table, name in custom if name in options.opt_out]
    return [f"{table}.{name}" for table, name in custom if _SAYS_SO.search(name)]


def opted_out(history: History, options: Options) -> NDArray[np.bool_]:
    """Deals whose own column, or their account's, says not to call, as it stands today, shape (n_deals,).

    As it stands today even where a past moment is asked about: whoever has opted out since is not called either.
    """
    found = np.zeros(history.n_deals, dtype=bool)
    for source in opt_out_columns(history, options):
        field = history.field(source)
        if field.is_category:
            says = np.array([level.strip().lower() not in _NO for level in field.levels] + [False])
            found |= says[np.asarray(field.current, dtype=np.int64)]
        else:
            values = np.asarray(field.current, dtype=np.float64)
            if field.kind is Kind.TIME:
                found |= ~np.isnan(values)
            else:
                found |= np.nan_to_num(values) > 0
    return found


@dataclass(frozen=True)
class Sorted:
    """Lost deals as of a moment, sorted into those for the queue and those left out.

    Attributes:
        lost: Those for the queue.
        excluded: How many were left out for each reason.
    """

    lost: Lost
    excluded: dict[str, int]


def flags(deals: Mapping[int, str], n_deals: int) -> NDArray[np.bool_]:
    """Whether each deal is among some, shape (n_deals,)."""
    found = np.zeros(n_deals, dtype=bool)
    found[list(deals)] = True
    return found


def sort_out(accounts: Accounts, as_of: int, why: Mapping[int, str]) -> Sorted:
    """Candidates as of a moment, one per account.

    Args:
        accounts: The company's accounts.
        as_of: Microseconds.
        why: Why deals do not count, by those that do not.
    """
    history, options = accounts.history, accounts.options
    left_out = flags(why, history.n_deals)
    who = np.arange(accounts.n_accounts, dtype=np.int64)
    when = np.full(len(who), as_of, dtype=np.int64)
    lost = accounts.newest_losses(who, when, left_out)
    excluded: Counter[str] = Counter()
    events = accounts.losses
    known = events.time < as_of
    deals = np.unique(events.numbers("deal")[known].astype(np.int64))
    for deal in deals[left_out[deals]].tolist():
        excluded[why[deal]] += 1
    excluded[OLDER] = int((~left_out[deals]).sum()) - len(lost)
    closed, when_closed = accounts.closings(won=False)
    excluded[CUSTOMERS] = len(np.unique(closed[~accounts.fresh[closed] & (when_closed < as_of)]))
    out = _account_wide(accounts, opted_out(history, options))
    checks = (
        (OPTED_OUT, out[lost.account]),
        (REOPENED, history.is_open(lost.deal, lost.as_of)),
        (OPEN_DEAL, accounts.open_deals(lost.account, lost.as_of) > 0),
        (WON_SINCE, accounts.won_since(lost)),
        (TOO_FRESH, lost.as_of - lost.lost_at < options.least_days * DAY),
    )
    keep = np.ones(len(lost), dtype=bool)
    for name, found in checks:
        excluded[name] += int((keep & found).sum())
        keep &= ~found
    return Sorted(lost.take(keep), {name: n for name, n in excluded.items() if n})


def _account_wide(accounts: Accounts, deals: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Accounts any of whose deals has a flag: who has opted out on one deal is not called about another."""
    found = np.zeros(accounts.n_accounts, dtype=bool)
    found[accounts.account[deals]] = True
    return found

