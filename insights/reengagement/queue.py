"""The re-engagement queue: lost deals worth another call, ranked by what they are expected to be worth.

    expected value = P(an opportunity of this account created after as_of is won within the horizon
                       | what is known at as_of)  x  expected amount

It describes who comes back. It does not claim that calling causes it: `insights.reengagement.comparing` measures that,
where some deals are held out at random.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import Coded, FloatArray, IntArray, moment
from features.history import History
from insights.money import Amounts, Rates, amounts_of
from insights.reengagement.amounts import AmountLine, relative, usual_amounts
from insights.reengagement.exclusions import flags, left_out_deals, sort_out
from insights.reengagement.features import Knowing
from insights.reengagement.landmarks import landmarks
from insights.reengagement.lessons import Business, Lessons
from insights.reengagement.losses import Accounts, Lost
from insights.reengagement.model import PRIOR, WinbackModel, fit
from insights.reengagement.options import Options
from insights.reengagement.reasons import Reader, reason_of
from insights.reengagement.rows import Queue, Row
from insights.reengagement.showing import Shown
from insights.reengagement.similar import Likeness
from insights.reengagement.timing import UsualWait, WonBack, won_back_pairs
from models.taxonomy import Taxonomy


@dataclass(frozen=True)
class Learned:
    """What the history taught by a moment.

    Attributes:
        accounts: The company's accounts.
        knowing: Asks what was known of lost deals.
        left_out: Why deals do not count, by those that do not.
        model: The probability.
        usual_amounts: Median amount of lost deals, by currency.
        line: What becomes of an amount.
        usual: When accounts come back.
        likeness: Finds similar deals.
        as_of: The moment, in microseconds.
    """

    accounts: Accounts
    knowing: Knowing
    left_out: dict[int, str]
    model: WinbackModel
    usual_amounts: dict[str, float]
    line: AmountLine
    usual: UsualWait
    likeness: Likeness
    as_of: int


def learn(history: History, as_of: int, options: Options, taxonomy: Taxonomy, reader: Reader) -> Learned:
    """Learn from what was known strictly before a moment.

    Args:
        history: The deals.
        as_of: Microseconds.
        options: How the queue is made.
        taxonomy: The reasons of lost deals.
        reader: Knows what notes say.
    """
    accounts = Accounts(history, options)
    knowing = Knowing(accounts, taxonomy, reader)
    lost = np.unique(accounts.losses.numbers("deal")[accounts.losses.time < as_of].astype(np.int64))
    reasons = reason_of(history, lost, np.full(len(lost), as_of, dtype=np.int64), taxonomy, reader)
    left_out = left_out_deals(taxonomy, reasons, lost)
    rows = landmarks(accounts, as_of, options.horizon, flags(left_out, history.n_deals))
    matrix = knowing(rows.lost).matrix
    lessons = Lessons(rows, matrix, Business.before(accounts, knowing, as_of), options.horizon)
    model = fit(lessons, taxonomy, options.least_winbacks)
    pairs = won_back_pairs(accounts, rows)
    usual = usual_amounts(_amount(history, lost, as_of), _currency(history, lost))
    return Learned(
        accounts, knowing, left_out, model, usual, _amount_line(history, pairs, usual, as_of),
        UsualWait.learn(accounts, rows, lessons.reason),
        Likeness(accounts, pairs, lessons.reason.take(pairs.row), as_of), as_of,
    )  # fmt: skip


def _amount_line(history: History, pairs: WonBack, usual: dict[str, float], as_of: int) -> AmountLine:
    """What became of amounts, from the pairs in one currency."""
    lost, won = ((_amount(history, deals, as_of), _currency(history, deals)) for deals in (pairs.lost, pairs.won))
    same = lost[1].strings() == won[1].strings()
    return AmountLine.learn(relative(*lost, usual)[same], relative(*won, usual)[same])


def make_queue(
    history: History, as_of: int, options: Options, taxonomy: Taxonomy, *, reader: Reader | None = None,
    rates: Rates | None = None,
) -> Queue:  # fmt: skip
    """The queue at a moment: everything learned and ranked from what was known strictly before it.

    Args:
        history: The deals.
        as_of: Microseconds.
        options: How the queue is made.
        taxonomy: The reasons of lost deals.
        reader: Knows what notes say; without, reasons are those picked in the CRM.
        rates: What to convert amounts by; without, each currency has a ranking of its own.
    """
    simulated = history.crm.process.simulated
    if history.crm.process.time_basis != "dates":
        told = "the export has no dates, so nobody can tell who came back after a loss"
        return Queue(None, options.horizon, [], PRIOR, told, 0, {}, [told], simulated)
    reader = reader or Reader()
    learned = learn(history, as_of, options, taxonomy, reader)
    found = sort_out(learned.accounts, as_of, learned.left_out)
    model, notes = learned.model, _notes(history, found.lost, as_of, reader)
    rows = _rows(learned, found.lost, taxonomy, rates, notes) if len(found.lost) else []
    method = PRIOR if model.kind == PRIOR else model.kind
    return Queue(moment(as_of).date(), options.horizon, rows, method, model.why, model.winbacks, found.excluded,
                 notes, simulated)  # fmt: skip


def _notes(history: History, lost: Lost, as_of: int, reader: Reader) -> list[str]:
    """What to know about the queue."""
    told = []
    if not len(lost):
        entered = bool((history.created < as_of).any())
        told.append("no lost deal is worth a call" if entered else "no deal had been entered by then")
    if history.crm.known("opportunities", "account_id") is None:
        told.append("deals name no account: nobody can be seen to come back, and probabilities are the prior's")
    if "notes" not in history.crm.tables:
        told.append("no notes: no dates to call again were named")
    elif not reader.reads:
        told.append("no model of reasons: reasons are those that people answered or picked in the CRM")
    if history.crm.known("opportunities", "amount") is None:
        told.append("no amounts: deals are ranked by probability")
    return told


def _amount(history: History, deals: IntArray, as_of: int) -> FloatArray:
    """Amounts in hundredths as they stood at a moment; NaN where there is none."""
    return history.field("opportunities.amount").numbers(deals, np.full(len(deals), as_of, dtype=np.int64))


def _currency(history: History, deals: IntArray) -> Coded:
    field = history.field("opportunities.currency")
    return Coded(np.asarray(field.current, dtype=np.int32)[deals], field.levels)


def ranked(amounts: Amounts, value: FloatArray, p: FloatArray) -> list[tuple[str, IntArray]]:
    """Rows of each currency in order of value, those without one after them by probability; most rows first.

    Args:
        amounts: Amounts of the deals, each in a currency.
        value: Expected values, NaN where there is none.
        p: Probabilities.
    """
    everyone = np.arange(len(p), dtype=np.int64)
    groups = {name: everyone[amounts.currency == code] for code, name in enumerate(amounts.currencies)}
    groups = {name: rows for name, rows in groups.items() if len(rows)} or {"": everyone}
    order = sorted(groups, key=lambda name: (-len(groups[name]), name))
    return [
        (name, groups[name][np.lexsort((-p[groups[name]], -np.nan_to_num(value[groups[name]], nan=-1.0)))])
        for name in order
    ]


def _rows(learned: Learned, lost: Lost, taxonomy: Taxonomy, rates: Rates | None, notes: list[str]) -> list[Row]:
    history = learned.accounts.history
    known = learned.knowing(lost)
    told = learned.model.tell(known.matrix)
    amount, currency = _amount(history, lost.deal, learned.as_of), _currency(history, lost.deal)
    amounts = amounts_of(amount, currency, rates)
    notes.extend(f"no rate for {name}: ranked without an amount, {n:,} of the deals"
                 for name, n in amounts.without_rate.items())  # fmt: skip
    expected = amounts.values * learned.line.ratio(relative(amount, currency, learned.usual_amounts))
    value = told.p * expected
    similar = learned.likeness.of(lost.deal, known.reasons.reason, lost.account)
    shown = Shown(learned.knowing, lost, known, learned.model, told, learned.usual, learned.as_of)
    return [
        shown.row(int(row), rank, name, amounts.values[row], expected[row], value[row], similar[row])
        for name, order in ranked(amounts, value, told.p)
        for rank, row in enumerate(order.tolist(), 1)
    ]


__all__ = ["Learned", "Queue", "Row", "learn", "make_queue"]
