"""How likely each account that has lost a deal is to be won back, month by month: the truth behind the simulated CRM.

Asked is the probability that some deal of new business which the account enters in the months after a landmark is won
before a horizon ends. Given what the simulation knows of the account, such deals come from independent sources: each
loss and each new champion so far brings one at most (`crm.simulation.returning`), the account's ordinary deals are a
Poisson process, and so are the new champions to come. Let B(u) be the probability that a deal entering in week u is won
before the horizon H, or lost and followed by one that is:

    B(u) = W(H - u) + sum_m C(m) B(u + m),

W(k) the probability that a deal is won within k weeks, C(m) that it is lost and followed by another m weeks later. Then

    1 - P = product over losses and champions (1 - sum_u q(u) B(u)) x exp(-sum_u r(u) B(u)),

q(u) the probability that the one to follow enters in week u, given that it has not come yet, r(u) the rate of ordinary
deals and of those after future champions (thinning of Poisson processes; Kingman, Poisson Processes, 1993, ch. 5).
W and C are learned from deals that run the same hazards apart from the CRM.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from crm.simulation import company as c
from crm.simulation import returning as r
from crm.simulation.company import Accounts, Users
from crm.simulation.course import Course, run
from crm.simulation.dynamics import Move
from crm.simulation.frames import times
from crm.simulation.hazards import EPOCH, State, rates
from crm.simulation.parameters import Parameters
from crm.simulation.reasons import LOSS_REASONS, loss_reasons
from crm.simulation.returning import Chances, Returning
from crm.simulation.watching import Passed
from crm.tables import DAY, NAT, FloatArray, IntArray

HORIZONS = (6, 12, 18)
"""Months after the landmark in which an account may be won back."""
WEEKS = 80
"""Weeks in the longest horizon, and a little more."""
POOL_DEALS = 12_000
"""Deals from which it is learned how likely and how fast a deal of new business is won or lost."""
BANDS = 4
"""Groups of deals by how likely they are to be won, each with its own speed."""
OTHER_BUSINESS = 0.25
"""Share of new business among the ordinary deals of an account that is a customer (see `course`)."""


class _Ends:
    """Watches a pool of deals: how likely each one's close was to be a win, rather than whether it was."""

    def __init__(self, p: Parameters) -> None:
        self.p = p
        self.rows: list[IntArray] = []
        self.share: list[FloatArray] = []
        self.states: list[State] = []

    def at(self, _day: int, _rows: IntArray, _state: State) -> None:
        """Nothing to learn here."""

    def passed(self, passed: Passed) -> None:
        closed = (passed.happened.move == Move.WIN) | (passed.happened.move == Move.LOSS)
        rate = rates(passed.before.take(closed), passed.week, self.p)
        self.rows.append(passed.rows[closed])
        self.share.append(rate.win / (rate.win + rate.loss))
        lost = passed.happened.move == Move.LOSS
        self.states.append(passed.happened.after.take(lost))


@dataclass(frozen=True)
class Kernel:
    """What becomes of a deal of new business, given its account, its product and when it enters.

    Attributes:
        origin: Day from which the market drifts, in days since 1970.
        coefficients: Of `_terms`, for the log-odds of being won in the end.
        edges: Log-odds that separate the bands, shape (BANDS - 1,).
        won: Share of the wins of each band that have come within k weeks, shape (BANDS, WEEKS + 1).
        lost: Share of the losses of each band that come in week k, shape (BANDS, WEEKS + 1).
        reasons: Share of each true reason among the losses, shape (n_reasons,).
    """

    origin: int
    coefficients: FloatArray
    edges: FloatArray
    won: FloatArray
    lost: FloatArray
    reasons: FloatArray

    def win_odds(self, strength: FloatArray, affinity: FloatArray, size: FloatArray, segment: IntArray,
                 day: FloatArray) -> FloatArray:  # fmt: skip
        """Log-odds that deals are won in the end, of the arguments' common shape."""
        s, a, z, g, d = np.broadcast_arrays(strength, affinity, size, segment, day)
        terms = _terms(s.ravel(), a.ravel(), z.ravel(), g.ravel(), d.ravel(), self.origin)
        return np.asarray((terms @ self.coefficients).reshape(s.shape))

    def band(self, odds: FloatArray) -> IntArray:
        """Band of deals of these log-odds."""
        return np.searchsorted(self.edges, odds).astype(np.int64)


def _terms(strength: FloatArray, affinity: FloatArray, size: FloatArray, segment: IntArray, day: FloatArray,
           origin: int) -> FloatArray:  # fmt: skip
    years = (day - origin) / 365.25
    return np.column_stack([
        np.ones(len(strength)), strength, affinity, size, strength**2, strength * affinity, affinity**2, years,
        years**2, np.sin(np.pi * years), np.cos(np.pi * years), segment == 1, segment == 2,
    ])  # fmt: skip


def usual_strength(accounts: Accounts, account: IntArray, product: IntArray | None, customer: FloatArray) -> FloatArray:
    """Mean strength at entry of deals of new business with accounts, before it is drawn where they come from.

    Args:
        accounts: All accounts.
        account: Their rows, shape (n,).
        product: The product, where it is settled; else the mean over products is taken.
        customer: 1 where the account is a customer, whose deals have other sources.
    """
    industry = accounts.industry[account]
    sources = np.array([c.NEW_SOURCE_SHARES, c.CUSTOMER_SOURCE_SHARES]) @ np.array(c.LEAD_SOURCE_FIT)
    by_product = np.tile(np.array(c.PRODUCT_FIT), (len(account), 1))
    by_product[:, 1] += 0.5 * np.isin(industry, (2, 4))
    by_product[:, 3] += 0.6 * np.isin(industry, (5, 8))
    own = by_product @ np.array(c.PRODUCT_SHARES) if product is None else by_product[np.arange(len(account)), product]
    return np.asarray(
        accounts.fit()[account] + c.DEAL_TYPE_FIT[0] + sources[customer.astype(np.int64)] + 0.25 * 0.18 + own
    )


def learn_kernel(p: Parameters, first_day: int, last_day: int, accounts: Accounts, users: Users,
                 rng: np.random.Generator, n_deals: int = POOL_DEALS) -> Kernel:  # fmt: skip
    """Let a pool of deals run from the first day on until all that may enter within the horizons have ended."""
    nobody = replace(accounts, customer=np.zeros(len(accounts.name), dtype=bool))
    account = rng.integers(0, len(accounts.name), n_deals)
    ends = _Ends(p)
    last_entry = last_day + 7 * WEEKS
    # A clean run of accounts drawn evenly; entries go on past the last that counts, so that those have ended.
    course = run(n_deals, first_day, last_entry + 40 * 7, nobody, users, account, p, rng, ends)
    deals = course.deals
    rows, share = np.concatenate(ends.rows), np.concatenate(ends.share)
    fresh = (deals.deal_type[rows] == 0) & (deals.created[rows] < last_entry * DAY)
    first_win = np.full(len(accounts.name), np.iinfo(np.int64).max)
    np.minimum.at(first_win, deals.account[deals.won], deals.closed[deals.won])
    fresh &= deals.created[rows] < first_win[deals.account[rows]]  # customers' deals come from other sources
    rows, share = rows[fresh], share[fresh]
    of = deals.account[rows]
    strength = usual_strength(accounts, of, deals.product[rows], np.zeros(len(rows)))
    terms = _terms(strength, accounts.affinity[of], course.state.size[rows], accounts.segment[of],
                   deals.created[rows] / DAY, first_day)  # fmt: skip
    coefficients = _shares(terms, share)
    odds = terms @ coefficients
    edges = np.quantile(odds, np.arange(1, BANDS) / BANDS)
    band = np.searchsorted(edges, odds)
    weeks = np.minimum((deals.closed[rows] - deals.created[rows]) // (7 * DAY), WEEKS).astype(np.int64)
    won, lost = np.zeros((BANDS, WEEKS + 1)), np.zeros((BANDS, WEEKS + 1))
    np.add.at(won, (band, weeks), share)
    np.add.at(lost, (band, weeks), 1.0 - share)
    # Of the wins within k whole weeks after the entry's own, half of the last week's count: they fall anywhere in it.
    within = np.cumsum(won, axis=1) - 0.5 * won
    states = ends.states[0]
    states = State(**{name: np.concatenate([getattr(s, name) for s in ends.states]) for name in vars(states)})
    reasons = loss_reasons(states, np.exp(0.3 * rng.standard_normal(len(states))), rng)
    return Kernel(
        origin=first_day, coefficients=coefficients, edges=edges, won=within / won.sum(axis=1, keepdims=True),
        lost=lost / lost.sum(axis=1, keepdims=True),
        reasons=np.bincount(reasons, minlength=len(LOSS_REASONS)) / len(reasons),
    )  # fmt: skip


def _shares(x: FloatArray, share: FloatArray) -> FloatArray:
    """Coefficients of a logistic regression of shares on x, by Newton's method."""
    beta = np.zeros(x.shape[1])
    beta[0] = logit(share.mean())
    for _ in range(8):
        p = expit(x @ beta)
        gram = (x * (p * (1 - p))[:, None]).T @ x + 1e-6 * np.eye(x.shape[1])
        beta = beta + np.linalg.solve(gram, x.T @ (share - p))
    return np.asarray(beta)


@dataclass(frozen=True)
class Sources:
    """All that brings an account its deals; see the module.

    Attributes:
        course: The run.
        accounts: The buyers.
        returning: What brought accounts back in it.
        first_day: First day of entry.
    """

    course: Course
    accounts: Accounts
    returning: Returning
    first_day: int


def winback_table(sources: Sources, kernel: Kernel, account_ids: np.ndarray) -> pd.DataFrame:
    """One row per account and first of a month at which it had lost new business and had no deal open.

    Columns: account_id, landmark, and p_won_6, p_won_12, p_won_18: the probability that a deal of new business which
    the account enters at or after the landmark is won within so many months.
    """
    chances = sources.returning.chances()
    parts = [_at(sources, kernel, chances, day) for day in _landmarks(sources.first_day, sources.course.end // DAY)]
    parts = [part for part in parts if len(part[0])]
    empty = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, len(HORIZONS))))
    account, day, p = (np.concatenate(part) for part in zip(*(parts or [empty]), strict=True))
    order = np.lexsort((day, account))
    return pd.DataFrame({
        "account_id": account_ids[account[order]],
        "landmark": times(day[order] * DAY),
        **{f"p_won_{months}": p[order, k] for k, months in enumerate(HORIZONS)},
    })  # fmt: skip


def _landmarks(first_day: int, last_day: int) -> list[int]:
    first, last = (np.datetime64(day, "D").astype("M8[M]") for day in (first_day, last_day))
    months = np.arange(first + 1, last + 1)
    return [int(day) for day in months.astype("M8[D]").astype(np.int64) if day <= last_day]


def horizon_weeks(day: int, months: int) -> int:
    """Whole weeks, rounded, from a first of a month to the one so many months later."""
    start = EPOCH.toordinal() + day
    then = date.fromordinal(start)
    place = then.month - 1 + months
    return round((date(then.year + place // 12, place % 12 + 1, 1).toordinal() - start) / 7)


def _at(sources: Sources, kernel: Kernel, chances: Chances, day: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Accounts, landmark and probabilities of one landmark."""
    deals, accounts = sources.course.deals, sources.accounts
    entered = deals.created < day * DAY
    is_open = entered & ((deals.closed == NAT) | (deals.closed >= day * DAY))
    busy = np.zeros(len(accounts.name), dtype=bool)
    busy[deals.account[is_open]] = True
    chosen = np.flatnonzero((sources.returning.first_lost < day) & ~busy)
    if not len(chosen):
        return chosen, chosen, np.empty((0, len(HORIZONS)))
    customer = accounts.customer.copy()
    customer[deals.account[entered & deals.won & (deals.closed < day * DAY)]] = True
    past = np.flatnonzero((chances.start < day) & (chances.returned >= day) & np.isin(chances.account, chosen))
    lines = _Lines(sources, kernel, chances, past, chosen, customer[chosen].astype(np.float64), day)
    found = np.column_stack([lines.won_back(horizon_weeks(day, months)) for months in HORIZONS])
    return chosen, np.full(len(chosen), day), found


class _Lines:
    """The deals that may come to some accounts after a landmark, and what may follow from them."""

    def __init__(self, sources: Sources, kernel: Kernel, chances: Chances, past: IntArray, chosen: IntArray,
                 customer: FloatArray, day: int) -> None:  # fmt: skip
        accounts, course, n = sources.accounts, sources.course, len(chosen)
        self.kernel = kernel
        self.place = np.searchsorted(chosen, chances.account[past])
        then = (day + 7.0 * np.arange(WEEKS) + 3.5).astype(np.float64)
        affinity, segment = accounts.affinity[chosen][:, None], accounts.segment[chosen][:, None]
        strength = usual_strength(accounts, chosen, None, customer)[:, None]
        self.odds = kernel.win_odds(strength, affinity, np.zeros((n, 1)), segment, then[None, :])
        lost, mine = chances.deal[past], self.place
        strength = usual_strength(accounts, chosen[mine], course.deals.product[lost], customer[mine])[:, None]
        size = r.SAME_SIZE * course.state.size[lost][:, None]
        self.odds_again = kernel.win_odds(strength, affinity[mine], size, segment[mine], then[None, :])

        # When the one that may follow each loss and each champion enters, given that it has not come yet.
        some = Chances(*(getattr(chances, name)[past] for name in vars(chances)))
        weeks = (day - some.start)[:, None] / 7.0 + np.arange(WEEKS + 1)
        cdf = some.share[:, None] * some.passed(weeks)
        self.enters = np.diff(cdf, axis=1) / (1.0 - cdf[:, :1])

        interest = sources.returning.interest[chosen]
        self.follow = self._following(interest, self.odds[:, 0])
        share = expit(logit(r.NEWS_SHARE) + r.INTEREST * interest)
        news = Chances(chosen, chosen, chosen, share, np.full(n, r.NEWS_WEEKS), np.full(n, r.NEWS_SPREAD), chosen)
        after = share[:, None] * news.passed(np.broadcast_to(np.arange(1.0, WEEKS + 1), (n, WEEKS)))
        ordinary = _ordinary_per_week(sources, day) * sources.returning.weight[chosen][:, None]
        self.rate = ordinary * np.where(customer[:, None] > 0, OTHER_BUSINESS, 0.0) + r.NEWS_RATE * after

    def _following(self, interest: FloatArray, odds: FloatArray) -> FloatArray:
        """Probability that a deal is lost and followed by another m weeks after its entry, shape (n, WEEKS)."""
        kernel, n = self.kernel, len(interest)
        table = np.array([r.RETURNS[name] for name in LOSS_REASONS])
        share, median, spread = table.T.copy()
        # Where the time follows the calendar, what is usual: half a year to a budget, a date named nine months ahead.
        for name, weeks in (("budget", 32.0), ("competitor", 48.0), ("timing_deferred", 39.0)):
            row = LOSS_REASONS.index(name)
            median[row], spread[row] = weeks, 0.4
        with np.errstate(divide="ignore"):
            returns = expit(logit(share) + r.INTEREST * interest[:, None] + r.STAGE * 0.7) * kernel.reasons
        none = np.zeros(len(share), dtype=np.int64)
        by_reason = np.diff(Chances(none, none, none, share, median, spread, none).passed(
            np.broadcast_to(np.arange(WEEKS + 1.0), (len(share), WEEKS + 1))), axis=1)  # fmt: skip
        gap = returns @ by_reason
        found = np.zeros((n, WEEKS))
        band = kernel.band(odds)
        for number in range(BANDS):
            rows = band == number
            for weeks in range(1, WEEKS):
                found[rows, weeks:] += kernel.lost[number, weeks - 1] * gap[rows, : WEEKS - weeks]
        return np.asarray(found * (1.0 - expit(odds))[:, None])

    def won_back(self, horizon: int) -> FloatArray:
        """Probability of being won back within so many weeks, shape (n_accounts,)."""
        n = len(self.follow)
        followed = np.zeros((n, horizon))
        won = self._won(self.odds, horizon)
        line = np.zeros((n, horizon))
        for week in reversed(range(horizon)):
            ahead = horizon - week
            followed[:, week] = np.einsum("nm,nm->n", self.follow[:, :ahead], line[:, week:]) if ahead > 1 else 0.0
            line[:, week] = won[:, week] + followed[:, week]
        again = self._won(self.odds_again, horizon) + followed[self.place]
        hit = np.einsum("iu,iu->i", self.enters[:, :horizon], again)
        none = np.zeros(n)
        np.add.at(none, self.place, np.log1p(-np.minimum(hit, 1 - 1e-12)))
        none -= np.einsum("nu,nu->n", self.rate[:, :horizon], line)
        return np.asarray(-np.expm1(none))

    def _won(self, odds: FloatArray, horizon: int) -> FloatArray:
        """Probability that a deal which enters in week u is won before the horizon, shape (n, horizon)."""
        odds = odds[:, :horizon]
        left = np.broadcast_to(horizon - 1 - np.arange(horizon), odds.shape)
        return np.asarray(expit(odds) * self.kernel.won[self.kernel.band(odds), left])


def _ordinary_per_week(sources: Sources, day: int) -> FloatArray:
    """Ordinary deals that the company enters in each week after a landmark, shape (WEEKS,).

    As they were in the run, and beyond it as in the same weeks a year before.
    """
    entered = np.array(sources.returning.entered, dtype=np.float64)
    monday = sources.first_day - (sources.first_day + 3) % 7
    last = (sources.course.end // DAY - monday) // 7  # the week of the export is cut short
    ordinary = np.append((entered[:, 0] - entered[:, 1])[:last], np.zeros(0))
    week = (day - monday) / 7.0 + np.arange(WEEKS) + 0.5
    place = np.floor(week).astype(np.int64)
    while (place >= last).any() and last > 52:
        place = np.where(place >= last, place - 52, place)
    return np.asarray(ordinary[np.clip(place, 0, last - 1)])


def winback_truth(
    p: Parameters, first_day: int, sources: Sources, users: Users, account_ids: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """The whole of it: learn what becomes of deals, and work the table out. See `winback_table` for the columns.

    Args:
        p: The dials.
        first_day: First day of entry, in days since 1970.
        sources: The run and what brought accounts back in it.
        users: The sellers.
        account_ids: Identifiers of the accounts.
        rng: Where the pool's chance comes from.
    """
    kernel = learn_kernel(p, first_day, sources.course.end // DAY, sources.accounts, users, rng)
    return winback_table(sources, kernel, account_ids)

