"""Weights of rows in a fit: deals instead of rows, newer closings more, and what is done about deals still open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray


@dataclass(frozen=True)
class Weighting:
    """How rows are weighed in a fit, and what they learn.

    Attributes:
        half_life: Share of all closed deals after which a closing counts half; None where all count the same.
        censoring: Whether deals that took long stand for those still open (`models.censoring`).
        consistent: Whether rows of open deals are learnt from too, and each row from what its deal's next one says
            (`training.consistency`); then `censoring` is not needed.
    """

    half_life: float | None = None
    censoring: bool = False
    consistent: bool = False

    @property
    def name(self) -> str:
        """In words, to follow the name of a recipe; empty where rows weigh the same."""
        told = [] if self.half_life is None else [f"half-life {self.half_life:.0%} of closings"]
        told += ["censoring weights"] if self.censoring else []
        return ", ".join([*told, "temporally consistent"] if self.consistent else told)


PLAIN = Weighting()
CONSISTENT = Weighting(consistent=True)


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
