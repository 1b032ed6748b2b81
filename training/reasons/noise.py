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
    """Confident learning (Northcutt, Jiang and Chuang 2021): labels that confidently belong to another reason.

    A note belongs confidently to reason j when its probability of j is at least the mean probability of j among the
    notes that are labelled j. Flagged is a note whose most probable confident reason is another than its label.

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
    said = confident.argmax(axis=1)
    flags = []
    for row in np.flatnonzero((said != given) & (confident.max(axis=1, initial=-1.0) > 0)).tolist():
        if also is None or int(said[row]) not in also[row]:
            doubt = float(p[row, said[row]] - p[row, given[row]])
            flags.append(Flag(row, int(given[row]), int(said[row]), doubt))
    return tuple(sorted(flags, key=lambda flag: (-flag.doubt, flag.row)))
