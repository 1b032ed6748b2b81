"""The words that told a reason: what each word of a note added to its score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
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

    Exact for lines: the values of a text add up to its score minus the average score, but for the intercepts. A feature
    that occurs several times is shared equally among its places, a pair between its two words.

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
    pull = lines.coefficients[column, reason[row]] - lines.coefficients.mean(axis=1)[column]
    each = vectors.data * pull / counts.data
    place = np.searchsorted(row * n_features + column, tokens.owner[found.token] * n_features + found.feature)
    value = each[place]
    n_single, n_tokens = len(value) - found.n_pairs, len(tokens.owner)
    total: FloatArray = np.bincount(found.token[:n_single], value[:n_single], minlength=n_tokens).astype(np.float64)
    first, half = found.token[n_single:], value[n_single:] / 2
    total += np.bincount(first, half, minlength=n_tokens)
    total[1:] += np.bincount(first, half, minlength=n_tokens)[:-1]
    return total


def shown(text: str, start: Sequence[int], end: Sequence[int], added: Sequence[float]) -> tuple[Evidence, ...]:
    """The few stretches of a text that spoke most for its reason.

    Words are taken from the strongest down until they make up `ENOUGH` of all that spoke for it; neighbours become one
    stretch.

    Args:
        text: The cleaned note.
        start: First character of each of its tokens.
        end: The character after the last of each.
        added: What each adds.
    """
    total = sum(value for value in added if value > 0)
    if total <= 0:
        return ()
    order = sorted((place for place, value in enumerate(added) if value > 0), key=lambda place: -added[place])
    chosen: set[int] = set()
    weight = 0.0
    for place in order:
        if weight >= ENOUGH * total:
            break
        if text[start[place]].isalnum():
            chosen.add(place)
            weight += added[place]
    stretches: list[list[int]] = []
    for place in sorted(chosen):
        if stretches and place - stretches[-1][-1] == 1:
            stretches[-1].append(place)
        else:
            stretches.append([place])
    strength = {stretch[0]: sum(added[place] for place in stretch) for stretch in stretches}
    strongest = sorted(stretches, key=lambda stretch: -strength[stretch[0]])[:MOST]
    return tuple(
        Evidence(start[part[0]], end[part[-1]], text[start[part[0]] : end[part[-1]]],
                 round(strength[part[0]] / total, 3))
        for part in sorted(strongest)
    )  # fmt: skip
