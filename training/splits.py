"""Time-ordered splits: at each of several past moments, fit on what was known then, test on what came next."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from crm.tables import FloatArray, IntArray, moment
from features.history import History
from features.matrix import FeatureMatrix, Snapshots

ORIGINS = (0.5, 0.625, 0.75, 0.875)
"""Shares of the closed deals that have closed before each origin."""
HASH_FOLDS = 5
LEAST_OF_EACH = 20
"""Fewest won and fewest lost deals to fit on at an origin; earlier origins are passed over."""


@dataclass(frozen=True)
class Fold:
    """One origin: rows to fit on and rows to test on.

    Attributes:
        name: The origin, in words.
        fit: Places of the rows known by then.
        test: Places of the rows that came next.
        origin: The moment in microseconds; None where the export has no dates.
    """

    name: str
    fit: IntArray
    test: IntArray
    origin: int | None = None


SplitKind = Literal["rolling origins", "rolling origins by order", "random folds"]


def split_kind(history: History) -> SplitKind:
    """How a company's rows can be split: by time, by an ordering column, or, with neither, by chance only."""
    basis = history.crm.process.time_basis
    return {"dates": "rolling origins", "sequence": "rolling origins by order"}.get(basis, "random folds")  # type: ignore[return-value]


def make_folds(
    history: History, rows: Snapshots, matrix: FeatureMatrix, cut: int, most_rows: int | None = None
) -> list[Fold]:
    """Folds over the rows of closed deals.

    Args:
        history: The deals.
        rows: Training rows: every deal closed before `cut`, every as_of before it.
        matrix: Their features (exports without time: equal rows are kept in one fold).
        cut: The training cut, in microseconds.
        most_rows: Of more rows than this, only every k-th deal is kept, all rows of it.
    """
    kind = split_kind(history)
    if kind == "rolling origins":
        folds = _by_time(history, rows, cut)
    elif kind == "rolling origins by order":
        folds = _by_sequence(history, rows)
    else:
        folds = _by_hash(matrix)
    step = 1 if most_rows is None else -(-len(rows) // most_rows)
    if step > 1:

        def kept(part: IntArray) -> IntArray:
            return np.asarray(part[rows.deal[part] % step == 0], dtype=np.int64)

        folds = [Fold(fold.name, kept(fold.fit), kept(fold.test), fold.origin) for fold in folds]
    return [fold for fold in folds if _enough(history.won[rows.deal[fold.fit]], rows.deal[fold.fit]) and len(fold.test)]


def _enough(won: FloatArray, deal: IntArray) -> bool:
    _, first = np.unique(deal, return_index=True)
    wins = float(won[first].sum())
    return wins >= LEAST_OF_EACH and len(first) - wins >= LEAST_OF_EACH


def _by_time(history: History, rows: Snapshots, cut: int) -> list[Fold]:
    closed = history.closed[rows.deal]
    closings = np.sort(history.closed[np.unique(rows.deal)])
    if not len(closings):
        return []
    places = [min(int(share * len(closings)), len(closings) - 1) for share in ORIGINS]
    origins = np.unique(closings[places])
    folds = []
    for origin, until in zip(origins, [*origins[1:], cut], strict=True):
        fit = np.flatnonzero((rows.as_of < origin) & (closed < origin)).astype(np.int64)
        test = np.flatnonzero((rows.as_of >= origin) & (rows.as_of < until)).astype(np.int64)
        folds.append(Fold(f"{moment(int(origin)):%Y-%m-%d}", fit, test, int(origin)))
    return folds


def _by_sequence(history: History, rows: Snapshots) -> list[Fold]:
    sequence = history.field("opportunities.sequence").numbers(rows.deal, rows.as_of)
    order = np.argsort(sequence, kind="stable").astype(np.int64)
    edges = [int(share * len(order)) for share in (*ORIGINS, 1.0)]
    return [Fold(f"after {start} deals", order[:start], order[start:stop]) for start, stop in pairwise(edges)]


def _by_hash(matrix: FeatureMatrix) -> list[Fold]:
    """Folds by a hash of each row's features: the same whatever the order of rows, and equal rows stay together."""
    frame = matrix.frame().astype(str)
    lines = frame[sorted(frame.columns)].agg("\x1f".join, axis=1)
    fold: NDArray[np.int64] = np.array([zlib.crc32(line.encode()) % HASH_FOLDS for line in lines], dtype=np.int64)
    return [
        Fold(f"fold {number + 1}", np.flatnonzero(fold != number).astype(np.int64),
             np.flatnonzero(fold == number).astype(np.int64))
        for number in range(HASH_FOLDS)
    ]  # fmt: skip
