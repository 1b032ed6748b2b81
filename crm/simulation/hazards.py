"""What may happen to a deal within a week, and how likely: pure functions of the deals' state and the parameters.

Winning, losing and moving between stages compete: each has a rate per week, something happens within a span of s weeks
with probability 1 - exp(-s * sum of rates), and which of them in proportion to the rates. Nothing here draws random
numbers or knows of a whole simulation, so the true win probability of any state can be computed from the same rates.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from crm.simulation.parameters import Parameters
from crm.tables import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

EPOCH = date(1970, 1, 1)


@dataclass
class State:
    """Deals at the start of a week: n of them, one array of shape (n,) per quantity.

    Attributes:
        stage: Place in `parameters.STAGES`.
        stage_weeks: Weeks since the deal entered its stage.
        age_weeks: Weeks since the deal was entered.
        fit: Strength from what is known at entry (industry, source, product, kind of deal), in log-odds.
        quality: Hidden quality, standard normal; never exported.
        skill: Skill of the owner, standard normal; never exported.
        size: Amount in standard deviations of its segment's log amount.
        momentum: How lively the deal is, about standard normal; seen only through activities.
        dark_weeks: Weeks for which the customer has been silent; 0 where they are not.
        contacts: Number of contacts with a role.
        decision_maker: Whether one of them decides or pays.
        champion: Whether one of them speaks for the seller.
        blocker: Whether one of them is against it.
        rival: Place in `parameters.RIVALS`, -1 where none was entered.
        budget: Whether the budget is confirmed.
        pushes: How often the expected close was pushed.
        expected_day: Expected close, in days since 1970.
    """

    stage: IntArray
    stage_weeks: FloatArray
    age_weeks: FloatArray
    fit: FloatArray
    quality: FloatArray
    skill: FloatArray
    size: FloatArray
    momentum: FloatArray
    dark_weeks: FloatArray
    contacts: IntArray
    decision_maker: BoolArray
    champion: BoolArray
    blocker: BoolArray
    rival: IntArray
    budget: BoolArray
    pushes: IntArray
    expected_day: IntArray

    def __len__(self) -> int:
        """Number of deals."""
        return len(self.stage)

    def take(self, rows: IntArray | BoolArray) -> State:
        """A copy of the chosen deals."""
        return State(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def put(self, rows: IntArray, deals: State) -> None:
        """Write deals back to the rows from which they were taken."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(deals, field.name)


@dataclass(frozen=True)
class Week:
    """What the calendar does to every deal in a week.

    Attributes:
        day: First day of the week (a Monday), in days since 1970.
        quarter_end: Last day of a quarter that lies in this week, in days since 1970; -1 where there is none.
        first_of_quarter: Whether it is the first full week of a quarter.
        lull: Whether it lies in August or holds the end of the year.
        years: Years since the market's strength was 0 (the start of the simulation).
    """

    day: int
    quarter_end: int
    first_of_quarter: bool
    lull: bool
    years: float


def week_of(day: int, origin: int) -> Week:
    """The calendar of the week that begins on a Monday, both in days since 1970; `origin` is where drift begins."""
    monday = EPOCH + timedelta(days=day)
    days = [monday + timedelta(days=offset) for offset in range(7)]
    end = next((d for d in days if d.month % 3 == 0 and (d + timedelta(days=1)).month != d.month), None)
    return Week(
        day=day,
        quarter_end=-1 if end is None else (end - EPOCH).days,
        first_of_quarter=monday.month % 3 == 1 and monday.day <= 7,
        lull=monday.month == 8 or (monday.month, monday.day) >= (12, 22) or (monday.month == 1 and monday.day <= 3),
        years=(day - origin) / 365.25,
    )


def strength(state: State, week: Week, p: Parameters) -> FloatArray:
    """How strong each deal is, in log-odds of winning against losing: what is seen, plus what is hidden."""
    seen = (
        state.fit
        + p.owner * state.skill
        + p.size * state.size
        + p.decision_maker * state.decision_maker
        + p.champion * state.champion
        + p.blocker * state.blocker
        + p.contacts * np.log2(1.0 + state.contacts)
        + p.budget * state.budget
        + p.push * np.minimum(state.pushes, 4)
        + np.array([*p.rivals, 0.0])[state.rival]
    )
    market = p.centre + p.drift * week.years + p.swing * np.sin(np.pi * week.years)
    hidden = p.quality * p.difficulty * state.quality
    return np.asarray(seen + hidden + p.momentum * state.momentum + market, dtype=np.float64)


@dataclass(frozen=True)
class Rates:
    """Rates per week of what competes to end or move a deal, each of shape (n,).

    Attributes:
        forward: Moving on by one stage.
        skip: Moving on by two.
        back: Falling back by one.
        win: Being won.
        loss: Being lost.
    """

    forward: FloatArray
    skip: FloatArray
    back: FloatArray
    win: FloatArray
    loss: FloatArray

    def stacked(self) -> FloatArray:
        """The five rates as columns, shape (n, 5), in the order of `dynamics.Move`."""
        return np.column_stack([self.forward, self.skip, self.back, self.win, self.loss])


def rates(state: State, week: Week, p: Parameters) -> Rates:
    """Weekly rates of winning, losing and moving of every deal, given its state and the calendar."""
    x = strength(state, week, p)
    dark = state.dark_weeks > 0
    last = len(p.forward_rate) - 1
    pace = p.lull * week.lull
    near = np.abs(state.expected_day - week.day - 3) <= 14
    win = (
        np.array(p.win_rate)[state.stage]
        + p.win_slope * x
        + p.dark_win * dark
        + p.near_close * near
        + p.quarter_win * (week.quarter_end >= 0)
        + p.quarter_start * week.first_of_quarter
        + pace
    )
    loss = (
        np.array(p.loss_rate)[state.stage]
        - p.loss_slope * x
        + p.dark_loss * dark
        + p.stale * np.log2(np.maximum(state.stage_weeks, 4.0) / 4.0)
        + p.old * state.age_weeks / 52.0
        + p.quarter_loss * (week.quarter_end >= 0)
        + pace
    )
    forward = np.array(p.forward_rate)[state.stage] + p.forward_slope * x + 0.5 * p.dark_win * dark + pace
    back = p.back - p.back_slope * x + pace
    return Rates(
        forward=np.exp(forward),
        skip=np.where(state.stage < last - 1, np.exp(forward + p.skip), 0.0),
        back=np.where(state.stage > 0, np.exp(back), 0.0),
        win=np.exp(win),
        loss=np.exp(loss),
    )


@dataclass(frozen=True)
class SideRates:
    """Rates per week of what happens to an open deal beside its moves, each of shape (n,).

    Attributes:
        contact: A contact with a role is added.
        roles: Probability of each role of such a contact, shape (n, roles).
        rival: A rival is entered (0 where there is one).
        budget: The budget is confirmed (0 where it is).
        dark: The customer falls silent (0 where they are).
        push: The expected close is pushed before it has come.
    """

    contact: FloatArray
    roles: FloatArray
    rival: FloatArray
    budget: FloatArray
    dark: FloatArray
    push: FloatArray


def side_rates(state: State, week: Week, p: Parameters) -> SideRates:
    """Weekly rates of new contacts, rivals, confirmed budgets, silence and pushed dates, given the state."""
    shown = state.quality / p.difficulty
    x = strength(state, week, p)
    contact = np.array(p.contact_rate)[state.stage] + 0.2 * state.momentum + 0.15 * state.skill
    weights = np.array(p.role_weights) * np.exp(np.outer(shown, p.role_quality))
    return SideRates(
        contact=np.exp(contact - 0.35 * np.maximum(state.contacts - 3, 0)),
        roles=weights / weights.sum(axis=1, keepdims=True),
        rival=np.where(state.rival < 0, np.exp(np.array(p.rival_rate)[state.stage]), 0.0),
        budget=np.where(state.budget, 0.0, np.exp(np.array(p.budget_rate)[state.stage] + p.budget_quality * shown)),
        dark=np.where(state.dark_weeks > 0, 0.0, np.exp(p.go_dark + p.dark_slope * (0.5 * shown + state.momentum))),
        push=np.exp(p.push_early - p.push_quality * x),
    )


def activity_rates(state: State, diligence: FloatArray, p: Parameters) -> tuple[FloatArray, FloatArray]:
    """Weekly rates of outbound and of inbound activities, each of shape (n,).

    Silence and momentum show here, and nowhere else.

    Args:
        state: The deals.
        diligence: Factor of each deal's owner on their own activities, shape (n,).
        p: The dials.
    """
    dark = state.dark_weeks > 0
    shown = state.quality / p.difficulty
    out = np.array(p.outbound)[state.stage] * diligence * np.exp(p.outbound_momentum * state.momentum)
    out *= np.where(state.dark_weeks > p.chase_weeks, p.given_up, 1.0)
    back = np.array(p.inbound)[state.stage] * np.exp(p.inbound_momentum * state.momentum + p.inbound_quality * shown)
    back *= np.where(dark, p.dark_inbound, 1.0)
    return out, back
