"""Censoring: deals still open are neither won nor lost, so deals that took long stand for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crm.tables import FloatArray, IntArray

Number = TypeVar("Number", np.int64, np.float64)
LEAST_FOLLOWED = 0.1
"""Weights stop growing where fewer than this share of rows could be followed so long: at most 1 / 0.1 = 10."""


def still_followed(
    duration: NDArray[Number], censored: NDArray[np.bool_]
) -> tuple[NDArray[Number], FloatArray]:  # fmt: skip
    """Kaplan-Meier estimate of G, the share of rows that can be followed for longer than a time.

    Censoring is the event here, and a closing ends the watch; where both fall on one moment, the closing came first.

    Args:
        duration: How long each row was followed, to its close or to the end, shape (n_rows,).
        censored: Whether the end came before the close.

    Returns:
        Times at which G falls, in order, and its value from each on.
    """
    order = np.lexsort((censored, duration))
    times, is_end = duration[order], censored[order]
    at_risk = len(times) - np.arange(len(times))
    # log of a product, as a product of very many factors loses its last digits
    with np.errstate(divide="ignore"):
        share = np.exp(np.cumsum(np.where(is_end, np.log1p(-1.0 / at_risk), 0.0)))
    last = np.flatnonzero(np.diff(times, append=times[-1:] + 1))
    return times[last], share[last]


@dataclass(frozen=True)
class FollowUp:
    """When each snapshot was taken and when its deal closed, rows of open deals included.

    A row is learnt from once its deal has closed. Of recent rows only the quick ones have, so those that took long are
    too few: each closed row weighs 1 / G(closed_at - as_of), G being the share of rows that could be followed so long
    (inverse probability of censoring; Robins and Rotnitzky 1992). G is truncated at `LEAST_FOLLOWED`.

    Attributes:
        as_of: Microseconds, shape (n_all_rows,).
        closed: Closing time of each row's deal in microseconds; `NEVER` where it is open.
    """

    as_of: IntArray
    closed: IntArray

    def weights(self, as_of: IntArray, closed: IntArray, start: int | None, end: int) -> FloatArray:
        """Weight of rows of closed deals.

        Args:
            as_of: Moments of the rows to weigh, in microseconds.
            closed: Closing times of their deals, all before `end`.
            start: First moment of the population they were drawn from; None for the first of all.
            end: What closed at or after it is not known yet.
        """
        mine = self.as_of < end if start is None else (self.as_of < end) & (self.as_of >= start)
        if not mine.any():
            return np.ones(len(as_of))
        population, finish = self.as_of[mine], self.closed[mine]
        times, share = still_followed(np.minimum(finish, end) - population, finish >= end)
        place = np.searchsorted(times, closed - as_of, side="left") - 1  # G just before the close
        followed = np.where(place >= 0, share[np.maximum(place, 0)], 1.0)
        return np.asarray(1.0 / np.maximum(followed, LEAST_FOLLOWED))
