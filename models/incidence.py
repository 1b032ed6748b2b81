"""What can be said of deals that are not followed to their end: who could be followed how long, and honest losses.

A deal that is open when the data end is censored: it is known not to have closed until then, and no more. Everything
here respects that (Aalen and Johansen 1978; Graf, Schmoor, Sauerbrei and Schumacher 1999).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crm.tables import FloatArray, IntArray
from models.censoring import still_followed

BoolArray = NDArray[np.bool_]
LEAST_WATCHED = 0.02
"""A horizon for which fewer than this share of rows could be followed says nothing."""


@dataclass(frozen=True)
class Episodes:
    """Deals watched from a moment on, until they close or the watch ends.

    Attributes:
        days: Days from the moment to the close; infinite where the deal was open when the watch ended.
        watched: Days from the moment to the end of the watch, whether or not the deal closed in it.
        won: 1 won, 0 lost; NaN where it was open at the end.
    """

    days: FloatArray
    watched: FloatArray
    won: FloatArray

    def __len__(self) -> int:
        return len(self.days)

    @property
    def closed(self) -> BoolArray:
        """Whether the close was seen."""
        return self.days < self.watched

    @classmethod
    def joined(cls, parts: Sequence[Episodes]) -> Episodes:
        """Several, one after another; at least one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("days", "watched", "won")))

    def take(self, rows: IntArray | BoolArray) -> Episodes:
        """The chosen rows."""
        return Episodes(self.days[rows], self.watched[rows], self.won[rows])

    def until(self, days: float) -> Episodes:
        """The same, had the watch ended so many days after each moment, where it did not end before."""
        watched = np.minimum(self.watched, days)
        known = self.days < watched
        return Episodes(np.where(known, self.days, np.inf), watched, np.where(known, self.won, np.nan))

    def won_within(self, horizon: float) -> FloatArray:
        """1 where the win was seen within so many days, else 0."""
        return np.asarray((self.days <= horizon) & self.closed & (self.won == 1), dtype=np.float64)

    def weights(self, horizon: float) -> FloatArray | None:
        """What each row stands for at a horizon: inverse probability of censoring weights.

        A row that closed by then weighs 1 / G just before its close, one that was still open then 1 / G(horizon), and
        one whose watch ended before is not counted, G being the share of rows that could be watched for so long.

        Returns:
            Shape (n_rows,); None where too few rows could be watched for the horizon.
        """
        followed = np.minimum(self.days, self.watched)
        times, share = still_followed(followed, ~self.closed)

        def at(days: FloatArray) -> FloatArray:
            place = np.searchsorted(times, days, side="left") - 1
            return np.asarray(np.where(place >= 0, share[np.maximum(place, 0)], 1.0), dtype=np.float64)

        end = float(at(np.array([horizon]))[0]) if len(times) else 0.0
        if end < LEAST_WATCHED or not np.any(self.watched >= horizon):
            return None
        early = self.closed & (self.days <= horizon)
        weight = np.zeros(len(self))
        weight[early] = 1.0 / np.maximum(at(self.days[early]), LEAST_WATCHED)
        weight[~early & (followed >= horizon)] = 1.0 / end
        return weight


def brier(p: FloatArray, seen: Episodes, horizon: float) -> float:
    """Brier score of probabilities to be won within so many days, by inverse probability of censoring weights.

    Graf et al. (1999), for one of two causes. NaN where the horizon could not be watched.

    Args:
        p: Probabilities, shape (n_rows,).
        seen: What became of the rows.
        horizon: Days.
    """
    weight = seen.weights(horizon)
    if weight is None:
        return float("nan")
    return float(weight @ (p - seen.won_within(horizon)) ** 2 / weight.sum())


def log_loss(p: FloatArray, seen: Episodes, horizon: float) -> float:
    """Log-loss of the same, in nats; see `brier`."""
    weight = seen.weights(horizon)
    if weight is None:
        return float("nan")
    y, q = seen.won_within(horizon), np.clip(p, 1e-6, 1 - 1e-6)
    return float(weight @ -(y * np.log(q) + (1 - y) * np.log1p(-q)) / weight.sum())
