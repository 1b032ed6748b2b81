"""Scores of open deals: what the command line writes and the API serves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from crm.tables import DAY, Coded, FloatArray, IntArray, moment
from features.history import History
from features.matrix import FeatureMatrix, Snapshots, build_matrix, open_at
from features.registry import Feature, features_of
from models.explain import Line, Reason, lines_of_row
from models.registry import Model
from models.timing import HORIZONS
from models.win import WinModel

BATCH = 20_000
SHOWN = 3
WITHIN = tuple(f"won_within_{days}" for days in HORIZONS)
"""Columns of scores: the probability to be won within so many days."""
_HORIZONS: FloatArray = np.array(HORIZONS, dtype=np.float64)
WinVersion = Model[WinModel]
"""A version of the win model: its number in the registry, its digest, and the model itself (`loaded`)."""


@dataclass(frozen=True)
class Scores:
    """Scores of deals at one moment, ordered by deal id.

    Attributes:
        deal_ids: Ids, shape (n_deals,).
        as_of: The moment in microseconds; None for an export without dates.
        p: Win probability.
        lower: Lower end of the interval that is meant to hold the true probability (`models.uncertainty`).
        upper: Its upper end.
        band: high, medium or low, against the base rate.
        in_sample: Whether the moment lies before the model's training cut, so that the model may have seen the outcome.
        matrix: The features that the model reads.
        contributions: What each feature adds to the log-odds, shape (n_deals, n_features).
        ratio: What one unit of log-odds is in points, shape (n_deals,).
        reference: Log-odds that the contributions are added to.
        base_rate: Share won among the model's training rows.
        step: From the base rate to the model's reference.
        model: The model.
        won_within: Probability to be won within each of `HORIZONS`, shape (n_deals, 4), never falling with the horizon
            nor above p; None for an export without dates, or where the model does not know when deals close.
    """

    deal_ids: tuple[str, ...]
    as_of: int | None
    p: FloatArray
    lower: FloatArray
    upper: FloatArray
    band: Coded
    in_sample: bool
    matrix: FeatureMatrix
    contributions: FloatArray
    ratio: FloatArray
    reference: float
    base_rate: float
    step: float
    model: WinModel
    won_within: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.deal_ids)

    @property
    def points(self) -> FloatArray:
        """What each feature adds to the probability, shape (n_deals, n_features)."""
        return self.contributions * self.ratio[:, None]

    def reasons(self, row: int, most: int | None = None) -> list[Reason]:
        """Reasons of one deal, the weightiest first: all that add anything, or the `most` weightiest."""
        return [Reason(*line) for line in self.lines(row, most)]

    def lines(self, row: int, most: int | None = None) -> list[Line]:
        """What its `reasons` are made of, for who makes something else of it."""
        points = self.contributions[row] * self.ratio[row]
        return lines_of_row(self.model.described, self.model.features, points, self.matrix, row, most)


def score_pairs(
    history: History, model: WinModel, pairs: Snapshots, as_of: int | None, features: list[Feature] | None = None,
    *, asked: IntArray | None = None,
) -> Scores:  # fmt: skip
    """Score deals at given moments.

    Args:
        history: The deals.
        model: The model.
        pairs: Deals and the moments at which their features are taken.
        as_of: The moment that the scores are for.
        features: What `model.read` gives, where the caller keeps that.
        asked: Moment that each pair's score is for, where they differ; `as_of` for all by default.
    """
    matrix = build_matrix(history, model.read(features_of(history)) if features is None else features, pairs)
    waited = None
    if history.crm.process.time_basis == "dates":
        # where features are those at entry, a deal has been open for a while since
        now = pairs.as_of if as_of is None else np.full(len(pairs), as_of, dtype=np.int64)
        waited = np.maximum(((now if asked is None else asked) - pairs.as_of) / DAY, 0.0)
    ids = tuple(history.deal_ids[deal] for deal in pairs.deal.tolist())
    return scored(matrix, model, ids, as_of, waited, pairs.as_of)


def scored(
    matrix: FeatureMatrix, model: WinModel, deal_ids: tuple[str, ...], as_of: int | None,
    waited: FloatArray | None = None, at: IntArray | None = None,
) -> Scores:  # fmt: skip
    """Score deals whose features are at hand.

    Args:
        matrix: Their features.
        model: The model.
        deal_ids: Ids, shape (n_deals,).
        as_of: The moment that the scores are for.
        waited: Days from the moment of each deal's features to that; without, it is left out when they close.
        at: The moment of the features.
    """
    explained = model.explain(matrix)
    within = None if waited is None else model.won_within(matrix, explained.p, _HORIZONS, waited, at)
    in_sample = as_of is not None and model.dated and as_of < model.trained_before
    return Scores(
        deal_ids, as_of, explained.p, explained.lower, explained.upper, model.band(explained.p), in_sample, matrix,
        explained.contributions, explained.ratio, explained.reference, explained.base_rate, explained.step, model,
        within,
    )  # fmt: skip


def score_open(history: History, model: WinModel, as_of: int) -> Iterator[Scores]:
    """Score every deal open at a moment, some thousands at a time so that memory stays small.

    Args:
        history: All deals.
        model: The model.
        as_of: Microseconds; without meaning for an export without dates.
    """
    pairs = open_at(history, as_of)
    dated = history.crm.process.time_basis == "dates"
    for start in range(0, len(pairs), BATCH):
        rows: IntArray = np.arange(start, min(start + BATCH, len(pairs)), dtype=np.int64)
        yield score_pairs(history, model, pairs.take(rows), as_of if dated else None)


def reason_text(reasons: list[Reason]) -> str:
    """Reasons as one line, each with its points."""
    return "; ".join(f"{reason.sentence} ({100 * reason.points:+.1f})" for reason in reasons)


def score_frame(scores: Scores, version: int, most: int = SHOWN) -> pd.DataFrame:
    """Scores as a table for files: one row per deal, the weightiest reasons in one text column."""
    when = None if scores.as_of is None else f"{moment(scores.as_of):%Y-%m-%dT%H:%M:%SZ}"
    within = {} if scores.won_within is None else dict(zip(WITHIN, scores.won_within.T, strict=True))
    return pd.DataFrame({
        "opportunity_id": list(scores.deal_ids),
        "as_of": [when] * len(scores),
        "win_probability": scores.p,
        "band": scores.band.strings(),
        "model_version": version,
        "reasons": [reason_text(scores.reasons(row, most)) for row in range(len(scores))],
        "in_sample": scores.in_sample,
        "lower": scores.lower,
        "upper": scores.upper,
        **within,
    })  # fmt: skip
