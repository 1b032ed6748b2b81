"""How likely a simulated deal is to be won in the end, given all of its state, the hidden parts too.

The probability V(s, t) that a deal in state s at the start of week t is won obeys

    V(s, t) = P(won in week t | s) + P(still open after it | s) * E[V(s', t + 1) | s, still open],

so it is found from the end backwards: in each week, one step of many states by the simulation's own rates gives the
right-hand side, and a regression of it on the state gives V of the week before (fitted value iteration; Tsitsiklis and
Van Roy, IEEE Trans. Neural Networks 12(4), 2001, on pricing options that way). Only the step's chance is Monte Carlo,
and most of that is taken out by regressing also on what happened less its probability, which is zero on average.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit

from crm.simulation.company import Accounts, Users
from crm.simulation.course import run
from crm.simulation.dynamics import Happened, Move, momentum_ahead, move_probabilities, step
from crm.simulation.hazards import BoolArray, State, Week, rates, side_rates, strength, week_of
from crm.simulation.parameters import STAGES, Parameters
from crm.simulation.watching import Passed
from crm.tables import FloatArray, IntArray

POOL_DEALS, POOL_DAYS = 3_000, 913
"""Deals simulated for the states from which the regressions learn, and days in which they enter, at least."""

STATES = 1_000
"""States of each stage, with a silent customer and without, from which each week's regression learns."""

SPREAD = 0.7
"""Standard deviation of what is added to these states' fit, quality and momentum, so that rare ones are met too."""

WEEKS_BEYOND = 50
"""Weeks after the last one asked for at which the recursion begins; one deal in five hundred is open for so long."""

RIDGE = 3.0
"""Penalty on the coefficients' change from week to week, as a number of observations of weight 1."""


HIDDEN = ("1", "q", "m", "q^2", "qm", "m^2", "q^3", "q^2 m")
"""What is hidden of a state, as powers and products of the quality q and the momentum m."""

_WITH_QUALITY = ("1", "q")
VISIBLE = {
    "1": HIDDEN,
    "strength": ("1", "q", "m", "q^2", "qm", "m^2"),
    "strength^2": ("1", "q", "m"),
    "strength^3": ("1",),
    "staleness": _WITH_QUALITY,
    "first weeks in the stage": _WITH_QUALITY,
    "age": _WITH_QUALITY,
    "expected within two weeks": ("1", "q", "m"),
    "up to four weeks later": ("1", "q", "m"),
    "up to ten weeks later still": _WITH_QUALITY,
    "overdue by more than two weeks": ("1",),
    "contacts": _WITH_QUALITY,
    "decision maker": _WITH_QUALITY,
    "champion": _WITH_QUALITY,
    "blocker": ("1",),
    "rival": _WITH_QUALITY,
    "budget": _WITH_QUALITY,
    "pushes": _WITH_QUALITY,
    "skill": ("1",),
}
"""What is shown of a state, and with which of the hidden terms each of it is multiplied."""

PRODUCTS: BoolArray = np.array([[hidden in used for hidden in HIDDEN] for used in VISIBLE.values()])


def visible_terms(state: State, week: Week, p: Parameters) -> FloatArray:
    """What is shown of each state, as columns in the order of `VISIBLE`, shape (n, n_visible)."""
    nothing = np.zeros(len(state))
    s = strength(replace(state, quality=nothing, momentum=nothing), week, p)
    s = np.clip(s - p.centre - 1.0, -3.5, 3.5)  # about 0 in the middle, and no further than states were learned from
    ahead = (state.expected_day - week.day - 3) / 7.0
    return np.column_stack([
        np.ones(len(state)), s, s**2, s**3,
        np.log2(np.maximum(state.stage_weeks, 4.0) / 4.0), np.minimum(state.stage_weeks, 4.0), state.age_weeks / 52.0,
        np.abs(ahead) <= 2.0, np.clip(ahead - 2.0, 0.0, 4.0), np.clip(ahead - 6.0, 0.0, 10.0), ahead < -2.0,
        np.log2(1.0 + state.contacts), state.decision_maker, state.champion, state.blocker,
        state.rival >= 0, state.budget, np.minimum(state.pushes, 4), state.skill,
    ])  # fmt: skip


def hidden_terms(quality: FloatArray, momentum: FloatArray) -> FloatArray:
    """What is hidden, as columns in the order of `HIDDEN`, shape (n, n_hidden)."""
    q, m = np.clip(quality, -3.5, 3.5), np.clip(momentum, -3.5, 3.5)
    return np.column_stack([np.ones(len(q)), q, m, q**2, q * m, m**2, q**3, q**2 * m])


@dataclass(frozen=True)
class Values:
    """Win probability of any state on any Monday of a run: logistic in products of visible and hidden terms.

    Attributes:
        first: The first Monday, in days since 1970.
        origin: Day on which the drift of the market begins.
        coefficients: By week, by whether the customer is silent, by stage, visible and hidden term, shape
            (n_weeks, 2, n_stages, n_visible, n_hidden).
        parameters: The dials.
    """

    first: int
    origin: int
    coefficients: FloatArray
    parameters: Parameters

    def seen(self, state: State, day: int, dark: BoolArray) -> FloatArray:
        """What the visible part of each state says of each hidden term, in log-odds, shape (n, n_hidden)."""
        terms = visible_terms(state, week_of(day, self.origin), self.parameters)
        return _chosen(terms, state.stage, dark, self.coefficients[(day - self.first) // 7])

    def win_probability(self, state: State, day: int) -> FloatArray:
        """Probability that each deal is won, given all of its state at 00:00 UTC of a Monday, shape (n,)."""
        hidden = hidden_terms(state.quality, state.momentum)
        return np.asarray(expit((self.seen(state, day, state.dark_weeks > 0) * hidden).sum(axis=1)))


def _chosen(terms: FloatArray, stage: IntArray, dark: BoolArray, coefficients: FloatArray) -> FloatArray:
    """Visible terms times the coefficients of each deal's stage and silence, shape (n, n_hidden)."""
    found = np.empty((len(stage), coefficients.shape[-1]))
    for silent in (False, True):
        for place in range(len(STAGES)):
            rows = (stage == place) & (dark == silent)
            found[rows] = terms[rows] @ coefficients[int(silent), place]
    return found


class _Pool:
    """Collects the states that a run visits, with the expected close counted from the day."""

    def __init__(self) -> None:
        self.states: list[State] = []

    def at(self, day: int, _rows: IntArray, state: State) -> None:
        self.states.append(replace(state, expected_day=state.expected_day - day))

    def passed(self, _passed: Passed) -> None:
        """Nothing to learn here."""

    def all(self) -> State:
        return State(**{name: np.concatenate([getattr(s, name) for s in self.states]) for name in vars(self.states[0])})


def _surprises(before: State, happened: Happened, week: Week, p: Parameters, moves: FloatArray) -> FloatArray:
    """What happened less its probability, of deals that did not close: zero on average, whatever the state."""
    side, after = side_rates(before, week, p), happened.after
    chance = moves[:, [Move.FORWARD, Move.SKIP, Move.BACK]] / (1.0 - moves[:, Move.WIN] - moves[:, Move.LOSS])[:, None]
    moved = happened.move[:, None] == np.array([Move.FORWARD, Move.SKIP, Move.BACK])
    roles = happened.role[:, None] == np.arange(side.roles.shape[1])
    roles = roles + np.expm1(-side.contact)[:, None] * side.roles
    mean, spread = momentum_ahead(before, p)
    liveliness = (after.momentum - mean) / spread
    falls = np.where(before.dark_weeks > 0, 1.0 - p.wake, -np.expm1(-side.dark))
    due = p.push_overdue * (before.expected_day < week.day + 7)
    pushed = 1.0 - (1.0 - due) * np.exp(-side.push)
    return np.column_stack([
        moved - chance, roles, happened.rival + np.expm1(-side.rival), happened.budget + np.expm1(-side.budget),
        happened.pushed - pushed, liveliness, liveliness**2 - 1.0, (after.dark_weeks > 0) - falls,
    ])  # fmt: skip


def fit_values(
    p: Parameters, first_day: int, last_day: int, accounts: Accounts, users: Users, rng: np.random.Generator,
    progress: Callable[[float], None] = lambda _share: None, states: int = STATES,
) -> Values:  # fmt: skip
    """Find the win probability of every state on every Monday of a run.

    Args:
        p: The dials.
        first_day: First day of entry, in days since 1970.
        last_day: Day of the export; deals go on after it as before, without an end.
        accounts: The buyers; they decide which states are met, not what becomes of them.
        users: The sellers; who takes over a deal is drawn from all of them.
        rng: Where the Monte Carlo's chance comes from.
        progress: Called with the share done, 0 to 1.
        states: How many states of each stage, with a silent customer and without, each week's regression learns from.
    """
    pool = _Pool()
    account = rng.integers(0, len(accounts.name), POOL_DEALS)
    run(POOL_DEALS, min(first_day, last_day - POOL_DAYS), last_day, accounts, users, account, p, rng, pool)
    met = pool.all()
    groups = [np.flatnonzero((met.stage == place) & ((met.dark_weeks > 0) == silent))
              for silent in (False, True) for place in range(len(STAGES))]  # fmt: skip
    first = first_day - (first_day + 3) % 7
    n_weeks = (last_day - first) // 7 + 1
    later = np.zeros((2, len(STAGES), *PRODUCTS.shape))
    later[..., 0, 0] = -1.0  # a guess, forgotten by the weeks asked for
    found = np.empty((n_weeks, *later.shape))
    for number in reversed(range(n_weeks + WEEKS_BEYOND)):
        week, after = week_of(first + 7 * number, first_day), week_of(first + 7 * number + 7, first_day)
        chosen = met.take(np.concatenate([rng.choice(rows, states) for rows in groups]))
        before = replace(
            chosen,
            expected_day=chosen.expected_day + week.day,
            fit=chosen.fit + SPREAD * rng.standard_normal(len(chosen)),
            quality=chosen.quality + SPREAD * rng.standard_normal(len(chosen)),
            momentum=chosen.momentum + SPREAD * rng.standard_normal(len(chosen)),
        )
        later = _week_before(before, week, after, later, p, users, rng)
        if number < n_weeks:
            found[number] = later
        progress(1.0 - number / (n_weeks + WEEKS_BEYOND))
    return Values(first, first_day, found, p)


def _week_before(before: State, week: Week, after: Week, later: FloatArray, p: Parameters, users: Users,
                 rng: np.random.Generator) -> FloatArray:  # fmt: skip
    """Coefficients of a week from those of the next one, shape (n_stages, n_visible, n_hidden)."""
    everyone = np.ones(len(before))
    happened = step(before, week, everyone, p, rng)
    moves = move_probabilities(rates(before, week, p).stacked(), everyone)
    still = (happened.move != Move.WIN) & (happened.move != Move.LOSS)
    then = happened.after
    given_away = np.flatnonzero(rng.random(len(before)) < p.reassign)
    skill = then.skill.copy()
    skill[given_away] = users.skill[rng.integers(0, users.n_owners, len(given_away))]
    then = replace(then, skill=skill)
    hidden = hidden_terms(then.quality, then.momentum)
    ahead = _chosen(visible_terms(then, after, p), then.stage, then.dark_weeks > 0, later)
    value = expit((ahead * hidden).sum(axis=1))
    target = moves[:, Move.WIN] + (1.0 - moves[:, Move.WIN] - moves[:, Move.LOSS]) * value

    v, h = np.nonzero(PRODUCTS)
    terms = visible_terms(before, week, p)[:, v] * hidden_terms(before.quality, before.momentum)[:, h]
    surprises = _surprises(before, happened, week, p, moves)
    found = np.zeros_like(later)
    for silent in (0, 1):
        for place in range(len(STAGES)):
            rows = still & (before.stage == place) & ((before.dark_weeks > 0) == silent)
            start = later[silent, place][PRODUCTS]
            found[silent, place][PRODUCTS] = _logistic(terms[rows], surprises[rows], target[rows], start)
    return found


def _logistic(x: FloatArray, surprises: FloatArray, share: FloatArray, start: FloatArray) -> FloatArray:
    """Coefficients of a logistic regression of shares on x, by two steps of Newton's method from `start`.

    The surprises enter beside x as control variates, on the scale of the residuals: inside the logistic function they
    would bend the mean, as the mean over them is not its value where they are 0.
    """
    beta, n_terms = start, x.shape[1]
    both = np.column_stack([x, surprises])
    for _ in range(2):
        fitted = expit(x @ beta)
        weight = np.maximum(fitted * (1.0 - fitted), 0.02)
        gram = (both * weight[:, None]).T @ both
        penalty = RIDGE * np.diag(gram) / weight.sum() + 1e-9
        gram[np.diag_indices_from(gram)] += penalty
        score = both.T @ (share - fitted)
        score[:n_terms] -= penalty[:n_terms] * (beta - start)
        beta = beta + cho_solve(cho_factor(gram), score)[:n_terms]
    return np.asarray(beta)
