"""How alike notes are: dense unit vectors whose products are cosines."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

UnitVectors = NDArray[np.float32]
"""Rows of length one (or of zeros, for a note that says nothing), shape (n_notes, n_dimensions)."""
Vectors = Any
"""Vectors of notes: a dense array (a sentence encoder's) or a sparse one (TF-IDF), shape (n_notes, n_dimensions)."""

TOPICS = 100
"""Dimensions that sparse vectors are reduced to: notes that say the same in other words come closer together."""


def unit_vectors(vectors: Vectors, topics: int = TOPICS) -> UnitVectors:
    """Rows scaled to length one; sparse ones are reduced by latent semantic analysis first (Deerwester et al. 1990).

    The same vectors give the same result.
    """
    if not sparse.issparse(vectors):
        return normalize(np.asarray(vectors, dtype=np.float32))  # type: ignore[no-any-return]
    dimensions = min(topics, min(vectors.shape) - 1)
    if dimensions < 1:
        return normalize(vectors.toarray().astype(np.float32))  # type: ignore[no-any-return]
    reduced = TruncatedSVD(dimensions, random_state=0).fit_transform(vectors)
    return normalize(reduced.astype(np.float32))  # type: ignore[no-any-return]
