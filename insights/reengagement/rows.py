"""What the queue is made of: its rows, and what is said about it as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from insights.reengagement.similar import Similar
from insights.settled import Source


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
        reason_source: Where it comes from: `person`, `note` or `picklist`; None where it cannot be told.
        confidence: Probability that the reason is right; None without one.
        words: What it was taken from: the note, cleaned, personal data masked, else the value picked in the CRM.
        evidence: Words of the note that told the reason to the model, in order of the note.
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
    reason_source: Source | None
    confidence: float | None
    words: str
    evidence: list[str]
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
