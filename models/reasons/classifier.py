"""Which reason a text gives: TF-IDF into lines, with sentence vectors beside it where the extra is used."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from crm.tables import FloatArray, IntArray
from models.errors import EncoderError
from models.reasons.linear import Design, Lines, balanced, fit_lines
from models.reasons.sentences import SentenceEncoder, version
from models.reasons.vectors import LONGEST, Vocabulary, lengths_to


@dataclass(frozen=True)
class Recipe:
    """Settings of a fit, chosen by cross-validation.

    Attributes:
        c: Inverse strength of the penalty on words and n-grams.
        balance: How far rare reasons are weighed up (`balanced`).
        taxonomy: Weight of a row of the taxonomy (name, definition, seed phrase) beside a labelled text's 1.
        encoder_c: Inverse strength of the penalty on sentence vectors.
        longest: Greatest length of the character n-grams, of which three lengths are counted.
    """

    c: float = 10.0
    balance: float = 0.5
    taxonomy: float = 2.0
    encoder_c: float = 10.0
    longest: int = LONGEST


@dataclass(frozen=True)
class Scales:
    """How two lines' scores become log-probabilities: `words * words' scores + sentences * sentences' scores`.

    One number for each is a temperature (Guo et al. 2017) and a weighted average in log space at once.
    """

    words: float = 1.0
    sentences: float = 0.0

    @property
    def share(self) -> float:
        """Share of the sentence vectors in the average, 0 to 1."""
        return self.sentences / (self.words + self.sentences) if self.sentences else 0.0


@dataclass(frozen=True)
class Classifier:
    """A fitted text classifier.

    Attributes:
        vocabulary: Turns texts into sparse vectors.
        words: Lines on those.
        scales: Calibration.
        sentences: Lines on sentence vectors; None without the extra.
        encoder: Gives sentence vectors; None without the extra.
    """

    vocabulary: Vocabulary
    words: Lines
    scales: Scales
    sentences: Lines | None = None
    encoder: SentenceEncoder | None = None

    @property
    def n_reasons(self) -> int:
        """Number of reasons that it tells apart."""
        return len(self.words.intercepts)

    @classmethod
    def fit(
        cls, texts: Sequence[str], reason: IntArray, n_reasons: int, weight: FloatArray, recipe: Recipe,
        scales: Scales = Scales(), encoder: SentenceEncoder | None = None,
    ) -> Classifier:  # fmt: skip
        """Learn from texts.

        Args:
            texts: Cleaned texts.
            reason: Reason of each, 0 to n_reasons - 1, shape (n_texts,).
            n_reasons: Number of reasons.
            weight: Weight of each text, before rare reasons are weighed up.
            recipe: Settings.
            scales: Calibration, from texts that were not learnt from.
            encoder: Sentence encoder, if the extra is to be used.
        """
        vocabulary = Vocabulary.learn(texts, lengths=lengths_to(recipe.longest))
        weight = weight * balanced(reason, n_reasons, recipe.balance)
        words = fit_lines(Design(vocabulary.vectors(texts)), reason, n_reasons, weight, recipe.c)
        if encoder is None:
            return cls(vocabulary, words, scales)
        sentences = fit_lines(Design(encoder(texts)), reason, n_reasons, weight, recipe.encoder_c)
        return cls(vocabulary, words, scales, sentences, encoder)

    def log_probabilities(self, vectors: csr_matrix, sentences: FloatArray | None) -> FloatArray:
        """Log-probability of each reason.

        Args:
            vectors: Of the vocabulary, shape (n_texts, n_features).
            sentences: Sentence vectors, shape (n_texts, 512); None without the extra.

        Returns:
            Shape (n_texts, n_reasons).
        """
        scores = self.scales.words * self.words(vectors)
        if self.sentences is not None and sentences is not None:
            scores += self.scales.sentences * self.sentences(sentences)
        return log_softmax(scores)

    def encode(self, texts: Sequence[str]) -> FloatArray | None:
        """Sentence vectors, shape (n_texts, 512); None without the extra."""
        return None if self.encoder is None else self.encoder(texts)

    def probabilities(self, texts: Sequence[str]) -> FloatArray:
        """Probability of each reason, shape (n_texts, n_reasons)."""
        return np.exp(self.log_probabilities(self.vocabulary.vectors(texts), self.encode(texts)))

    def save(self, folder: Path) -> None:
        """Write it into an empty folder: arrays and JSON."""
        self.vocabulary.save(folder)
        _save_lines(self.words, folder / "words.npz")
        data: dict[str, object] = {"scales": [self.scales.words, self.scales.sentences], "encoder": None}
        if self.sentences is not None:
            data["encoder"] = version()
            _save_lines(self.sentences, folder / "sentences.npz")
        (folder / "classifier.json").write_text(json.dumps(data, indent=1))

    @classmethod
    def load(cls, folder: Path, encoder: SentenceEncoder | None = None) -> Classifier:
        """Read what `save` wrote.

        Args:
            folder: The folder.
            encoder: A sentence encoder with its cache; by default a new one where the model needs one.

        Raises:
            EncoderError: The model was fitted with sentence vectors of another encoder than this code's.
        """
        data = json.loads((folder / "classifier.json").read_text())
        sentences = None
        if data["encoder"] is not None:
            if data["encoder"] != version():
                raise EncoderError(f"the model was fitted with sentence encoder {data['encoder']}, this is {version()}")
            sentences, encoder = _lines(folder / "sentences.npz"), encoder or SentenceEncoder()
        vocabulary, words = Vocabulary.load(folder), _lines(folder / "words.npz")
        return cls(vocabulary, words, Scales(*data["scales"]), sentences, encoder if sentences is not None else None)


def _save_lines(lines: Lines, path: Path) -> None:
    np.savez(path, coefficients=lines.coefficients.astype(np.float32), intercepts=lines.intercepts)


def _lines(path: Path) -> Lines:
    with np.load(path, allow_pickle=False) as data:
        return Lines(data["coefficients"].astype(np.float64), data["intercepts"])


def log_softmax(scores: FloatArray) -> FloatArray:
    """Log-probabilities from scores, row by row, same shape."""
    top = scores.max(axis=1, keepdims=True)
    return np.asarray(scores - top - np.log(np.exp(scores - top).sum(axis=1, keepdims=True)))
