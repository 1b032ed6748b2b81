"""The perfect analyst: what can be known of a simulated deal's hidden parts from what the CRM shows of it.

A Bayesian filter on a grid, exact but for the grid's width. Hidden are a deal's quality (part of it shared by the deals
of its account), its momentum and whether its customer is silent; shown are everything else in its state, and what
happened each week. Every week the grid is weighted with the probability of what happened, by the very rates that drew
it (`crm.simulation.hazards`), and then moved on by a week. (The forward algorithm of a hidden Markov model: Rabiner,
Proc. IEEE 77(2), 1989.)

The rates are products of what is shown and what is hidden, so a deal's rates at all grid points are its rates at the
middle of the grid times a table.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import expit

from crm.simulation.course import AFFINITY_SHARE
from crm.simulation.dynamics import FIRST_SILENCE, FIRST_SPREAD, SHORTEST_SPAN, Move, momentum_ahead, usual_momentum
from crm.simulation.hazards import State, Week, activity_rates, rates, side_rates
from crm.simulation.parameters import Parameters
from crm.simulation.value import Values, hidden_terms
from crm.simulation.watching import Passed
from crm.tables import FloatArray, IntArray

QUALITY = np.linspace(-3.0, 3.0, 11)
LIVELINESS = np.linspace(-2.4, 2.4, 9)
"""Momentum less what the quality says it usually is."""
AFFINITY = np.linspace(-2.8, 2.8, 9)


def _normal(x: FloatArray, mean: FloatArray | float, spread: float) -> FloatArray:
    """Normal densities at grid points, scaled so that each row of them adds up to 1."""
    density = np.exp(-0.5 * ((x - mean) / spread) ** 2)
    return np.asarray(density / density.sum(axis=-1, keepdims=True))


def middling(n: int) -> State:
    """Deals in an early stage about which nothing is remarkable, neither shown nor hidden."""
    none, no, whole = np.zeros(n), np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
    return State(
        stage=whole + 1, stage_weeks=none, age_weeks=none, fit=none, quality=none, skill=none, size=none,
        momentum=none, dark_weeks=none, contacts=whole, decision_maker=no, champion=no, blocker=no, rival=whole - 1,
        budget=no, pushes=whole, expected_day=whole,
    )  # fmt: skip


def in_the_middle(state: State) -> State:
    """The same deals with nothing remarkable in their hidden parts, so that these cannot be told any more."""
    nothing = np.zeros(len(state))
    return replace(state, quality=nothing, momentum=nothing, dark_weeks=nothing)


class Grid:
    """The points that a deal's hidden parts may be at, and how the rates differ there from those in the middle.

    Attributes:
        shape: Number of points by quality, by silence and by liveliness; points are numbered with the last one fastest.
        quality: Quality at each point, shape (n_points,).
        momentum: Momentum at each point.
        dark_weeks: Weeks of silence at each point; the last ones stand for as many and more.
        moves: Factor on each rate of `hazards.Rates`, shape (5, n_points).
        contact, budget, push, outbound, inbound: Factors on these rates, shape (n_points,).
        roles: Probability of each role of a new contact, shape (n_points, n_roles).
        dark: Rate of falling silent, shape (n_points,).
    """

    def __init__(self, p: Parameters) -> None:
        """Lay the points out; silence counts for as long as the sellers' chasing depends on how long it has lasted."""
        silence = np.concatenate([[0.0], FIRST_SILENCE + np.arange(int(np.ceil(p.chase_weeks - FIRST_SILENCE)) + 1)])
        self.shape = (len(QUALITY), len(silence), len(LIVELINESS))
        quality, dark_weeks, liveliness = (x.ravel() for x in np.meshgrid(QUALITY, silence, LIVELINESS, indexing="ij"))
        self.quality, self.dark_weeks = quality, dark_weeks
        self.momentum = usual_momentum(quality, p) + liveliness
        n = len(quality)
        here = replace(middling(n), quality=quality, momentum=self.momentum, dark_weeks=dark_weeks)
        week = Week(0, -1, False, False, 0.0)
        self.moves = (rates(here, week, p).stacked() / rates(middling(n), week, p).stacked()).T
        side, middle = side_rates(here, week, p), side_rates(middling(n), week, p)
        self.contact, self.budget = side.contact / middle.contact, side.budget / middle.budget
        self.push, self.roles = side.push / middle.push, side.roles
        self.dark = side_rates(replace(here, dark_weeks=np.zeros(n)), week, p).dark
        usual = np.ones(n)
        pairs = zip(activity_rates(here, usual, p), activity_rates(middling(n), usual, p), strict=True)
        self.outbound, self.inbound = (rate / middle for rate, middle in pairs)
        still = replace(middling(len(LIVELINESS)), momentum=LIVELINESS)
        mean, spread = momentum_ahead(still, p)
        self.liveliness_ahead = _normal(LIVELINESS, mean[:, None], spread)

    def entry(self, n: int) -> FloatArray:
        """What is thought of new deals, given each quality: shape (n, *shape), adding up to 1 for each quality."""
        thought = np.zeros((n, *self.shape))
        thought[:, :, 0, :] = _normal(LIVELINESS, 0.0, FIRST_SPREAD)
        return thought

    def likelihood(self, seen: Passed, p: Parameters) -> FloatArray:
        """Probability of what a week showed of each deal at each point, times a factor per deal, (n, n_points)."""
        before, span, happened = in_the_middle(seen.before), seen.span, seen.happened
        side = side_rates(before, seen.week, p)
        out, back = activity_rates(before, seen.diligence, p)
        closed = (happened.move == Move.WIN) | (happened.move == Move.LOSS)
        push = np.where(closed, 0.0, side.push)
        moves = rates(before, seen.week, p).stacked()
        # Nothing happens at rates r in time t with probability exp(-r t), and k things with (r t)^k exp(-r t) / k!.
        by_deal = np.column_stack([
            -span[:, None] * moves, -span * side.contact, -span * side.budget, -span * push,
            -seen.open_span * out, -seen.open_span * back, seen.outbound, seen.inbound,
        ])  # fmt: skip
        by_point = np.vstack([
            self.moves, self.contact, self.budget, self.push, self.outbound, self.inbound, np.log(self.outbound),
            np.log(self.inbound),
        ])  # fmt: skip
        found = by_deal @ by_point
        found = np.exp(found - found.max(axis=1, keepdims=True))

        rows = np.flatnonzero(happened.move != Move.NONE)
        total = moves[rows] @ self.moves
        found[rows] *= np.expm1(total * span[rows, None]) / total * self.moves[happened.move[rows]]
        rows = np.flatnonzero(happened.role >= 0)
        found[rows] *= np.expm1(np.outer(span[rows] * side.contact[rows], self.contact))
        found[rows] *= self.roles.T[happened.role[rows]]
        rows = np.flatnonzero(happened.budget)
        found[rows] *= np.expm1(np.outer(span[rows] * side.budget[rows], self.budget))
        rows = np.flatnonzero(happened.pushed)
        due = before.expected_day[rows] < seen.week.day + 7
        overdue = due * p.push_overdue * np.minimum(span[rows], 1.0)
        found[rows] *= np.exp(np.outer(span[rows] * push[rows], self.push)) - (1.0 - overdue)[:, None]
        return np.asarray(found)

    def ahead(self, thought: FloatArray, span: FloatArray, p: Parameters) -> FloatArray:
        """What is thought after the week of what was thought at its start, shape (n, *shape)."""
        falls = -np.expm1(-np.multiply.outer(span, self.dark.reshape(self.shape)[:, 0]))
        answers = (p.wake * span)[:, None, None]
        after = np.empty_like(thought)
        silent = thought[:, :, 1:]
        after[:, :, 0] = thought[:, :, 0] * (1.0 - falls) + silent.sum(axis=2) * answers
        after[:, :, 1] = thought[:, :, 0] * falls
        after[:, :, 2:] = silent[:, :, :-1] * (1.0 - answers)[:, :, None]
        after[:, :, -1] += silent[:, :, -1] * (1.0 - answers)
        moving = span > SHORTEST_SPAN
        after[moving] = after[moving] @ self.liveliness_ahead
        return after


class Analyst:
    """Follows a run as one who sees only what the CRM shows, and knows the rates by which it comes about.

    What is thought of a deal is kept given each quality, so that what the account's other deals say can be brought in
    at any time: given the affinity of the account, its deals are independent.
    """

    def __init__(self, account: IntArray, p: Parameters, n_accounts: int = 0) -> None:
        """Know nothing yet of the deals of these accounts.

        Args:
            account: Row of the account by deal, as it is once the deal has entered.
            p: The dials.
            n_accounts: Number of accounts; by default no deal passes to one that has none so far.
        """
        self.p, self.grid, self.account = p, Grid(p), account
        self.quality_given = _normal(QUALITY, np.sqrt(AFFINITY_SHARE) * AFFINITY[:, None], np.sqrt(1 - AFFINITY_SHARE))
        self.affinity = np.log(_normal(AFFINITY, 0.0, 1.0))
        self.rows = np.empty(0, dtype=np.int64)
        self.thought = self.grid.entry(0)
        self.said = np.zeros((len(account), len(AFFINITY)))
        self.said_of = np.zeros((max(int(account.max()) + 1, n_accounts), len(AFFINITY)))

    def passed(self, seen: Passed) -> None:
        """Learn from what a week showed of all deals that were open in it."""
        self.thought = np.concatenate([self.thought, self.grid.entry(len(seen.rows) - len(self.rows))])
        thought = self.thought * self.grid.likelihood(seen, self.p).reshape(self.thought.shape)
        thought /= thought.sum(axis=(1, 2, 3), keepdims=True)
        said = np.log(thought.sum(axis=(2, 3)) @ self.quality_given.T)
        np.add.at(self.said_of, self.account[seen.rows], said - self.said[seen.rows])
        self.said[seen.rows] = said
        still = (seen.happened.move != Move.WIN) & (seen.happened.move != Move.LOSS)
        self.rows = seen.rows[still]
        self.thought = self.grid.ahead(thought[still], seen.span[still], self.p)

    def quality(self) -> FloatArray:
        """Prior weight of each quality of the open deals, from the other deals of their accounts: (n, n_qualities)."""
        others = self.affinity + self.said_of[self.account[self.rows]] - self.said[self.rows]
        others = np.exp(others - others.max(axis=1, keepdims=True))
        return np.asarray(others @ self.quality_given / others.sum(axis=1, keepdims=True))

    def belief(self) -> FloatArray:
        """Posterior probability of each grid point of the open deals, shape (n, *grid.shape)."""
        weight = self.thought * self.quality()[:, :, None, None]
        return np.asarray(weight / weight.sum(axis=(1, 2, 3), keepdims=True))

    def win_probability(self, values: Values, state: State, day: int) -> FloatArray:
        """Mean of the win probability over what may be hidden, at 00:00 UTC of a Monday, shape (n,).

        Args:
            values: Win probability of every state.
            state: State of the open deals, of which only what is shown is used.
            day: The Monday, in days since 1970.
        """
        belief, n = self.belief(), len(state)
        by_silence = (belief[:, :, 0], belief[:, :, 1:].sum(axis=2))
        lively = np.arange(len(self.grid.quality)).reshape(self.grid.shape)[:, 0].ravel()
        hidden = hidden_terms(self.grid.quality[lively], self.grid.momentum[lively])
        mean = np.zeros(n)
        for dark, weight in enumerate(by_silence):
            seen = values.seen(in_the_middle(state), day, np.full(n, bool(dark)))
            mean += (weight.reshape(n, len(lively)) * expit(seen @ hidden.T)).sum(axis=1)
        return mean
