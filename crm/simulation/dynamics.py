"""One week in the life of deals: draws what happens from the hazards and gives the state after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np

from crm.simulation.hazards import BoolArray, State, Week, rates, side_rates
from crm.simulation.parameters import BLOCKER, CHAMPION, DECISION_MAKER, ECONOMIC_BUYER, Parameters
from crm.tables import FloatArray, IntArray


class Move(IntEnum):
    """What can happen to a deal's stage within a week."""

    FORWARD = 0
    SKIP = 1
    BACK = 2
    WIN = 3
    LOSS = 4
    NONE = 5


@dataclass(frozen=True)
class Happened:
    """What happened to n deals within a week, one array of shape (n,) each.

    Attributes:
        after: State at the end of the week (of a closed deal: at its close, its stage the last open one).
        move: A `Move`.
        role: Place in `parameters.ROLES` of a contact that was added, -1 where none was.
        rival: Whether a rival was entered.
        budget: Whether the budget was confirmed.
        pushed: Whether the expected close was moved.
    """

    after: State
    move: IntArray
    role: IntArray
    rival: BoolArray
    budget: BoolArray
    pushed: BoolArray


FIRST_SPREAD = 0.8
"""Standard deviation of a new deal's momentum around what its quality says."""

SHORTEST_SPAN = 0.5
"""Weeks of which at least so much must pass for the momentum to change in them."""

FIRST_SILENCE = 0.5
"""Weeks for which a customer who fell silent within a week has been so at its end, on average."""


def draw_moves(rate: FloatArray, span: FloatArray, rng: np.random.Generator) -> IntArray:
    """Which of the competing moves happens within `span` weeks, shape (n,), from rates of shape (n, 5)."""
    total = rate.sum(axis=1)
    happens = rng.random(len(span)) < -np.expm1(-total * span)
    pick = rng.random(len(span)) * total
    move = (np.cumsum(rate, axis=1) < pick[:, None]).sum(axis=1)
    return np.where(happens, np.minimum(move, int(Move.LOSS)), int(Move.NONE)).astype(np.int64)


def move_probabilities(rate: FloatArray, span: FloatArray) -> FloatArray:
    """Probability of each `Move` within `span` weeks, none of them last, shape (n, 6), from rates of shape (n, 5)."""
    total = rate.sum(axis=1)
    happens = -np.expm1(-total * span)
    return np.column_stack([rate * (happens / total)[:, None], 1.0 - happens])


def close_date(day: IntArray, rng: np.random.Generator) -> IntArray:
    """Expected close dates as sellers enter them: some as they are, many at the end of a month or a quarter."""
    month = day.astype("M8[D]").astype("M8[M]")
    to_quarter = (2 - month.astype(np.int64) % 3) * (rng.random(len(day)) < 0.35)
    end = (month + to_quarter + 1).astype("M8[D]").astype(np.int64) - 1
    return np.where(rng.random(len(day)) < 0.6, end, day).astype(np.int64)


def usual_momentum(quality: FloatArray, p: Parameters) -> FloatArray:
    """The momentum around which a deal of a hidden quality moves, and enters."""
    return np.asarray(p.quality_in_momentum * quality / p.difficulty, dtype=np.float64)


def momentum_ahead(state: State, p: Parameters) -> tuple[FloatArray, float]:
    """Mean, of shape (n,), and standard deviation of the momentum a week later."""
    spread = np.sqrt((1 - p.memory**2) * max(1 - p.quality_in_momentum**2, 0.05))
    return p.memory * state.momentum + (1 - p.memory) * usual_momentum(state.quality, p), float(spread)


def step(state: State, week: Week, span: FloatArray, p: Parameters, rng: np.random.Generator) -> Happened:
    """Let a week, or the part of it in `span` (weeks, shape (n,)), pass over deals.

    The state only changes at the end of the week, so the rates of a week depend on what stood at its start.
    """
    n = len(state)
    move = draw_moves(rates(state, week, p).stacked(), span, rng)
    closes = (move == Move.WIN) | (move == Move.LOSS)
    side = side_rates(state, week, p)

    def within(rate: FloatArray) -> BoolArray:
        return rng.random(n) < -np.expm1(-rate * span)

    role = (np.cumsum(side.roles, axis=1) < rng.random(n)[:, None]).sum(axis=1)
    role = np.where(within(side.contact), np.minimum(role, side.roles.shape[1] - 1), -1)
    rival_entered = within(side.rival)
    budget_confirmed = within(side.budget)
    falls_silent = within(side.dark)
    answers = rng.random(n) < p.wake * span
    overdue = (state.expected_day < week.day + 7) & (rng.random(n) < p.push_overdue * np.minimum(span, 1.0))
    pushed = (overdue | within(side.push)) & ~closes
    later = np.maximum(state.expected_day, week.day + 7) + np.round(7 + rng.gamma(2.0, 16.0, n)).astype(np.int64)
    later = np.maximum(close_date(later, rng), state.expected_day + 1)

    shift = np.array([1, 2, -1, 0, 0, 0])[move]
    mean, spread = momentum_ahead(state, p)
    momentum = mean + spread * rng.standard_normal(n)
    after = replace(
        state,
        stage=state.stage + shift,
        stage_weeks=np.where(shift == 0, state.stage_weeks + span, 0.0),
        age_weeks=state.age_weeks + span,
        momentum=np.where(span > SHORTEST_SPAN, momentum, state.momentum),
        dark_weeks=np.where(
            state.dark_weeks > 0, np.where(answers, 0.0, state.dark_weeks + span), FIRST_SILENCE * falls_silent
        ),
        contacts=state.contacts + (role >= 0),
        decision_maker=state.decision_maker | (role == DECISION_MAKER) | (role == ECONOMIC_BUYER),
        champion=state.champion | (role == CHAMPION),
        blocker=state.blocker | (role == BLOCKER),
        rival=np.where(rival_entered, rng.integers(0, len(p.rivals), n), state.rival),
        budget=state.budget | budget_confirmed,
        pushes=state.pushes + pushed,
        expected_day=np.where(pushed, later, state.expected_day),
    )
    return Happened(after, move, role, rival_entered, budget_confirmed, pushed)
