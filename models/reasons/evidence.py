"""The words that told a reason: what each word of a note added to its score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from crm.tables import FloatArray, IntArray
from models.reasons.linear import Lines
from models.reasons.reading import Evidence
from models.reasons.vectors import Occurrences, Tokens

MOST = 4
"""Stretches of words that are shown of a note."""

ENOUGH = 0.7
"""Share of what spoke for a reason at which no further word is shown."""


def added_by_token(
    tokens: Tokens, found: Occurrences, counts: csr_matrix, vectors: csr_matrix, lines: Lines, reason: IntArray
) -> FloatArray:
    """What each token adds to the score of its text's reason, beside what it adds to the average reason's.

    Exact for lines: the values of a text add up to its score, but for the intercept; the average score of all reasons
    is 0, for their coefficients add up to 0. A feature that occurs several times is shared equally among its places, a
    pair between its two words.

    Args:
        tokens: Words of the texts.
        found: Where features stand in them.
        counts: How often each feature occurs in each text.
        vectors: The texts' vectors, of the same places as `counts`.
        lines: Lines on those vectors.
        reason: Reason of each text, shape (n_texts,).

    Returns:
        Shape (n_tokens,), in log-odds.
    """
    n_features = counts.shape[1]
    row = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    column = counts.indices.astype(np.int64)
    pull = lines.coefficients[column, reason[row]]
    each = vectors.data * pull / counts.data
    place = np.searchsorted(row * n_features + column, tokens.owner[found.token] * n_features + found.feature)
    value = each[place]
    n_single, n_tokens = len(value) - found.n_pairs, len(tokens.owner)
    total: FloatArray = np.bincount(found.token[:n_single], value[:n_single], minlength=n_tokens).astype(np.float64)
    first, half = found.token[n_single:], value[n_single:] / 2
    total += np.bincount(first, half, minlength=n_tokens)
    total[1:] += np.bincount(first, half, minlength=n_tokens)[:-1]
    return total


def shown(texts: Sequence[str], tokens: Tokens, is_word: NDArray[np.bool_], added: FloatArray) -> list[list[Evidence]]:
    """The few stretches of each text that spoke most for its reason, in order of the text.

    Words are taken from the strongest down until they make up `ENOUGH` of all that spoke for it; neighbours become one
    stretch, and of those the `MOST` strongest are kept.

    Args:
        texts: The cleaned notes.
        tokens: Their words.
        is_word: Whether each token is a word, shape (n_tokens,).
        added: What each adds, same shape.
    """
    spoke = np.where(is_word, np.maximum(added, 0.0), 0.0)
    total = np.bincount(tokens.owner, spoke, minlength=len(texts))
    order = np.lexsort((-spoke, tokens.owner))
    so_far = np.cumsum(spoke[order]) - spoke[order]
    before = so_far - (np.cumsum(total) - total)[tokens.owner[order]]  # of the stronger ones in the same text
    enough = before >= ENOUGH * total[tokens.owner[order]] - 1e-9
    chosen = np.sort(order[~enough & (spoke[order] > 0)])
    found: list[list[Evidence]] = [[] for _ in texts]
    if not len(chosen):
        return found
    new = (np.diff(chosen) != 1) | (np.diff(tokens.owner[chosen]) != 0)
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    last = np.concatenate([first[1:], [len(chosen)]]) - 1
    owner = tokens.owner[chosen[first]]
    weight = np.add.reduceat(spoke[chosen], first) / total[owner]
    stretches = zip(owner.tolist(), tokens.start[chosen[first]].tolist(), tokens.end[chosen[last]].tolist(),
                    weight.tolist(), strict=True)  # fmt: skip
    for row, start, end, share in stretches:
        found[row].append(Evidence(start, end, texts[row][start:end], round(share, 3)))
    for row, parts in enumerate(found):
        if len(parts) > MOST:
            weakest = sorted(parts, key=lambda part: part.weight)[: len(parts) - MOST]
            found[row] = [part for part in parts if part not in weakest]
    return found
