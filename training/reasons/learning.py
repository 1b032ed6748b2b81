"""The learning curve of a model of reasons: how well it did on fewer answers, and what more of them promise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from crm.tables import IntArray
from training.reasons.report import FitReport

SHARES = (0.25, 0.5, 0.75)
LEAST_ANSWERS = 100
"""Answered notes below which a curve would be noise."""


@dataclass(frozen=True)
class Point:
    """How well so many answers did.

    Attributes:
        n: Answered notes.
        accuracy: Out of fold.
        macro_f1: Out of fold.
    """

    n: int
    accuracy: float
    macro_f1: float


def learning_curve(report: FitReport, fit: Callable[[IntArray], FitReport], seed: int = 0) -> tuple[Point, ...]:
    """Figures of fits on a part of the answers, drawn by chance, and on all; empty where there are too few.

    Args:
        report: The fit on all.
        fit: Fits on some of the answered notes, given their places.
        seed: Of the draw.
    """
    if report.n_labels < LEAST_ANSWERS:
        return ()
    order = np.random.default_rng(seed).permutation(report.n_labels).astype(np.int64)
    parts = [fit(np.sort(order[: round(share * len(order))])) for share in SHARES]
    return tuple(Point(item.n_labels, item.accuracy, item.macro_f1) for item in (*parts, report))


def at_twice(points: tuple[Point, ...]) -> float:
    """Accuracy that twice the answers promise: the error falls as a power of their number (Cortes et al. 1994)."""
    n = np.log([point.n for point in points])
    error = np.log([max(1 - point.accuracy, 1e-3) for point in points])
    slope = min(float(np.polyfit(n, error, 1)[0]), 0.0)
    return float(1 - np.exp(error[-1] + slope * np.log(2)))
