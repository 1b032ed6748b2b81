"""The course of all deals, week by week: who enters, what the hazards do, and what the CRM would have noted."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from crm.simulation import company as c
from crm.simulation.clock import WEEK, entry_times, within
from crm.simulation.company import Accounts, Users
from crm.simulation.dynamics import FIRST_SPREAD, Happened, Move, close_date, step, usual_momentum
from crm.simulation.hazards import BoolArray, State, Week, activity_rates, week_of
from crm.simulation.parameters import BLOCKER, CHAMPION, DECISION_MAKER, ECONOMIC_BUYER, ROLES, Parameters
from crm.simulation.returning import SAME_SIZE, Returning
from crm.simulation.watching import Passed, Watcher
from crm.tables import DAY, NAT, FloatArray, IntArray

DISCOUNT_SHARE = 0.45
"""Share of won deals whose amount is cut at signing."""

AFFINITY_SHARE = 0.3
"""Share of the hidden quality's variance that an account's deals have in common."""

MOST_ACTIVITIES = 12
"""Activities of one direction that a deal has in a week at most."""


class Log:
    """Dated events as they happen, gathered per kind as columns."""

    def __init__(self) -> None:
        """Begin with nothing noted."""
        self._parts: dict[str, list[dict[str, np.ndarray]]] = defaultdict(list)

    def add(self, kind: str, **columns: np.ndarray) -> None:
        """Note events; every column has one value per event."""
        self._parts[kind].append(columns)

    def columns(self, kind: str) -> dict[str, np.ndarray]:
        """All events of a kind, in order of deal and time (and of noting, where those are equal)."""
        parts = self._parts[kind]
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.lexsort((joined["time"], joined["deal"]))
        return {name: values[order] for name, values in joined.items()}


@dataclass(frozen=True)
class Deals:
    """What is fixed or final about each deal, one array of shape (n_deals,) per quantity.

    Attributes:
        created: Time of entry, in microseconds since 1970, in order.
        account: Row of the account.
        product: Place in `company.PRODUCTS`.
        partner: Whether a partner is involved.
        deal_type: Place in `company.DEAL_TYPES`.
        source: Place in `company.LEAD_SOURCES`.
        first_owner: Row of the user who owned it at entry.
        first_amount: Amount at entry, in EUR.
        first_expected: Expected close at entry, in days since 1970.
        first_contact: Role of the contact who was there at entry, -1 where there was none.
        owner: Row of the user who owns it at the end.
        amount: Amount at the end, in EUR.
        won: Whether it was won.
        closed: Time of the close, NAT for the open ones.
    """

    created: IntArray
    account: IntArray
    product: IntArray
    partner: BoolArray
    deal_type: IntArray
    source: IntArray
    first_owner: IntArray
    first_amount: FloatArray
    first_expected: IntArray
    first_contact: IntArray
    owner: IntArray
    amount: FloatArray
    won: BoolArray
    closed: IntArray


@dataclass(frozen=True)
class Course:
    """A whole run.

    Attributes:
        deals: The deals.
        state: Their state at the end: at the close, or at the export.
        log: The events: moves, roles, rivals, budgets, dates, amounts, owners, activities.
        end: Time of the export, in microseconds since 1970; nothing happens at or after it.
    """

    deals: Deals
    state: State
    log: Log
    end: int


def _blank_state(n: int) -> State:
    def zeros() -> FloatArray:
        return np.zeros(n)

    def whole() -> IntArray:
        return np.zeros(n, dtype=np.int64)

    def no() -> BoolArray:
        return np.zeros(n, dtype=bool)

    return State(
        stage=whole(), stage_weeks=zeros(), age_weeks=zeros(), fit=zeros(), quality=zeros(), skill=zeros(),
        size=zeros(), momentum=zeros(), dark_weeks=zeros(), contacts=whole(), decision_maker=no(), champion=no(),
        blocker=no(), rival=np.full(n, -1), budget=no(), pushes=whole(), expected_day=whole(),
    )  # fmt: skip


def _enter(
    rows: IntArray, deals: Deals, state: State, accounts: Accounts, users: Users, customer: BoolArray,
    p: Parameters, rng: np.random.Generator, follows: IntArray,
) -> None:  # fmt: skip
    """Enter the deals of a week: what kind they are depends on whether their account is a customer by then.

    One that follows a lost deal (`follows`, shape (n,), -1 for the others) is new business of about the same size.
    """
    n = len(rows)
    account, day = deals.account[rows], deals.created[rows] // DAY
    is_customer = customer[account]
    kind = np.where(is_customer & (rng.random(n) < 0.75), np.where(rng.random(n) < 0.6, 1, 2), 0)
    again = follows >= 0
    kind = np.where(again, 0, kind)
    source = np.where(
        is_customer,
        rng.choice(len(c.LEAD_SOURCES), n, p=c.CUSTOMER_SOURCE_SHARES),
        rng.choice(len(c.LEAD_SOURCES), n, p=c.NEW_SOURCE_SHARES),
    )
    owner = accounts.owner[account]
    first_day = int(day.min()) if n else 0
    other = users.teammate(owner, first_day, rng)
    owner = np.where((users.leaves[owner] <= day) | (rng.random(n) < 0.2), other, owner)
    segment, product = accounts.segment[account], deals.product[rows]
    size = rng.standard_normal(n)
    size = np.where(again, SAME_SIZE * state.size[follows] + np.sqrt(1 - SAME_SIZE**2) * size, size)
    middle = np.array(c.SEGMENT_AMOUNT)[segment] * np.array(c.PRODUCT_PRICE)[product]
    amount = c.round_amount(middle * np.array(c.DEAL_TYPE_AMOUNT)[kind] * np.exp(c.AMOUNT_SPREAD * size))
    cycle = np.array(c.SEGMENT_CYCLE)[segment] * np.exp(0.3 * rng.standard_normal(n))
    expected = np.maximum(close_date(day + np.round(cycle).astype(np.int64), rng), day + 7)
    weights = np.array(p.role_weights)
    contact = np.where(rng.random(n) < 0.75, rng.choice(len(ROLES), n, p=weights / weights.sum()), -1)

    deals.deal_type[rows], deals.source[rows] = kind, source
    deals.first_owner[rows] = deals.owner[rows] = owner
    deals.first_amount[rows] = deals.amount[rows] = amount
    deals.first_expected[rows], deals.first_contact[rows] = expected, contact

    fit = accounts.fit()[account] + np.array(c.DEAL_TYPE_FIT)[kind] + np.array(c.LEAD_SOURCE_FIT)[source]
    fit += np.array(c.PRODUCT_FIT)[product] + 0.25 * deals.partner[rows]
    # Analytics sells to those with much data, Mobile to those on the road: effects that no single column shows.
    fit += 0.5 * ((product == 1) & np.isin(accounts.industry[account], (2, 4)))
    fit += 0.6 * ((product == 3) & np.isin(accounts.industry[account], (5, 8)))
    state.fit[rows], state.size[rows], state.skill[rows] = fit, size, users.skill[owner]
    own = np.sqrt(1.0 - AFFINITY_SHARE) * rng.standard_normal(n)
    state.quality[rows] = own + np.sqrt(AFFINITY_SHARE) * accounts.affinity[account]
    state.momentum[rows] = usual_momentum(state.quality[rows], p) + FIRST_SPREAD * rng.standard_normal(n)
    state.stage[rows] = np.where(kind > 0, 1, np.where(rng.random(n) < 0.3, 1, 0))
    state.contacts[rows] = contact >= 0
    state.decision_maker[rows] = np.isin(contact, (DECISION_MAKER, ECONOMIC_BUYER))
    state.champion[rows], state.blocker[rows] = contact == CHAMPION, contact == BLOCKER
    state.expected_day[rows] = expected


def _log_changes(log: Log, rows: IntArray, before: State, happened: Happened, start: IntArray, end: IntArray,
                 rng: np.random.Generator) -> None:  # fmt: skip
    """Note what a week's side events leave in the CRM: roles, rivals, budgets, pushed dates."""

    def note(kind: str, which: BoolArray, **columns: np.ndarray) -> None:
        time = within(start[which], end[which], rng)
        log.add(kind, deal=rows[which], time=time, **{name: values[which] for name, values in columns.items()})

    after = happened.after
    note("roles", happened.role >= 0, role=happened.role, ordinal=before.contacts)
    note("rivals", happened.rival, new=after.rival)
    note("budgets", happened.budget)
    note("dates", happened.pushed, old=before.expected_day, new=after.expected_day)


def _log_activities(log: Log, rows: IntArray, before: State, span: FloatArray, start: IntArray, end: IntArray,
                    diligence: FloatArray, p: Parameters, rng: np.random.Generator) -> list[IntArray]:  # fmt: skip
    """Draw a week's emails, calls and meetings; how many outbound and how many inbound ones each deal had."""
    counts = []
    for inbound, rate in zip((False, True), activity_rates(before, diligence, p), strict=True):
        count = np.minimum(rng.poisson(rate * span), MOST_ACTIVITIES)
        which = np.repeat(np.arange(len(rows)), count)
        log.add(
            "activities",
            deal=rows[which],
            time=within(start[which], end[which], rng),
            inbound=np.full(len(which), inbound),
            stage=before.stage[which],
            contacts=before.contacts[which],
            milestone=np.zeros(len(which), dtype=np.int64),
        )
        counts.append(count)
    return counts


def _log_news(log: Log, rows: IntArray, time: IntArray, state: State) -> None:
    """Note the new champions of accounts on the deals that they had lost: a contact, and a first message."""
    contacts = state.contacts[rows]
    log.add("roles", deal=rows, time=time, role=np.full(len(rows), CHAMPION), ordinal=contacts)
    log.add("activities", deal=rows, time=time, inbound=np.ones(len(rows), dtype=bool), stage=state.stage[rows],
            contacts=contacts + 1, milestone=np.zeros(len(rows), dtype=np.int64))  # fmt: skip


def _log_moves(log: Log, rows: IntArray, before: State, happened: Happened, start: IntArray, end: IntArray,
               rng: np.random.Generator) -> None:  # fmt: skip
    """Note a week's stage moves, and the demo or the quote that goes with one."""
    moved = happened.move <= Move.BACK
    time = within(start[moved], end[moved], rng)
    to = happened.after.stage[moved]
    log.add("moves", deal=rows[moved], time=time, old=before.stage[moved], new=to)
    shows = ((to == 2) | (to == 3)) & (happened.move[moved] != Move.BACK) & (rng.random(len(to)) < 0.85)
    start, end = time[shows], np.minimum(time[shows] + 2 * DAY, end[moved][shows])
    log.add(
        "activities",
        deal=rows[moved][shows],
        time=within(start, end, rng),
        inbound=np.zeros(len(start), dtype=bool),
        stage=to[shows],
        contacts=before.contacts[moved][shows],
        milestone=to[shows] - 1,
    )


def _reprice(log: Log, rows: IntArray, before: State, happened: Happened, deals: Deals, start: IntArray,
             end: IntArray, rng: np.random.Generator) -> None:  # fmt: skip
    """Change amounts: on a proposal, now and then, and as a discount in the moment of signing."""
    n = len(rows)
    won = happened.move == Move.WIN
    proposed = (happened.after.stage == 3) & (before.stage < 3)
    signed = won & (rng.random(n) < DISCOUNT_SHARE)
    changes = (rng.random(n) < np.where(proposed, 0.4, 0.02)) & ~won & (happened.move != Move.LOSS) | signed
    factor = np.exp(np.where(signed, -np.abs(0.1 * rng.standard_normal(n)), 0.22 * rng.standard_normal(n)))
    which = np.flatnonzero(changes)
    old = deals.amount[rows[which]]
    new = c.round_amount(old * factor[which])
    kept = new != old
    which, old, new = which[kept], old[kept], new[kept]
    time = np.where(signed[which], end[which], within(start[which], end[which], rng))
    log.add("amounts", deal=rows[which], time=time, old=old, new=new)
    deals.amount[rows[which]] = new


def _reassign(log: Log, rows: IntArray, deals: Deals, state: State, users: Users, week: Week, start: IntArray,
              end: IntArray, p: Parameters, rng: np.random.Generator) -> None:  # fmt: skip
    """Give deals to another owner of the team: now and then, and whenever their owner has left."""
    gone = users.leaves[deals.owner[rows]] <= week.day
    which = (gone & (rng.random(len(rows)) < 0.8)) | (rng.random(len(rows)) < p.reassign)
    moving = rows[which]
    old = deals.owner[moving]
    new = users.teammate(old, week.day, rng)
    kept = new != old
    time = within(start[which][kept], end[which][kept], rng)
    log.add("owners", deal=moving[kept], time=time, old=old[kept], new=new[kept])
    deals.owner[moving] = new
    state.skill[moving] = users.skill[new]


def _closing_times(won_or_lost: BoolArray, week: Week, start: IntArray, end: IntArray,
                   rng: np.random.Generator) -> IntArray:  # fmt: skip
    """When the deals that close this week do so: before a quarter ends, where one does."""
    if week.quarter_end >= 0:
        by_then = np.minimum(end, (week.quarter_end + 1) * DAY)
        end = np.where((by_then > start) & (rng.random(len(end)) < 0.85), by_then, end)
    return np.where(won_or_lost, within(start, end, rng), end)


def run(
    n_deals: int, first_day: int, last_day: int, accounts: Accounts, users: Users, account: IntArray,
    p: Parameters, rng: np.random.Generator, watcher: Watcher | None = None, returning: Returning | None = None,
) -> Course:  # fmt: skip
    """Let deals run their course from `first_day` to before `last_day` (days since 1970).

    Args:
        n_deals: Number of deals that enter in that time.
        first_day: First day of entry; where the drift of the market begins.
        last_day: Day of the export; nothing happens from its 00:00 UTC on.
        accounts: The buyers.
        users: The sellers.
        account: Row of each deal's account, shape (n_deals,).
        p: The dials.
        rng: Where all chance comes from.
        watcher: Who is shown the deals week by week; the run is the same with and without.
        returning: What brings accounts back after a loss; by default nothing does. It changes `account`.
    """
    finish = last_day * DAY
    deals = Deals(
        created=entry_times(n_deals, first_day, last_day, rng),
        account=account,
        product=rng.choice(len(c.PRODUCTS), n_deals, p=c.PRODUCT_SHARES),
        partner=rng.random(n_deals) < 0.18,
        **{name: np.full(n_deals, -1) for name in (
            "deal_type", "source", "first_owner", "first_expected", "first_contact", "owner")},
        first_amount=np.zeros(n_deals),
        amount=np.zeros(n_deals),
        won=np.zeros(n_deals, dtype=bool),
        closed=np.full(n_deals, NAT),
    )  # fmt: skip
    state, log, customer = _blank_state(n_deals), Log(), accounts.customer.copy()
    monday = first_day - (first_day + 3) % 7
    active, entered = np.empty(0, dtype=np.int64), 0
    for day in range(monday, last_day, 7):
        week = week_of(day, first_day)
        if watcher is not None:
            watcher.at(day, active, state.take(active))
        week_end = min(day * DAY + WEEK, finish)
        until = int(np.searchsorted(deals.created, week_end))
        newcomers = np.arange(entered, until, dtype=np.int64)
        follows = np.full(len(newcomers), -1)
        if returning is not None:
            returning.enter(newcomers, day, week_end, deals.account, deals.product, customer)
            follows = returning.follows[newcomers]
            _log_news(log, *returning.news(max(day, first_day) * DAY, week_end), state)
        _enter(newcomers, deals, state, accounts, users, customer, p, rng, follows)
        active, entered = np.concatenate([active, newcomers]), until

        before = state.take(active)
        start = np.maximum(deals.created[active], day * DAY)
        end = np.full(len(active), week_end)
        span = (end - start) / WEEK
        happened = step(before, week, span, p, rng)
        won, lost = happened.move == Move.WIN, happened.move == Move.LOSS
        end = _closing_times(won | lost, week, start, end, rng)
        _log_changes(log, active, before, happened, start, end, rng)
        open_span, diligence = (end - start) / WEEK, users.diligence[deals.owner[active]]
        outbound, inbound = _log_activities(log, active, before, open_span, start, end, diligence, p, rng)
        _log_moves(log, active, before, happened, start, end, rng)
        _reprice(log, active, before, happened, deals, start, end, rng)
        if watcher is not None:
            watcher.passed(Passed(week, active, before, span, happened, outbound, inbound, open_span, diligence))
        state.put(active, happened.after)
        deals.won[active[won]] = True
        deals.closed[active[won | lost]] = end[won | lost]
        customer[deals.account[active[won]]] = True
        if returning is not None:
            gone = active[lost]
            returning.lost(gone, deals.deal_type[gone] == 0, state.take(gone), deals.owner[gone], deals.account[gone],
                           deals.closed[gone])  # fmt: skip
        open_still = ~(won | lost)
        _reassign(log, active[open_still], deals, state, users, week, start[open_still], end[open_still], p, rng)
        active = active[open_still]
    if watcher is not None and (last_day - monday) % 7 == 0:
        watcher.at(last_day, active, state.take(active))
    return Course(deals, state, log, finish)
