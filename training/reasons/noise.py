"""Labels that are probably wrong: sent to a person's review, never changed or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray


@dataclass(frozen=True)
class Flag:
    """A label that is probably wrong.

    Attributes:
        row: Place of the note among those given.
        given: Its label, as a place in the taxonomy.
        suggested: What the model would say.
        doubt: Probability of the suggestion less that of the label, out of fold.
    """

    row: int
    given: int
    suggested: int
    doubt: float


def probable_mislabels(
    p: FloatArray, given: IntArray, also: Sequence[frozenset[int]] | None = None
) -> tuple[Flag, ...]:  # fmt: skip
    """Confident learning (Northcutt, Jiang and Chuang 2021), pruned by noise rate: how many of each kind, then which.

    A note belongs confidently to reason j when its probability of j is at least the mean probability of j among the
    notes labelled j; of several such j the most probable counts. Counting labels against those, scaled to the number of
    each label, estimates how many notes labelled i are really j. That many are flagged: those with the largest
    probability of j less that of i, if it is larger at all.

    Args:
        p: Out-of-fold probabilities, shape (n_notes, n_reasons).
        given: Labels, shape (n_notes,).
        also: Further reasons of each note: no doubt is cast by one of those.

    Returns:
        The most doubtful first.
    """
    n_reasons = p.shape[1]
    count = np.bincount(given, minlength=n_reasons)
    own = np.bincount(given, p[np.arange(len(given)), given], minlength=n_reasons)
    threshold = np.where(count > 0, own / np.maximum(count, 1), np.inf)
    confident = np.where(p >= threshold, p, -1.0)
    counted = confident.max(axis=1, initial=-1.0) > 0
    joint = np.zeros((n_reasons, n_reasons))
    np.add.at(joint, (given[counted], confident.argmax(axis=1)[counted]), 1)
    joint *= (count / np.maximum(joint.sum(axis=1), 1))[:, None]
    flags: dict[int, Flag] = {}
    for label, said in np.argwhere(joint >= 0.5).tolist():
        if label == said:
            continue
        rows = np.flatnonzero(given == label)
        margin = p[rows, said] - p[rows, label]
        for place in np.argsort(-margin, kind="stable")[: round(joint[label, said])].tolist():
            row, doubt = int(rows[place]), float(margin[place])
            known = flags.get(row)
            if doubt > 0 and (also is None or said not in also[row]) and (known is None or doubt > known.doubt):
                flags[row] = Flag(row, label, said, doubt)
    return tuple(sorted(flags.values(), key=lambda flag: (-flag.doubt, flag.row)))
