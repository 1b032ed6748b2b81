"""How much each answered note stands for, so that together they look like all notes: people are asked about hard ones.

The review loop asks about notes that the model cannot decide, so answered notes are harder than others, and a
calibration or an accuracy taken from them as they are would be too gloomy (from a sample made even between reasons it
would be wrong in another way). Reasons given a text are taken to be the same in both; only which texts were looked at
differs, so each answered note weighs what the ratio of the two densities says (Shimodaira 2000), here by tenths of how
sure the model is before any calibration.
"""

from __future__ import annotations

import numpy as np

from crm.tables import FloatArray

BINS = 10
"""Bins by how sure the model is, at most: as many as have `LEAST_IN_BIN` answered notes each on average."""
LEAST_IN_BIN = 20
MOST = 5.0
"""Greatest weight of a note: what one note stands for beyond that is not worth its noise (truncation; Ionides 2008)."""


def natural_weights(answered: FloatArray, others: FloatArray) -> FloatArray:
    """What each answered note weighs, 1 on average.

    Args:
        answered: Probability of the best guess for each answered note, by a model that did not see it, shape (n,).
        others: The same for notes of the same kind that nobody answered; without any, all weigh 1.

    Returns:
        Shape (n,).
    """
    bins = min(BINS, len(answered) // LEAST_IN_BIN)
    if not len(others) or bins < 2:
        return np.ones(len(answered))
    everyone = np.concatenate([answered, others])
    edges = np.quantile(everyone, np.linspace(0, 1, bins + 1)[1:-1])
    mine, all_of = np.searchsorted(edges, answered, side="right"), np.searchsorted(edges, everyone, side="right")
    share = np.bincount(all_of, minlength=bins) / len(everyone)
    have = np.bincount(mine, minlength=bins) / len(answered)
    weight = np.minimum((share / np.maximum(have, 1 / len(answered)))[mine], MOST)
    return np.asarray(weight / weight.mean())


def effective_number(weight: FloatArray) -> float:
    """As many notes of equal weight would tell as much (Kish 1965): the square of the sum over the sum of squares."""
    return float(weight.sum() ** 2 / np.sum(weight**2)) if len(weight) else 0.0
