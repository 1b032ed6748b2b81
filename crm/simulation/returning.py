"""How accounts come back after a loss: who returns, when, and the signs of it that a CRM shows.

A lost deal of new business brings a later one of the same account with a probability that rests on why and how it was
lost and on the account's hidden interest; when, depends on the reason: the date that the customer named, the next
budget year, the end of the rival's contract, or so many weeks on average. Besides, a new champion may turn up at an
account that has lost one: the CRM shows the contact and their message, and in some cases a deal follows. A deal that
comes about so takes the place of one that would have entered in the same week, so that the number of deals and their
seasons stay as they are. Whether it is won is decided by the same hazards as for every other deal.

The chance in here is drawn apart from that of the run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
from scipy.special import expit, logit, ndtr

from crm.simulation.clock import WEEK
from crm.simulation.company import Users
from crm.simulation.hazards import EPOCH, BoolArray, State
from crm.simulation.reasons import LOSS_REASONS, loss_reasons
from crm.tables import DAY, FloatArray, IntArray

RETURNS = {
    "price_value": (0.35, 30.0, 0.5),
    "budget": (0.45, 0.0, 0.0),
    "feature_gap": (0.3, 52.0, 0.5),
    "integration_technical": (0.28, 52.0, 0.5),
    "product_misfit": (0.2, 60.0, 0.6),
    "implementation_capacity": (0.4, 32.0, 0.4),
    "security_legal_procurement": (0.25, 45.0, 0.5),
    "competitor": (0.4, 0.0, 0.0),
    "incumbent_or_in_house": (0.3, 52.0, 0.2),
    "indecision": (0.4, 24.0, 0.6),
    "no_need": (0.2, 60.0, 0.6),
    "timing_deferred": (0.6, 0.0, 0.0),
    "project_cancelled": (0.03, 60.0, 0.5),
    "organisational_change": (0.35, 40.0, 0.5),
    "no_authority": (0.3, 35.0, 0.6),
    "unresponsive": (0.3, 30.0, 0.7),
    "sales_execution": (0.4, 24.0, 0.6),
    "unqualified": (0.05, 60.0, 0.5),
    "invalid_duplicate": (0.0, 60.0, 0.5),
    "unclear": (0.3, 40.0, 0.6),
}
"""Of each true reason of a loss: the share that returns in the middling case, the median weeks until then, and the
standard deviation of their logarithm. A median of 0: the time follows the calendar (`_calendar`)."""

CONTRACT_MONTHS = (12, 12, 24, 12, 18, 12)
"""How long a customer of each rival of `parameters.RIVALS` is bound."""
BEFORE_THE_END = 8
"""Weeks before the end of a rival's contract at which a customer looks around again."""
NAMED_MONTHS = (3, 15)
"""How many months ahead the date lies that a customer names who puts a deal off."""
SPREAD_WEEKS = 5.0
"""Standard deviation of the return around a date of the calendar, in weeks."""

INTEREST, STAGE, CHAMPION_THEN = 0.15, 0.6, 0.9
"""Effects on the log-odds of a return: of the hidden interest, of each stage beyond the second, of a champion."""
SAME_SIZE = 0.8
"""Correlation of a returning deal's size with that of the lost one."""

NEWS_RATE = 0.6 / 52
"""Weekly probability that a new champion turns up at an account that has lost a deal."""
NEWS_SHARE, NEWS_WEEKS, NEWS_SPREAD = 0.5, 8.0, 0.5
"""Share of them that a deal follows in the middling case, median weeks until then, and spread of the logarithm."""


@dataclass
class Chances:
    """What may bring an account back: lost deals and new champions; one array of shape (n,) per quantity.

    Attributes:
        account: Row of the account.
        deal: Row of the lost deal that a return would follow.
        start: Day of the loss or of the champion's first message, in days since 1970.
        share: Probability that a deal follows at all.
        median: Median of the weeks until then.
        spread: Standard deviation of their logarithm.
        returned: Day on which a deal that followed entered; far in the future where none has.
    """

    account: IntArray
    deal: IntArray
    start: IntArray
    share: FloatArray
    median: FloatArray
    spread: FloatArray
    returned: IntArray

    def passed(self, weeks: FloatArray) -> FloatArray:
        """Share of the returns that come within so many weeks, of the same shape as `weeks` (n in front)."""
        shape = (-1,) + (1,) * (weeks.ndim - 1)
        with np.errstate(divide="ignore"):
            late = (np.log(np.maximum(weeks, 0.0)) - np.log(self.median).reshape(shape)) / self.spread.reshape(shape)
        return np.asarray(ndtr(late))


NEVER_DAY = 10**7
"""A day that does not come."""


def named_months(rng: np.random.Generator, n: int) -> IntArray:
    """How many months ahead the dates lie that n customers name, shape (n,)."""
    return rng.integers(NAMED_MONTHS[0], NAMED_MONTHS[1] + 1, n)


def _calendar(name: str, day: IntArray, rival: IntArray, ahead: IntArray) -> FloatArray:
    """Weeks to the date around which customers come back, for the reasons whose return follows the calendar."""
    if name == "timing_deferred":
        return np.asarray(ahead * 365.25 / 84, dtype=np.float64)
    if name == "budget":
        # The next middle of January that lies ten weeks off or more: a new budget year.
        years = (day + 70).astype("M8[D]").astype("M8[Y]")
        target = years.astype("M8[D]").astype(np.int64) + 14
        target = np.where(target < day + 70, (years + 1).astype("M8[D]").astype(np.int64) + 14, target)
        return np.asarray((target - day) / 7.0)
    months = np.array([*CONTRACT_MONTHS, 12])[rival]
    return np.asarray(months * 365.25 / 84 - BEFORE_THE_END, dtype=np.float64)


def chances_of(
    reason: IntArray, state: State, interest: FloatArray, day: IntArray, ahead: IntArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Share that returns, median weeks until then and their spread, of lost deals; each of shape (n,).

    Args:
        reason: Place of the true reason in `LOSS_REASONS`.
        state: State in which they were lost.
        interest: Hidden interest of their accounts, standard normal.
        day: Day of the loss, in days since 1970.
        ahead: Months ahead of the date that the customer names, where the reason is that they put it off.
    """
    table = np.array([RETURNS[name] for name in LOSS_REASONS])[reason]
    share, median, spread = table.T
    with np.errstate(divide="ignore"):
        odds = logit(share) + INTEREST * interest + STAGE * (state.stage - 1) + CHAMPION_THEN * state.champion
    share, median, spread = np.asarray(expit(odds)), median.copy(), spread.copy()
    for name in ("budget", "competitor", "timing_deferred"):
        rows = reason == LOSS_REASONS.index(name)
        median[rows] = _calendar(name, day[rows], state.rival[rows], ahead[rows])
        spread[rows] = SPREAD_WEEKS / median[rows]
    return share, median, spread


@dataclass
class _Due:
    """Deals that are to come: when, and what they follow."""

    day: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    deal: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    chance: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def add(self, day: IntArray, deal: IntArray, chance: IntArray) -> None:
        self.day = np.concatenate([self.day, day])
        self.deal = np.concatenate([self.deal, deal])
        self.chance = np.concatenate([self.chance, chance])

    def take(self, until: int, most: int) -> tuple[IntArray, IntArray]:
        """Lost deals and chances of those due before a day, the longest due first, and strike them off."""
        order = np.flatnonzero(self.day < until)
        order = order[np.argsort(self.day[order], kind="stable")][:most]
        found = self.deal[order], self.chance[order]
        keep = np.ones(len(self.day), dtype=bool)
        keep[order] = False
        self.day, self.deal, self.chance = self.day[keep], self.deal[keep], self.chance[keep]
        return found


class Returning:
    """Brings accounts back in the course of a run.

    Attributes:
        interest: Hidden interest of each account, standard normal, independent of all else, shape (n_accounts,).
        reason: True reason of each lost deal, place in `LOSS_REASONS`; -1 of the others, shape (n_deals,).
        ahead: Months ahead of the date that the customer of a lost deal named; 0 where none was, shape (n_deals,).
        follows: The lost deal that each deal follows, -1 for those that came by themselves, shape (n_deals,).
        entered: Deals that entered in each week of the run, and how many of them returned, shape (n_weeks, 2).
    """

    def __init__(self, n_deals: int, weight: FloatArray, users: Users, rng: np.random.Generator) -> None:
        """Begin with nothing lost.

        Args:
            n_deals: Number of deals of the run.
            weight: Share of each account in the ordinary deals, shape (n_accounts,), adding up to 1.
            users: The sellers.
            rng: Where all chance in here comes from.
        """
        n_accounts = len(weight)
        self.rng, self.users, self.weight = rng, users, weight
        self.interest = rng.standard_normal(n_accounts)
        self.reason = np.full(n_deals, -1)
        self.ahead = np.zeros(n_deals, dtype=np.int64)
        self.follows = np.full(n_deals, -1)
        self.entered: list[tuple[int, int]] = []
        self._parts: list[Chances] = []
        self._n_chances = 0
        self._due = _Due()
        self._returned: list[tuple[IntArray, int]] = []
        self._last_lost = np.full(n_accounts, -1)
        self.first_lost = np.full(n_accounts, NEVER_DAY)
        """Day of each account's first loss of new business, in days since 1970; far away where it has none."""

    def enter(self, rows: IntArray, day: int, week_end: int, account: IntArray, product: IntArray,
              customer: BoolArray) -> None:  # fmt: skip
        """Give the deals that are due their place among those that enter in a week.

        Args:
            rows: Deals that enter.
            day: The week's Monday, in days since 1970.
            week_end: Its end, in microseconds.
            account: Row of every deal's account, shape (n_deals,); changed for those that return.
            product: Every deal's product, likewise.
            customer: Whether each account is a customer, shape (n_accounts,).
        """
        self._keep_away(rows, day, account, customer)
        before, chance = self._due.take(-(-week_end // DAY), len(rows))
        places = self.rng.permutation(rows)[: len(before)]
        account[places], product[places] = account[before], product[before]
        self.follows[places] = before
        self._returned.append((chance, day))
        self.entered.append((len(rows), len(before)))

    def _keep_away(self, rows: IntArray, day: int, account: IntArray, customer: BoolArray) -> None:
        """Give the ordinary deals of accounts that have lost one, and are no customers, to others."""
        away = (self.first_lost < day) & ~customer
        moving = rows[away[account[rows]]]
        others = self.weight * ~away
        if len(moving) and others.sum() > 0:
            account[moving] = self.rng.choice(len(others), len(moving), p=others / others.sum())

    def lost(self, rows: IntArray, new_business: BoolArray, state: State, owner: IntArray, account: IntArray,
             closed: IntArray) -> None:  # fmt: skip
        """Draw why deals were lost, and whether and when their accounts come back.

        Args:
            rows: The deals.
            new_business: Whether each is new business, shape (n,); renewals and expansions bring nobody back.
            state: Their state.
            owner: Row of each one's owner.
            account: Row of each one's account.
            closed: When they were lost, in microseconds.
        """
        rng = self.rng
        reason = loss_reasons(state, self.users.diligence[owner], rng)
        ahead = np.where(reason == LOSS_REASONS.index("timing_deferred"), named_months(rng, len(rows)), 0)
        self.reason[rows], self.ahead[rows] = reason, ahead
        own, day = np.flatnonzero(new_business), closed // DAY
        share, median, spread = chances_of(
            reason[own], state.take(own), self.interest[account[own]], day[own], ahead[own]
        )
        self._bring(rows[own], account[own], day[own], share, median, spread)
        np.minimum.at(self.first_lost, account[own], day[own])
        self._last_lost[account[own]] = rows[own]

    def news(self, start: int, end: int) -> tuple[IntArray, IntArray]:
        """Deals on which a new champion writes in a week, and when; for those a deal may follow.

        Args:
            start: Begin of the week, in microseconds.
            end: Its end.
        """
        known = np.flatnonzero(self.first_lost < start // DAY)
        account = known[self.rng.random(len(known)) < NEWS_RATE]
        n = len(account)
        time = start + (self.rng.random(n) * min(end - start, WEEK)).astype(np.int64) // 1_000_000 * 1_000_000
        share = expit(logit(NEWS_SHARE) + INTEREST * self.interest[account])
        self._bring(self._last_lost[account], account, time // DAY, np.asarray(share),
                    np.full(n, NEWS_WEEKS), np.full(n, NEWS_SPREAD))  # fmt: skip
        return self._last_lost[account], time

    def _bring(self, deal: IntArray, account: IntArray, day: IntArray, share: FloatArray, median: FloatArray,
               spread: FloatArray) -> None:  # fmt: skip
        n = len(deal)
        number = self._n_chances + np.arange(n)
        self._n_chances += n
        self._parts.append(Chances(account, deal, day, share, median, spread, np.full(n, NEVER_DAY)))
        weeks = median * np.exp(spread * self.rng.standard_normal(n))
        comes = self.rng.random(n) < share
        then = day + np.maximum(np.round(7 * weeks), 1).astype(np.int64)
        self._due.add(then[comes], deal[comes], number[comes])

    def chances(self) -> Chances:
        """All losses and new champions so far, and the deals that followed."""
        names = ("account", "deal", "start", "share", "median", "spread", "returned")
        found = Chances(*(np.concatenate([getattr(part, name) for part in self._parts]) for name in names))
        for chance, day in self._returned:
            found.returned[chance] = day
        return found


_MONTHS = ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
           "November", "December")  # fmt: skip


def period_in_words(closed: IntArray, ahead: IntArray, rng: np.random.Generator) -> list[str]:
    """How sellers write down the dates that customers named, n strings; "" where none was named.

    Only forms that every language shares, as notes of all of them are filled from here: a month or a quarter with its
    year, a quarter alone, and the year where the date lies at the start of the next one.

    Args:
        closed: When the deals were lost, in microseconds, shape (n,).
        ahead: Months ahead of the dates; 0 where none was named.
        rng: Where the choice of words comes from.
    """
    style = rng.random(len(closed))
    return [_words(int(at // DAY), int(months), float(u)) for at, months, u in zip(closed, ahead, style, strict=True)]


def _words(day: int, months: int, style: float) -> str:
    if not months:
        return ""
    then: date = EPOCH + timedelta(days=day + round(months * 365.25 / 12))
    now = EPOCH + timedelta(days=day)
    quarter = f"Q{(then.month + 2) // 3}"
    if style < 0.3:
        return f"{quarter} {then.year}"
    if style < 0.5 and months <= 11:
        return quarter
    if style < 0.7 and then.year == now.year + 1 and then.month <= 4:
        return f"{then.year}"
    if style < 0.85 and months <= 11:
        return _MONTHS[then.month - 1]
    return f"{then.month:02d}/{then.year}"
