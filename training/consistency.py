"""Temporal consistency: what is said of a deal today should be what will, on average, be said of it a week later.

Every weekly row of a deal shares one outcome, so a model that learns from outcomes alone hears each of them once, and
of deals still open nothing. But next week's state of a deal tells much of how this week's should have been judged, and
that is there for open deals too. So each row learns a mixture: of what a first, plain line says of the deal's next row,
and of what came in the end (the lambda-return of temporal-difference learning; Sutton 1988, Machine Learning 3, and for
times to an event Maystre and Russo 2022, "Temporally-consistent survival analysis", NeurIPS). The last row of a closed
deal learns its outcome, the last row of an open one what the line says of it: nothing from later than the origin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crm.tables import FloatArray, IntArray
from features.matrix import FeatureMatrix
from training.data import TrainingData

SHARE = 0.9
"""Weight of all that came later against the next row alone, lambda: 1 would be the outcome alone. Chosen on simulated
companies other than those of the benchmarks; .8 to .95 hardly differ."""


def lambda_returns(
    said: FloatArray, won: FloatArray, deal: IntArray, as_of: IntArray, share: float = SHARE
) -> FloatArray:
    """What each row should learn: `(1 - share) x` what is said of its deal's next row `+ share x` what that one learns.

    Args:
        said: Win probability of each row by a first model, shape (n_rows,).
        won: Outcome of its deal, NaN where not known.
        deal: Its deal; rows may come in any order.
        as_of: Its moment.
        share: Lambda, 0 to 1.

    Returns:
        Probabilities, shape (n_rows,): of each deal's last row the outcome, or what is said of it where there is none.
    """
    order = np.lexsort((as_of, deal))
    said, won, deal = said[order], won[order], deal[order]
    last = np.append(deal[1:] != deal[:-1], np.ones(len(deal[:1]), dtype=bool))
    learnt = np.where(np.isnan(won), said, won)
    stop = np.flatnonzero(last)
    ahead = np.repeat(stop, np.diff(stop, prepend=-1)) - np.arange(len(deal))  # rows of the deal still to come
    by_ahead = np.argsort(ahead, kind="stable")
    edges = np.searchsorted(ahead[by_ahead], np.arange(1, int(ahead.max(initial=0)) + 2))
    for start, end in pairwise(edges):  # from the last but one row of every deal backwards
        rows = by_ahead[start:end]
        learnt[rows] = (1 - share) * said[rows + 1] + share * learnt[rows + 1]
    found = np.empty(len(order))
    found[order] = learnt
    return found


@dataclass(frozen=True)
class Lesson:
    """What a fit at an origin learns: rows of deals closed by then, followed by those of deals still open.

    Attributes:
        rows: Places of the rows in `TrainingData.rows`: those of closed deals, and of deals that closed later.
        n_closed: How many of them are of deals closed by then.
        open_rows: Places of the others in `TrainingData.open_rows`.
        deal: Deal of each row, shape (n_rows,).
        learnt: What it learns, a probability, shape (n_rows,).
    """

    rows: IntArray
    n_closed: int
    open_rows: IntArray
    deal: IntArray
    learnt: FloatArray


def lesson(
    data: TrainingData, rows: IntArray, origin: int, first: Callable[[FeatureMatrix], FloatArray],
    often: FloatArray | None = None,
) -> Lesson:  # fmt: skip
    """What rows learn at an origin.

    Args:
        data: All rows.
        rows: Places of the rows of deals closed by then; where whole deals were left out, as many open ones are.
        origin: The moment, in microseconds.
        first: Win probabilities of a matrix by the first model, fitted on these rows.
        often: Of a resample, how often each deal was drawn, shape (n_deals,): the rows are those of closed deals that
            were, and open deals count where they were drawn too.
    """
    used, known = len(np.unique(data.rows.deal[rows])), len(np.unique(data.rows.deal[data.closed < origin]))
    step = max(round(known / max(used, 1)), 1)
    counts = np.arange(data.history.n_deals) % step == 0 if often is None else often > 0
    later = np.flatnonzero((data.rows.as_of < origin) & (data.closed >= origin) & counts[data.rows.deal])
    open_rows = np.flatnonzero((data.open_rows.as_of < origin) & counts[data.open_rows.deal])
    places = np.concatenate([rows, later])
    deal = np.concatenate([data.rows.deal[places], data.open_rows.deal[open_rows]])
    as_of = np.concatenate([data.rows.as_of[places], data.open_rows.as_of[open_rows]])
    won = np.concatenate([data.won[rows], np.full(len(deal) - len(rows), np.nan)])
    said = np.concatenate([first(data.matrix.take(places)), first(data.open_matrix.take(open_rows))])
    return Lesson(places, len(rows), open_rows, deal, lambda_returns(said, won, deal, as_of))
