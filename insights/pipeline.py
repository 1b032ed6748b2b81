"""Pipeline health: deals that need a look before the period ends, each list with its deals; coverage of a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm.tables import DAY, FloatArray, IntArray
from features.asof import Seen
from features.history import History
from features.matrix import default_as_of
from features.moments import Moments
from insights.spans import Span
from insights.stated import amounts_at, expected_closes, has_amounts

BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Limits:
    """From when on a deal needs a look.

    Attributes:
        stale_days: Days without an activity, a stage change or an edit.
        pushes: Times that the expected close was moved later.
        contacts: Contacts up to which a deal hangs on a single thread.
    """

    stale_days: float = 30.0
    pushes: int = 2
    contacts: int = 1


@dataclass(frozen=True)
class Ailing:
    """A list of open deals with one thing amiss.

    Attributes:
        name: Short name.
        meaning: What is amiss, in words.
        deals: Codes of the deals, those of the largest amount first, each currency apart.
        values: What was found of each: days, times, contacts; 0 where nothing was.
        absent: What the data lack to tell; None where they tell.
    """

    name: str
    meaning: str
    deals: IntArray
    values: FloatArray
    absent: str | None = None


def health(
    history: History, as_of: int, deals: IntArray, amount: FloatArray, currency: Sequence[str],
    limits: Limits | None = None,
) -> list[Ailing]:  # fmt: skip
    """Lists of open deals that need a look, by what was known at a moment.

    Args:
        history: The deals.
        as_of: Microseconds.
        deals: Open deals, shape (n_deals,).
        amount: Amount of each, for the order.
        currency: Its currency: amounts in several are not compared, the deals of the commonest come first.
        limits: From when on a deal needs a look.
    """
    limits = limits or Limits()
    at = Moments(history, deals, np.full(len(deals), as_of, dtype=np.int64))
    names, places, n = np.unique(np.array(currency, dtype=str), return_inverse=True, return_counts=True)
    order = np.lexsort((-amount, places, -n[places])) if len(names) else np.zeros(0, dtype=np.int64)

    def listed(name: str, meaning: str, needs: Sequence[str], ask: tuple[FloatArray, BoolArray] | None) -> Ailing:
        nothing: IntArray = np.zeros(0, dtype=np.int64)
        if ask is None:
            return Ailing(name, meaning, nothing, np.zeros(0), " or ".join(needs))
        values, amiss = ask
        rows = order[amiss[order]]
        return Ailing(name, meaning, deals[rows], values[rows])

    stated = amounts_at(history, as_of)[deals] if has_amounts(history) else None
    closes = expected_closes(history, as_of, deals)
    late = f"{limits.pushes} times or more"
    return [
        listed("stale", f"no activity, stage change or edit for {limits.stale_days:g} days", ["activities"],
               _stale(at, limits.stale_days)),
        listed("no_next_step", "no activity is planned", ["planned activities"],
               _no_next_step(history, at, deals, as_of)),
        listed("pushed", f"the expected close was moved later {late}", ["changes of opportunities.expected_close_at"],
               _pushed(at, limits.pushes)),
        listed("overdue", "the expected close has passed", ["opportunities.expected_close_at"],
               _overdue(closes, as_of)),
        listed("single_threaded", f"at most {limits.contacts} contact", ["contact_roles", "activities.contact_id"],
               _single_threaded(at, limits.contacts)),
        listed("no_decision_maker", "no decision maker, economic buyer or executive among the contacts",
               ["contact_roles.role"], _no_decision_maker(at)),
        listed("no_amount", "no amount is entered", ["opportunities.amount"], _nothing_in(stated)),
        listed("no_close_date", "no expected close is entered", ["opportunities.expected_close_at"],
               _nothing_in(closes)),
    ]  # fmt: skip


def _stale(at: Moments, days: float) -> tuple[FloatArray, BoolArray] | None:
    sources: list[Seen] = []
    if at.has("activities"):
        sources.append(at.activities)
    if at.has("stage_changes"):
        sources.append(at.stage_changes)
    if at.has("field_changes"):
        sources.append(at.field_changes)
    if not sources:
        return None
    silent = at.age_days
    for seen in sources:
        silent = np.fmin(silent, seen.days_since_last())
    return silent, silent > days


def _no_next_step(history: History, at: Moments, deals: IntArray, as_of: int) -> tuple[FloatArray, BoolArray] | None:
    """Planned activities lie after the moment; which of them were planned by then, only the newest export tells."""
    if not at.has("activities") or as_of < default_as_of(history.crm):
        return None
    events = history.activities
    if not np.any(events.time >= as_of):
        return None
    when = np.full(len(deals), as_of, dtype=np.int64)
    planned = (events.starts[deals + 1] - events.before(deals, when)).astype(np.float64)
    return planned, planned == 0


def _pushed(at: Moments, least: int) -> tuple[FloatArray, BoolArray] | None:
    if not at.has("opportunities.expected_close_at") or not at.has("field_changes"):
        return None
    times = at.pushes.count("later")
    return times, times >= least


def _overdue(closes: FloatArray | None, as_of: int) -> tuple[FloatArray, BoolArray] | None:
    if closes is None:
        return None
    days = (as_of - closes) / DAY
    return days, days > 0


def _single_threaded(at: Moments, most: int) -> tuple[FloatArray, BoolArray] | None:
    counts = []
    if at.has("contact_roles"):
        counts.append(at.contact_roles.distinct("contact"))
    if at.has("activities.contact_id"):
        counts.append(at.activities.distinct("contact"))
    if not counts:
        return None
    contacts = np.maximum.reduce(counts)
    return contacts, contacts <= most


def _no_decision_maker(at: Moments) -> tuple[FloatArray, BoolArray] | None:
    if not at.has("contact_roles.role"):
        return None
    found = at.contact_roles.count("decider")
    return found, found == 0


def _nothing_in(values: FloatArray | None) -> tuple[FloatArray, BoolArray] | None:
    """Which values are absent; of amounts, those of 0 are too."""
    return None if values is None else (np.zeros(len(values)), ~(values > 0))


@dataclass(frozen=True)
class Coverage:
    """How a target is covered.

    Attributes:
        target: What is to be won in the period.
        so_far: What was won of it.
        gap: What is missing; 0 once it is reached.
        due: Amount of open deals that are expected to close in the period by their owners, or have no expected close.
        ratio: `due` over `gap`; None once the target is reached.
        expected: Mean of the forecast.
        chance: Share of draws that reach the target.
    """

    target: float
    so_far: float
    gap: float
    due: float
    ratio: float | None
    expected: float
    chance: float


def due_in(history: History, as_of: int, period: Span, deals: IntArray) -> BoolArray:
    """Whether each deal's expected close lies before the end of a period, overdue or unknown ones included."""
    expected = expected_closes(history, as_of, deals)
    return np.ones(len(deals), dtype=np.bool_) if expected is None else np.asarray(~(expected >= period.end))
