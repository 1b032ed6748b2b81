"""Weights of rows: deals instead of rows, newer closings more, and deals that take long for those still open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray
from models.incidence import still_followed

LEAST_FOLLOWED = 0.1
"""Weights stop growing where fewer than this share of rows could be followed so long: at most 1 / 0.1 = 10."""


@dataclass(frozen=True)
class Weighting:
    """How rows are weighed in a fit.

    Attributes:
        half_life: Share of all closed deals after which a closing counts half; None where all count the same.
        censoring: Whether deals that took long stand for those still open (`FollowUp`).
    """

    half_life: float | None = None
    censoring: bool = False

    @property
    def name(self) -> str:
        """In words, to follow the name of a recipe; empty where rows weigh the same."""
        told = [] if self.half_life is None else [f"half-life {self.half_life:.0%} of closings"]
        return ", ".join([*told, "censoring weights"] if self.censoring else told)


PLAIN = Weighting()


def even_weight(deal: IntArray) -> FloatArray:
    """Weight of each row: all the same, and together as heavy as the deals behind them.

    The rows of one deal share its outcome. Counted as rows, a penalty would be told of ten times the evidence there is.

    Args:
        deal: Deal of each row, shape (n_rows,).
    """
    return np.full(len(deal), len(np.unique(deal)) / max(len(deal), 1))


def recency(order: FloatArray, deal: IntArray, half_life: float) -> FloatArray:
    """Weight of each row by how many deals closed after its own: 0.5 ^ (share of later closings / half_life).

    Args:
        order: When each row's outcome came, in any unit that grows with time, shape (n_rows,).
        deal: Deal of each row.
        half_life: Share of all closings after which one counts half.
    """
    _, first = np.unique(deal, return_index=True)
    closings = np.sort(order[first])
    later = 1.0 - np.searchsorted(closings, order, side="right") / len(closings)
    return np.asarray(0.5 ** (later / half_life))


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
