"""Sparse vectors and the lines on them: the field's formulas, exact contributions, any text."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from models.reasons import linear
from models.reasons.evidence import added_by_token, shown
from models.reasons.linear import NEVER, Design, Lines, balanced, fit_lines
from models.reasons.vectors import GRAMS, TOKEN, WORD_WEIGHT, Vocabulary, fold_word, lengths_to

TEXTS = [
    "Too expensive, they couldn't justify the cost", "too pricey!! no budget", "no answer, no answer, went dark",
    "Kein Budget für Q3", "went with a cheaper vendor", "they couldnt decide",
]  # fmt: skip


def words_and_pairs(text: str) -> list[str]:
    words = [fold_word(word) for word in TOKEN.findall(text)]
    return [*words, *(f"{a} {b}" for a, b in pairwise(words))]


def grams(text: str) -> list[str]:
    edged = [f" {fold_word(word)} " for word in TOKEN.findall(text)]
    return [word[at : at + n] for word in edged for n in (2, 3, 4) for at in range(len(word) - n + 1)]


def test_vectors_are_the_usual_tfidf_of_both_blocks() -> None:
    vocabulary = Vocabulary.learn(TEXTS)
    blocks = []
    for analyse, names, weight in ((words_and_pairs, vocabulary.words, WORD_WEIGHT), (grams, vocabulary.grams, 1.0)):
        reference = TfidfVectorizer(analyzer=analyse, vocabulary=names, sublinear_tf=True)
        blocks.append(weight * reference.fit_transform(TEXTS).toarray())
    unseen = ["they went dark, cost too much", "nothing"]
    assert vocabulary.vectors(TEXTS).toarray() == pytest.approx(np.hstack(blocks))
    assert np.linalg.norm(vocabulary.vectors(unseen).toarray()[0]) == pytest.approx(np.hypot(WORD_WEIGHT, 1.0))


def test_rare_features_are_dropped_and_what_is_left_is_as_it_was() -> None:
    often = Vocabulary.learn(TEXTS, least=2)
    assert "too" in often.words
    assert "expensive" not in often.words
    assert {"no answer", "they couldnt"} & set(often.words) == {"they couldnt"}  # twice in one text is one text


def test_of_the_ngrams_three_lengths_are_counted() -> None:
    longer = Vocabulary.learn(TEXTS, lengths=lengths_to(5))
    assert {len(gram) for gram in longer.grams} == {3, 4, 5}
    assert {len(gram) for gram in Vocabulary.learn(TEXTS).grams} == {2, 3, 4}
    every = Vocabulary.learn(TEXTS, lengths=GRAMS)
    kept = every.among(lengths_to(5))
    assert [gram for gram, is_kept in zip(every.grams, kept[len(every.words) :], strict=True) if is_kept] == [
        gram for gram in every.grams if len(gram) > 2
    ]
    # those left out among others tell what those counted alone do
    rows = [every.weighed(every.count(TEXTS), np.where(kept, every.idf, 0.0)), longer.vectors(TEXTS)]
    assert (rows[0] @ rows[0].T).toarray() == pytest.approx((rows[1] @ rows[1].T).toarray())


def test_couldnt_is_one_word_however_it_is_written() -> None:
    assert {fold_word(word) for word in ("couldn't", "couldn\u2019t", "COULDNT")} == {"couldnt"}
    assert TOKEN.findall("couldn't l'éditeur 17k€") == ["couldn't", "l", "'", "éditeur", "17k", "€"]
    assert fold_word("Q3") == "q0"


@given(st.lists(st.text(max_size=80), max_size=5))
def test_every_token_knows_where_it_stands(texts: list[str]) -> None:
    vocabulary = Vocabulary.learn(TEXTS)
    tokens = vocabulary.tokens(texts)
    found = [(owner, texts[owner][start:end]) for owner, start, end in zip(tokens.owner, tokens.start, tokens.end,
                                                                            strict=True)]  # fmt: skip
    assert found == [(row, word) for row, text in enumerate(texts) for word in TOKEN.findall(text)]
    assert vocabulary.vectors(texts).shape == (len(texts), len(vocabulary))


def test_saved_and_loaded_it_gives_the_same_vectors(tmp_path: Path) -> None:
    vocabulary = Vocabulary.learn(TEXTS)
    vocabulary.save(tmp_path)
    again = Vocabulary.load(tmp_path)
    assert (again.vectors(TEXTS) != vocabulary.vectors(TEXTS)).nnz == 0


def random_lines(vocabulary: Vocabulary, n_reasons: int = 3) -> Lines:
    coefficients = np.random.default_rng(0).normal(size=(len(vocabulary), n_reasons))
    return Lines(coefficients - coefficients.mean(axis=1, keepdims=True), np.array([0.1, -0.2, 0.3]))


def test_what_the_words_add_adds_up_to_the_score() -> None:
    vocabulary = Vocabulary.learn(TEXTS)
    lines, reason = random_lines(vocabulary), np.array([0, 1, 2, 0, 1, 2])
    tokens = vocabulary.tokens(TEXTS)
    found = vocabulary.occurrences(tokens)
    counts = vocabulary.counts(tokens.owner[found.token], found.feature, len(TEXTS))
    added = added_by_token(tokens, found, counts, vocabulary.weighed(counts), lines, reason)
    scores = lines(vocabulary.vectors(TEXTS))[np.arange(6), reason] - lines.intercepts[reason]
    assert np.bincount(tokens.owner, added) == pytest.approx(scores)


def test_the_strongest_words_are_shown_and_neighbours_are_joined() -> None:
    vocabulary = Vocabulary.learn(TEXTS)
    texts = ["a bb ccc dddd", "x", ""]
    tokens = vocabulary.tokens(texts)
    is_word = vocabulary.is_word(tokens)
    parts = shown(texts, tokens, is_word, np.array([-5.0, 3.0, 4.0, 1.0, -1.0]))
    assert [(part.text, part.start, part.end, part.weight) for part in parts[0]] == [("bb ccc", 2, 8, 0.875)]
    assert parts[1:] == [[], []]
    apart = shown(texts, tokens, is_word, np.array([2.0, 0.1, 0.0, 2.0, 1.0]))
    assert [[part.text for part in found] for found in apart] == [["a", "dddd"], ["x"], []]


def test_rows_in_their_own_span_give_the_same_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linear, "TOLERANCE", 1e-6)
    monkeypatch.setattr(linear, "MOST_STEPS", 2000)
    rows = csr_matrix(np.abs(np.random.default_rng(1).normal(size=(30, 200))))
    reason = np.arange(30) % 3
    weight = balanced(reason, 3, 0.5)
    found = fit_lines(Design(rows), reason, 3, weight, 1.0)
    plain = LogisticRegression(C=1.0, tol=1e-8, max_iter=2000).fit(rows, reason, sample_weight=weight)
    assert found(rows) == pytest.approx(plain.decision_function(rows), abs=1e-3)
    assert found.coefficients.sum(axis=1) == pytest.approx(np.zeros(200), abs=1e-4)


def test_a_reason_without_rows_is_never_said() -> None:
    rows = csr_matrix(np.eye(4))
    lines = fit_lines(Design(rows), np.array([0, 0, 2, 2]), 4, np.ones(4), 10.0)
    assert lines.intercepts[[1, 3]].tolist() == [NEVER, NEVER]
    assert lines(rows).argmax(axis=1).tolist() == [0, 0, 2, 2]
    assert fit_lines(Design(rows), np.full(4, 1), 4, np.ones(4), 10.0)(rows).argmax(axis=1).tolist() == [1, 1, 1, 1]


def test_balance_lies_between_rows_and_reasons() -> None:
    reason = np.array([0] * 8 + [1] * 2)
    assert balanced(reason, 3, 0.0).tolist() == [1.0] * 10
    full = balanced(reason, 3, 1.0)
    assert full[:8].sum() == pytest.approx(full[8:].sum())
    assert balanced(reason, 3, 0.5)[-1] == pytest.approx(np.sqrt(full[-1]))
