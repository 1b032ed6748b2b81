"""Which notes are worth a person's minute."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from insights.reviews import AUDIENCE, FIRST_LOOK, SUSPECT_EVERY, Suspect, choose, margins, representatives

REASONS = ("budget", "no_need", "competitor")


def topics(*sizes: int, dimensions: int = 40, seed: int = 0) -> np.ndarray:
    """Vectors of notes in topics of these sizes: alike within a topic, unlike between."""
    rng = np.random.default_rng(seed)
    centres = np.eye(dimensions)[: len(sizes)] * 5
    return np.concatenate([centre + rng.normal(0, 0.3, (size, dimensions))
                           for centre, size in zip(centres, sizes, strict=True)])  # fmt: skip


def nobody(n: int) -> np.ndarray:
    return np.zeros(n, dtype=bool)


def unsure(n: int, *rows: int) -> np.ndarray:
    """Probabilities: certain of the first reason everywhere but in some rows."""
    p = np.tile([0.98, 0.01, 0.01], (n, 1))
    p[list(rows)] = [0.1, 0.46, 0.44]
    return p


@pytest.mark.parametrize("as_given", [np.asarray, sparse.csr_matrix], ids=["dense", "sparse"])
def test_the_start_sees_every_topic_before_any_twice(as_given: type) -> None:
    vectors = as_given(np.abs(topics(200, 100, 50, 20, 10)))
    chosen = choose(None, vectors, nobody(380), REASONS, 5)
    assert sorted(np.searchsorted([200, 300, 350, 370], [choice.row for choice in chosen], side="right")) == [
        0, 1, 2, 3, 4]  # fmt: skip
    assert {choice.why for choice in chosen} == {"first look"}
    assert chosen[0].row < 200  # what stands for most comes first


def test_a_topic_that_has_an_answer_is_not_looked_at_first() -> None:
    vectors, labelled = topics(50, 20), nobody(70)
    labelled[3] = True
    assert choose(None, vectors, labelled, REASONS, 1)[0].row >= 50


def test_with_a_model_the_undecided_come_first_and_it_says_between_what() -> None:
    labelled = nobody(100)
    labelled[: FIRST_LOOK * len(REASONS)] = True
    chosen = choose(unsure(100, 70, 80), topics(50, 50), labelled, REASONS, 1)
    assert chosen[0].row in (70, 80)
    assert (chosen[0].why, chosen[0].words) == (
        "undecided", "model cannot decide between no_need (46 %) and competitor (44 %)")  # fmt: skip


def test_a_model_with_few_answers_behind_it_is_not_listened_to_yet() -> None:
    labelled = nobody(100)
    labelled[: FIRST_LOOK * len(REASONS) - 1] = True
    assert choose(unsure(100, 0), topics(50, 50), labelled, REASONS, 1)[0].why == "first look"


def test_near_copies_are_not_asked_twice() -> None:
    vectors = np.repeat(np.eye(4), 25, axis=0)
    p = np.tile([0.4, 0.3, 0.3], (100, 1))
    labelled = nobody(100)
    labelled[:10] = True
    chosen = choose(p, vectors, labelled, REASONS, 10)
    assert sorted(choice.row // 25 for choice in chosen) == [1, 2, 3]  # the fourth kind has its answers


def test_labels_that_look_wrong_are_interleaved_and_say_why() -> None:
    labelled = nobody(60)
    labelled[:20] = True
    suspects = [Suspect(4, "budget", "no_need"), Suspect(9, "competitor", "budget")]
    chosen = choose(unsure(60, 30), topics(30, 30), labelled, REASONS, 3 * SUSPECT_EVERY, suspects)
    doubtful = [place for place, choice in enumerate(chosen, 1) if choice.why == "label"]
    assert doubtful == [SUSPECT_EVERY, 2 * SUSPECT_EVERY]
    assert chosen[SUSPECT_EVERY - 1].row == 4
    assert chosen[SUSPECT_EVERY - 1].words == "label looks wrong: says budget, reads like no_need"


def test_where_all_is_answered_only_doubtful_labels_are_left() -> None:
    everything = np.ones(10, dtype=bool)
    vectors = topics(10)
    assert choose(unsure(10), vectors, everything, REASONS, 5) == []
    chosen = choose(unsure(10), vectors, everything, REASONS, 5, [Suspect(2, "budget", "no_need")])
    assert [choice.row for choice in chosen] == [2]


def test_notes_that_say_nothing_are_never_chosen() -> None:
    vectors = topics(5, 5)
    vectors[7] = 0
    assert {choice.row for choice in choose(None, vectors, nobody(10), REASONS, 10)} == set(range(10)) - {7}


def test_two_reasons_or_one_note_are_enough() -> None:
    labelled = np.array([True] * 4 + [False])
    assert choose(np.full((5, 2), 0.5), topics(5), labelled, REASONS[:2], 3)[0].row == 4
    assert [choice.row for choice in choose(None, topics(1), nobody(1), REASONS, 3)] == [0]
    assert choose(None, sparse.csr_matrix(np.ones((1, 3))), nobody(1), REASONS, 3)[0].row == 0


def test_a_large_pool_is_weighed_by_a_sample_from_all_of_it() -> None:
    vectors = topics(AUDIENCE, AUDIENCE, AUDIENCE)
    chosen = choose(None, vectors, nobody(3 * AUDIENCE), REASONS, 3)
    assert sorted(choice.row // AUDIENCE for choice in chosen) == [0, 1, 2]


@given(st.integers(0, 50), st.integers(1, 30))
def test_lazy_evaluation_picks_what_plain_greedy_picks(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    units = rng.normal(size=(30, 6)).astype(np.float32)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    weights, covered = rng.random(30), rng.random(30) < 0.2
    weights[covered] = 0
    alike = np.maximum(units @ units.T, 0)
    best = alike[:, covered].max(axis=1, initial=0)
    expected: list[int] = []
    for _ in range(n):
        gains = np.where(weights > 0, np.maximum(alike - best[:, None], 0).T @ weights, -1)
        if gains.max() <= 1e-5 * weights.sum():
            break
        expected.append(int(gains.argmax()))
        best = np.maximum(best, alike[:, expected[-1]])
    assert representatives(units, weights, covered, n)[: len(expected)] == expected


def test_margin_is_the_gap_between_the_two_best() -> None:
    assert margins(np.array([[0.5, 0.2, 0.3], [0.1, 0.1, 0.8]])) == pytest.approx([0.2, 0.7])
    assert margins(np.ones((2, 1))).tolist() == [1, 1]
