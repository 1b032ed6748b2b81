"""How alike notes are: vectors of notes, and unit vectors whose products are cosines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import normalize

from models.reasons.sentences import SentenceEncoder
from models.reasons.vectors import Vocabulary

UnitVectors = NDArray[np.float32]
"""Rows of length one (or of zeros, for a note that says nothing), shape (n_notes, n_dimensions)."""
Vectors = Any
"""Vectors of notes: a dense array (a sentence encoder's) or a sparse one (TF-IDF), shape (n_notes, n_dimensions)."""

TOPICS = 64
"""Dimensions that sparse vectors are reduced to: notes that say the same in other words come closer together."""


def note_vectors(texts: Sequence[str], encoder: SentenceEncoder | None = None) -> Vectors:
    """Vectors of cleaned notes, one row each: the encoder's, or without one TF-IDF among these very notes."""
    return Vocabulary.learn(texts).vectors(texts) if encoder is None else encoder(texts)


def unit_vectors(vectors: Vectors, topics: int = TOPICS) -> UnitVectors:
    """Rows scaled to length one; sparse ones are reduced by latent semantic analysis first (Deerwester et al. 1990).

    The same vectors give the same result.
    """
    if sparse.issparse(vectors):
        dimensions = min(topics, min(vectors.shape) - 1)
        if dimensions < 1:
            vectors = vectors.toarray()
        else:
            # Two rounds of the randomised method: five are hardly closer, and cost twice as much.
            reduced = TruncatedSVD(dimensions, n_iter=2, random_state=0)
            vectors = reduced.fit_transform(vectors.astype(np.float32))
    return np.asarray(_scaled(np.asarray(vectors, dtype=np.float32)), dtype=np.float32)


def cosines(vectors: Vectors) -> NDArray[np.float64]:
    """Cosine of each note with each, shape (n_notes, n_notes); 0 with a note that says nothing, itself included."""
    units = _scaled(vectors)
    products = units @ units.T
    return np.asarray(products.toarray() if sparse.issparse(products) else products, dtype=np.float64)


def _scaled(vectors: Vectors) -> Vectors:
    """Rows of length one; of notes without a single word between them, nothing is left to scale."""
    return normalize(vectors) if vectors.shape[1] else vectors
