"""The re-engagement queue: lost deals worth another call, ranked by what they are expected to be worth.

    expected value = P(an opportunity of this account created after as_of is won within the horizon
                       | what is known at as_of)  x  expected amount

It describes who comes back. It does not claim that calling causes it: `insights.reengagement.comparing` measures that,
where some deals are held out at random.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

import numpy as np

from crm.tables import Coded, FloatArray, IntArray, moment
from features.history import History
from features.matrix import FeatureMatrix
from insights.money import Amounts, Rates, amounts_of
from insights.reengagement.amounts import AmountLine
from insights.reengagement.exclusions import left_out_deals, sort_out, why_left_out
from insights.reengagement.features import Knowing, Known
from insights.reengagement.landmarks import landmarks
from insights.reengagement.losses import Accounts, Lost
from insights.reengagement.model import PRIOR, Told, WinbackModel, fit
from insights.reengagement.options import Options
from insights.reengagement.reasons import Reader, reason_of
from insights.reengagement.similar import Likeness, Similar
from insights.reengagement.timing import BestDate, UsualWait, WonBack, best_date, won_back_pairs
from models.explain import reasons_of_row
from models.taxonomy import Taxonomy

SHOWN_REASONS = 3
"""Lines that say why a deal ranks where it does."""
LONGEST = 300
"""Characters of a note that are shown."""


@dataclass(frozen=True)
class Row:
    """A lost deal worth another call.

    Attributes:
        rank: Place among the deals of its currency, from 1.
        id: The deal.
        name: Its name.
        account_id: Its account; None where it has none.
        account: Name of the account.
        owner_id: Its owner when it was lost.
        owner: Name of the owner.
        lost_on: Day of the loss.
        stage: Stage that it had reached; None where unknown.
        amount: Amount of the lost deal, in units of `currency`; None where there is none.
        currency: Currency of all amounts of the row; "" where it is not stated.
        reason: Id of the reason; None where it cannot be told.
        reason_name: What people call it.
        confidence: Probability that the reason is right; None without one.
        words: What it was taken from: the note, else the value picked in the CRM.
        hint: What would have to be different now, from the taxonomy.
        best_date: When to call; None where nothing tells.
        best_date_why: What that rests on.
        probability: Probability that an opportunity of the account created after as_of is won within the horizon.
        lower: Lower end of the interval that should hold the true probability.
        upper: Upper end.
        expected_amount: Amount expected of the deal that comes back.
        expected_value: Probability times expected amount.
        method: `model` or `prior`: what the probability rests on.
        why: Why it ranks here, the weightiest first.
        similar: Deals like it that did come back.
    """

    rank: int
    id: str
    name: str | None
    account_id: str | None
    account: str | None
    owner_id: str | None
    owner: str | None
    lost_on: date
    stage: str | None
    amount: float | None
    currency: str
    reason: str | None
    reason_name: str | None
    confidence: float | None
    words: str
    hint: str
    best_date: date | None
    best_date_why: str
    probability: float
    lower: float
    upper: float
    expected_amount: float | None
    expected_value: float | None
    method: str
    why: list[str]
    similar: list[Similar]


@dataclass(frozen=True)
class Queue:
    """The queue at a moment.

    Attributes:
        as_of: The day, 00:00 UTC; None for an export without dates, which has no queue.
        horizon: Months in which a win counts.
        rows: The deals, by currency (that of most deals first) and rank.
        method: What the probabilities rest on: `prior`, or the kind of model.
        why: Why that.
        winbacks: Accounts won back in the history.
        excluded: Lost deals left out, by reason.
        notes: What to know about it.
        simulated: Whether the data come from the simulator.
    """

    as_of: date | None
    horizon: int
    rows: list[Row]
    method: str
    why: str
    winbacks: int
    excluded: dict[str, int]
    notes: list[str] = field(default_factory=list)
    simulated: bool = False


@dataclass(frozen=True)
class Learned:
    """What the history taught by a moment.

    Attributes:
        accounts: The company's accounts.
        knowing: Asks what was known of lost deals.
        left_out: Deals that do not count, shape (n_deals,).
        why_left_out: Why not, by deal.
        model: The probability.
        line: The amount.
        usual: When accounts come back.
        likeness: Finds similar deals.
        as_of: The moment, in microseconds.
    """

    accounts: Accounts
    knowing: Knowing
    left_out: np.ndarray
    why_left_out: dict[int, str]
    model: WinbackModel
    line: AmountLine
    usual: UsualWait
    likeness: Likeness
    as_of: int


def learn(
    history: History, as_of: int, options: Options, taxonomy: Taxonomy, reader: Reader | None = None
) -> Learned:
    """Learn from what was known strictly before a moment.

    Args:
        history: The deals.
        as_of: Microseconds.
        options: How the queue is made.
        taxonomy: The reasons of lost deals.
        reader: Reads notes; without, reasons are those picked in the CRM.
    """
    accounts = Accounts(history, options)
    knowing = Knowing(accounts, taxonomy, reader)
    lost = np.unique(accounts.losses.numbers("deal")[accounts.losses.time < as_of].astype(np.int64))
    reasons = reason_of(history, lost, np.full(len(lost), as_of, dtype=np.int64), taxonomy, reader)
    left_out = left_out_deals(history, taxonomy, reasons, lost)
    why = {deal: why_left_out(taxonomy, reasons, row) for row, deal in enumerate(lost.tolist()) if left_out[deal]}
    rows = landmarks(accounts, as_of, options.horizon, left_out)
    matrix = knowing(rows.lost).matrix
    model = fit(rows, matrix, taxonomy, options.horizon, options.least_winbacks)
    pairs = won_back_pairs(accounts, rows)
    reason = matrix.columns.get("loss_reason", Coded.of([]))
    assert isinstance(reason, Coded)
    amounts = (_amount(history, pairs.lost, as_of), _amount(history, pairs.won, as_of))
    same = _currency(history, pairs.lost).strings() == _currency(history, pairs.won).strings()
    return Learned(
        accounts, knowing, left_out, why, model, AmountLine.learn(amounts[0][same], amounts[1][same]),
        UsualWait.learn(accounts, rows, reason), _likeness(accounts, pairs, reason, as_of), as_of,
    )  # fmt: skip


def _likeness(accounts: Accounts, pairs: WonBack, reason: Coded, as_of: int) -> Likeness:
    return Likeness(accounts, pairs, reason.take(pairs.row), as_of)


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
        reader: Reads notes; without, reasons are those picked in the CRM.
        rates: What to convert amounts by; without, each currency has a ranking of its own.
    """
    simulated = history.crm.process.simulated
    if history.crm.process.time_basis != "dates":
        told = "the export has no dates, so nobody can tell who came back after a loss"
        return Queue(None, options.horizon, [], PRIOR, told, 0, {}, [told], simulated)
    learned = learn(history, as_of, options, taxonomy, reader)
    found = sort_out(learned.accounts, as_of, learned.left_out, learned.why_left_out)
    model, notes = learned.model, _notes(history, found.lost, as_of)
    rows = _rows(learned, found.lost, taxonomy, rates, notes) if len(found.lost) else []
    method = PRIOR if model.kind == PRIOR else model.kind
    return Queue(moment(as_of).date(), options.horizon, rows, method, model.why, model.winbacks, found.excluded,
                 notes, simulated)  # fmt: skip


def _notes(history: History, lost: Lost, as_of: int) -> list[str]:
    """What to know about the queue."""
    told = []
    if not len(lost):
        entered = bool((history.created < as_of).any())
        told.append("no lost deal is worth a call" if entered else "no deal had been entered by then")
    if history.crm.known("opportunities", "account_id") is None:
        told.append("deals name no account: nobody can be seen to come back, and probabilities are the prior's")
    if "notes" not in history.crm.tables:
        told.append("no notes: no dates to call again were named")
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
    amounts = amounts_of(_amount(history, lost.deal, learned.as_of), _currency(history, lost.deal), rates)
    notes.extend(f"{n} deals in {name} have no rate and are ranked without an amount"
                 for name, n in amounts.without_rate.items())  # fmt: skip
    expected = learned.line.expect(amounts.values)
    value = told.p * expected
    similar = learned.likeness.of(lost.deal, known.reasons.reason, lost.account)
    shown = _Shown(learned, lost, known, told, taxonomy)
    return [
        shown.row(int(row), rank, currency, amounts.values[row], expected[row], value[row], similar[row])
        for currency, order in ranked(amounts, value, told.p)
        for rank, row in enumerate(order.tolist(), 1)
    ]


class _Shown:
    """Puts rows into words."""

    def __init__(self, learned: Learned, lost: Lost, known: Known, told: Told, taxonomy: Taxonomy) -> None:
        self.learned, self.lost, self.known, self.told, self.taxonomy = learned, lost, known, told, taxonomy
        history = learned.accounts.history
        self.history = history
        self.described = learned.knowing.described()
        self.reasons = known.reasons.reason.strings()
        self.owner = _texts(history, "owner_id", lost)
        self.names = _texts(history, "name", lost)
        stage = known.matrix.columns.get("stage")
        self.stages = stage.strings() if isinstance(stage, Coded) else np.full(len(lost), "", dtype=object)
        self.accounts, self.users = _names(history, "accounts", "account_id"), _names(history, "users", "user_id")

    def row(self, place: int, rank: int, currency: str, amount: float, expected: float, value: float,
            similar: list[Similar]) -> Row:  # fmt: skip
        lost, known, told, learned = self.lost, self.known, self.told, self.learned
        id = str(self.reasons[place]) or None
        reason = self.taxonomy.reason(id) if id in self.taxonomy.ids and id is not None else None
        account = learned.accounts.id(int(lost.account[place]))
        when = self._best_date(place, id or "")
        confidence = float(known.reasons.confidence[place])
        return Row(
            rank=rank, id=self.history.deal_ids[lost.deal[place]], name=self.names[place],
            account_id=account, account=self.accounts.get(account or ""),
            owner_id=self.owner[place], owner=self.users.get(self.owner[place] or ""),
            lost_on=moment(int(lost.lost_at[place])).date(), stage=str(self.stages[place]) or None,
            amount=_number(amount, 2), currency=currency, reason=id,
            reason_name=reason.name if reason is not None else id, confidence=_number(confidence, 4),
            words=_short(known.reasons.words[place]), hint=reason.hint if reason is not None else "",
            best_date=when.day if when is not None else None, best_date_why=when.why if when is not None else "",
            probability=float(told.p[place]), lower=float(told.lower[place]), upper=float(told.upper[place]),
            expected_amount=_number(expected, 2), expected_value=_number(value, 2),
            method="prior" if learned.model.kind == PRIOR else "model",
            why=self._why(place, reason.name if reason is not None else "an unknown reason"), similar=similar,
        )  # fmt: skip

    def _best_date(self, place: int, reason: str) -> BestDate | None:
        return best_date(self.learned.as_of, int(self.lost.lost_at[place]), reason, self.known.named[place],
                         float(self.known.contract_end[place]), self.learned.usual, self.taxonomy)  # fmt: skip

    def _why(self, place: int, reason: str) -> list[str]:
        told, model = self.told, self.learned.model
        if not told.features:
            days = _days(self.known.matrix, place)
            phase = model.prior.phase_of(days, str(self.reasons[place]))
            return [f"prior: {days:.0f} days after a loss for {reason.lower()}, {phase} the days held to be worth most"]
        found = reasons_of_row(self.described, told.features, told.points[place], self.known.matrix, place,
                               SHOWN_REASONS)  # fmt: skip
        return [f"{100 * item.points:+.1f} points: {item.sentence}" for item in found]


def _days(matrix: FeatureMatrix, place: int) -> float:
    days = matrix.columns["days_since_loss"]
    assert not isinstance(days, Coded)
    return float(days[place])


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if value == value else None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _texts(history: History, name: str, lost: Lost) -> list[str | None]:
    """A text column of the lost deals as it stood at the moments."""
    field = history.field(f"opportunities.{name}")
    codes = field.codes(lost.deal, lost.as_of)
    return [field.levels[code] if code >= 0 else None for code in codes.tolist()]


def _names(history: History, table: str, key: str) -> dict[str, str]:
    """Names of a table's records by id."""
    columns = history.crm.tables.get(table, {})
    ids, names = columns.get(key), columns.get("name")
    if not isinstance(ids, Coded) or not isinstance(names, Coded):
        return {}
    return {str(id): str(name) for id, name in zip(ids.strings(), names.strings(), strict=True) if name}


__all__ = ["Learned", "Queue", "Row", "learn", "make_queue"]
