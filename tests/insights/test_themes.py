"""Themes among notes that fit no reason."""

from __future__ import annotations

import numpy as np
import pytest

from insights.closeness import cosines, note_vectors
from insights.themes import APART_TFIDF, group, themes_of
from models.reasons import ReasonModel

WHO = ("the buyer", "their board", "a director", "the team", "our sponsor", "the clinic", "a partner", "head office")
MIGRATION = [f"{who} feared the data migration effort" for who in WHO]
LOCATION = [f"{who} wants servers hosted in Norway" for who in WHO[:6]]
SINGLES = [
    "golf was cancelled by rain", "zebra crossing repainted", "lunch menu changed twice", "printer out of toner",
    "quarterly harvest of apples", "violin lessons resumed", "bicycle tyre replaced", "museum opens on Sunday",
    "weather balloon launched", "garden fence painted green", "old lighthouse restored", "choir sang until midnight",
]  # fmt: skip


def grouped(texts: list[str], least: int = 5) -> list[tuple[int, ...]]:
    return [theme.rows for theme in group(texts, note_vectors(texts), APART_TFIDF, least)]


def test_similar_notes_are_groups_with_their_words_and_examples() -> None:
    texts = SINGLES + MIGRATION + LOCATION
    found = group(texts, note_vectors(texts), APART_TFIDF, 5)
    assert [theme.n_notes for theme in found] == [8, 6]
    assert [theme.rows for theme in found] == [tuple(range(12, 20)), tuple(range(20, 26))]
    assert any("migration" in word for word in found[0].words)
    assert any("norway" in word for word in found[1].words)
    assert len(found[0].examples) == 3
    assert set(found[0].examples) <= set(MIGRATION)


def test_notes_that_are_all_different_have_no_theme() -> None:
    assert grouped(SINGLES) == []


def test_a_group_below_the_minimum_is_no_theme() -> None:
    assert grouped(SINGLES + LOCATION, least=6) == [tuple(range(12, 18))]
    assert grouped(SINGLES + LOCATION, least=7) == []


@pytest.mark.parametrize("texts", [[], ["one"], ["", "", "", "", "", ""], ["!!! ???"] * 9])
def test_notes_without_words_have_no_theme(texts: list[str]) -> None:
    assert grouped(texts, least=2) == []


def test_the_order_of_notes_does_not_matter() -> None:
    texts = SINGLES + MIGRATION + LOCATION
    order = np.random.default_rng(1).permutation(len(texts)).tolist()
    shuffled = grouped([texts[row] for row in order])
    assert [sorted(order[row] for row in rows) for rows in shuffled] == [list(rows) for rows in grouped(texts)]


def test_words_that_all_notes_share_are_not_typical() -> None:
    texts = [f"{text}, said the customer" for text in SINGLES + MIGRATION]
    words = {word for theme in group(texts, note_vectors(texts), 0.6, 5) for phrase in theme.words
             for word in phrase.split()}  # fmt: skip
    assert "migration" in words
    assert not words & {"said", "customer"}


def test_only_notes_that_fit_no_reason_are_grouped_and_examples_are_masked(model: ReasonModel) -> None:
    fitting = ["too expensive for us", "went dark after the demo", "moved to next year"] * 4
    strange = [f"{text}, call +49 170 1234567 or ann@example.com" for text in MIGRATION]
    found = themes_of(model, fitting + strange, least=5)
    assert (found.n_notes, found.n_unfitting) == (20, 8)
    assert [theme.rows for theme in found.themes] == [tuple(range(12, 20))]
    shown = " ".join(found.themes[0].examples + found.themes[0].words)
    assert "ann" not in shown
    assert "170" not in shown
    assert "[email]" in shown
    assert "email" not in found.themes[0].words


def test_where_all_notes_fit_there_is_none(model: ReasonModel) -> None:
    found = themes_of(model, ["too expensive for us"] * 30)
    assert (found.n_unfitting, found.themes) == (0, ())


def test_cosines_of_sparse_and_dense_vectors_agree() -> None:
    sparse = note_vectors(MIGRATION)
    assert cosines(sparse) == pytest.approx(cosines(sparse.toarray()))
    assert np.diag(cosines(sparse)) == pytest.approx(1)
