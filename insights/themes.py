"""Themes: groups of similar notes among those that fit no reason well, so that a new reason can be spotted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.cluster import AgglomerativeClustering
from sklearn.feature_extraction.text import CountVectorizer

from insights.closeness import Vectors, cosines, note_vectors
from models.reasons import ReasonModel

LEAST = 8
"""Fewest notes of a theme."""
APART_TFIDF, APART_SENTENCES = 0.76, 0.42
"""Mean cosine distance up to which groups are joined: set on the BANKING77 training texts, where nine in ten notes of a
theme then share its intent and notes of one intent each give no theme."""
MOST = 3_000
"""Most notes that are grouped, evenly spread over more: time and memory grow with the square."""
WORDS, EXAMPLES, EXAMPLE_CHARACTERS = 6, 3, 300
SHARE, TIMES, Z = 0.2, 3, 1.96
"""A typical word stands in this share of a theme's notes, in so many times the share of the others' (which leaves out
"my" and "the" in any language), and significantly so."""

_MASK = re.compile(r"\[[a-z.]+\]")


@dataclass(frozen=True)
class Theme:
    """A group of similar notes.

    Attributes:
        n_notes: How many notes.
        words: Its typical words and pairs, the most typical first; at least one.
        examples: The notes nearest to its middle, cleaned and masked, the nearest first.
        rows: Its notes, as rows of what was asked about.
    """

    n_notes: int
    words: tuple[str, ...]
    examples: tuple[str, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Themes:
    """What was found among the notes that fit no reason well.

    Attributes:
        n_notes: Notes asked about.
        n_unfitting: Those among them that fit no reason well.
        themes: Groups, the largest first; empty where no notes are alike.
    """

    n_notes: int
    n_unfitting: int
    themes: tuple[Theme, ...]


def themes_of(model: ReasonModel, texts: Sequence[str], least: int = LEAST) -> Themes:
    """Themes among the notes that a model cannot place.

    Args:
        model: Reads the notes; a note that it calls `unclear` fits no reason well.
        texts: Notes as imported; they are cleaned and masked.
        least: Fewest notes of a theme.
    """
    readings = model.classify(texts)
    rows = [row for row, reading in enumerate(readings) if reading.status == "unclear" and reading.text]
    cleaned = [readings[row].text for row in rows]
    others = [reading.text for reading in readings if reading.status != "unclear"]
    encoder = model.classifier.encoder
    found = group(
        cleaned, note_vectors(cleaned, encoder), APART_TFIDF if encoder is None else APART_SENTENCES, least, others
    )  # fmt: skip
    placed = [Theme(t.n_notes, t.words, t.examples, tuple(rows[place] for place in t.rows)) for t in found]
    return Themes(len(texts), len(rows), tuple(placed))


def group(
    texts: Sequence[str], vectors: Vectors, apart: float, least: int = LEAST, others: Sequence[str] = ()
) -> list[Theme]:
    """Group similar notes: average linkage on cosine distances (Sokal and Michener 1958), the largest group first.

    A group of fewer than `least` notes, or without a word that is typical of it, is no theme.

    Args:
        texts: Cleaned notes, shape (n_notes,).
        vectors: Their vectors, shape (n_notes, n_dimensions).
        apart: Mean cosine distance up to which groups are joined.
        least: Fewest notes of a theme.
        others: Further notes to tell typical words from.
    """
    kept = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), MOST)).astype(np.int64))
    asked = [texts[row] for row in kept.tolist()]
    if len(kept) < max(2, least):
        return []
    alike = cosines(vectors[kept])
    apart_by = np.clip(1 - alike, 0, 1)
    np.fill_diagonal(apart_by, 0)
    linkage = AgglomerativeClustering(None, metric="precomputed", linkage="average", distance_threshold=apart)
    label = linkage.fit_predict(apart_by)
    counts, terms = _occurring([*asked, *others])
    themes: list[Theme] = []
    for number in np.unique(label):
        members = np.flatnonzero(label == number)
        if len(members) < least:
            continue
        words = _typical(counts, terms, members)
        if words:
            middle = members[np.argsort(-alike[np.ix_(members, members)].sum(axis=1), kind="stable")]
            examples = dict.fromkeys(asked[place][:EXAMPLE_CHARACTERS] for place in middle.tolist())
            themes.append(Theme(len(members), words, tuple(examples)[:EXAMPLES], tuple(kept[members].tolist())))
    return sorted(themes, key=lambda theme: (-theme.n_notes, theme.rows))


def _occurring(texts: Sequence[str]) -> tuple[sparse.csr_matrix, list[str]]:
    """Which words and pairs stand in which note, and their names; what stands for masked data is no word."""
    counter = CountVectorizer(
        ngram_range=(1, 2), binary=True, token_pattern=r"(?u)\b[^\W\d_]{2,}\b",
        preprocessor=lambda text: _MASK.sub(" ", text.lower()),
    )  # fmt: skip
    try:
        counts = counter.fit_transform(texts)
    except ValueError:  # not one word in all of them
        return sparse.csr_matrix((len(texts), 0)), []
    return counts, list(counter.get_feature_names_out())


def _typical(counts: sparse.csr_matrix, terms: Sequence[str], members: NDArray[np.int64]) -> tuple[str, ...]:
    """Words that a theme's notes hold more often than all others do.

    Log-odds of a word in the theme against all other notes, with the word's share of all notes as an informative prior
    of the weight of the theme's notes, divided by its standard deviation (Monroe, Colaresi and Quinn 2008, equations 16
    to 22, on notes rather than occurrences).
    """
    n_all, n_in = counts.shape[0], len(members)
    inside = np.asarray(counts[members].sum(axis=0)).ravel()
    outside = np.asarray(counts.sum(axis=0)).ravel() - inside
    prior = n_in * (inside + outside) / n_all
    odds_in = (inside + prior) / (2 * n_in - inside - prior + 1)
    odds_out = (outside + prior) / (n_all - outside - prior + 1)
    with np.errstate(divide="ignore"):
        z = (np.log(odds_in) - np.log(odds_out)) / np.sqrt(1 / (inside + prior) + 1 / (outside + prior))
    z[(inside < max(2, SHARE * n_in)) | (inside * (n_all - n_in) < TIMES * outside * n_in)] = -np.inf
    chosen: list[str] = []
    for place in np.argsort(-z, kind="stable"):
        if len(chosen) == WORDS or z[place] < Z:
            break
        word = terms[place]
        if not any(f" {word} " in f" {other} " or f" {other} " in f" {word} " for other in chosen):
            chosen.append(word)
    return tuple(chosen)
