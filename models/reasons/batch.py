"""A few notes read at once: the probabilities of each and of its parts, and what each word added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray
from models.notes import Clause, clauses
from models.reasons.classifier import Classifier
from models.reasons.evidence import added_by_token
from models.reasons.vectors import Occurrences, Tokens

MOST_CLAUSES = 24
"""Parts of one note that are looked at for further reasons."""

MOST_LEFT_OUT = 8
"""Parts of one note that sentence vectors are asked about one by one: each costs a vector."""


@dataclass(frozen=True)
class Batch:
    """What a classifier says of cleaned notes.

    Attributes:
        texts: The notes.
        tokens: Their words.
        log_p: Log-probability of each reason, shape (n_texts, n_reasons).
        best: The most probable reason of each, shape (n_texts,).
        added: What each token added to it, shape (n_tokens,).
        clause_owner: Note of each part, of notes that have several, in order.
        clause_log_p: Log-probability of each reason in each part, shape (n_clauses, n_reasons).
    """

    texts: Sequence[str]
    tokens: Tokens
    log_p: FloatArray
    best: IntArray
    added: FloatArray
    clause_owner: list[int]
    clause_log_p: FloatArray

    @classmethod
    def of(cls, texts: Sequence[str], classifier: Classifier) -> Batch:
        """Read notes."""
        vocabulary = classifier.vocabulary
        tokens = vocabulary.tokens(texts)
        found = vocabulary.occurrences(tokens)
        counts = vocabulary.counts(tokens.owner[found.token], found.feature, len(texts))
        vectors = vocabulary.weighed(counts)
        log_p = classifier.log_probabilities(vectors, classifier.encode(texts))
        best = log_p.argmax(axis=1)
        added = classifier.scales.words * added_by_token(tokens, found, counts, vectors, classifier.words, best)
        owner, parts = _parts(texts)
        place = _part_of_token(tokens, owner, parts)
        vectors = vocabulary.weighed(vocabulary.counts(*_within(found, place), len(parts)))
        spoken = classifier.encode([part.text for part in parts]) if parts else None
        clause_log_p = classifier.log_probabilities(vectors, spoken)
        added = added + _added_by_sentences(texts, owner, parts, place, best, classifier)
        return cls(texts, tokens, log_p, best, added, owner, clause_log_p)


def _parts(texts: Sequence[str]) -> tuple[list[int], list[Clause]]:
    """The parts of notes that have several, and the note of each."""
    owner, parts = [], []
    for row, text in enumerate(texts):
        found = clauses(text)[:MOST_CLAUSES]
        if len(found) > 1:
            owner += [row] * len(found)
            parts += found
    return owner, parts


def _part_of_token(tokens: Tokens, owner: Sequence[int], parts: Sequence[Clause]) -> IntArray:
    """Part in which each token stands, -1 for none, shape (n_tokens,)."""
    if not parts:
        return np.full(len(tokens.owner), -1, dtype=np.int64)
    span = 1 + max(int(tokens.end.max(initial=0)), max(part.end for part in parts))
    begin = np.array(owner) * span + np.array([part.start for part in parts])
    finish = np.array(owner) * span + np.array([part.end for part in parts])
    at = tokens.owner * span + tokens.start
    place = np.searchsorted(begin, at, side="right") - 1
    return np.where((place >= 0) & (at < finish[np.maximum(place, 0)]), place, -1)


def _within(found: Occurrences, place: IntArray) -> tuple[IntArray, IntArray]:
    """Part and feature of the occurrences that lie in one part; a pair across two parts is none."""
    part = place[found.token]
    keep = part >= 0
    if found.n_pairs:
        keep[-found.n_pairs :] &= place[found.token[-found.n_pairs :] + 1] == part[-found.n_pairs :]
    return part[keep], found.feature[keep]


def _added_by_sentences(
    texts: Sequence[str], owner: Sequence[int], parts: Sequence[Clause], place: IntArray, best: IntArray,
    classifier: Classifier,
) -> FloatArray:  # fmt: skip
    """What each token added by way of the sentence vectors: the score with its part, less the score without it.

    A sentence vector is of the whole text, so what a part added is shared equally among its words; notes of one part
    get nothing, for nothing of them can be left out.

    Returns:
        Shape (n_tokens,), in log-odds beside the average reason.
    """
    lines, encode = classifier.sentences, classifier.encoder
    number = np.bincount(owner, minlength=len(texts)) if owner else np.zeros(len(texts), dtype=np.int64)
    asked = [at for at, row in enumerate(owner) if number[row] <= MOST_LEFT_OUT]
    if lines is None or encode is None or not asked:
        return np.zeros(len(place))
    rows = np.array([owner[at] for at in asked])
    without = [texts[owner[at]][: parts[at].start] + texts[owner[at]][parts[at].end :] for at in asked]

    def told(sentences: FloatArray) -> FloatArray:
        scores = lines(sentences)
        return np.asarray(scores[np.arange(len(rows)), best[rows]] - scores.mean(axis=1))

    gain = np.zeros(len(parts))
    gain[asked] = classifier.scales.sentences * (told(encode([texts[row] for row in rows])) - told(encode(without)))
    words = np.bincount(place[place >= 0], minlength=len(parts))
    return np.where(place >= 0, (gain / np.maximum(words, 1))[place], 0.0)
