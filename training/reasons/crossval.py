"""Scores of labelled notes by models that did not see them, and the choice of a recipe by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from sklearn.metrics import f1_score

from crm.tables import FloatArray, IntArray
from models.reasons.classifier import Recipe, Scales, log_softmax
from models.reasons.linear import Design, Lines, balanced, fit_lines
from models.reasons.sentences import SentenceEncoder
from models.reasons.vectors import GRAMS, MANY_ROWS, Vocabulary, least_rows, lengths_to, rarity
from training.reasons.rows import Rows

FOLDS = 4
MOST_TO_CHOOSE = 3_600
"""Labelled notes that a recipe is chosen on: the choice is coarse, and the time grows with them."""

LEAST_LABELS = 20
"""Labelled notes from which a recipe, a calibration and thresholds are learnt from them."""

UNEVEN = 3.0
"""Ratio of the most frequent reason to the middle one from which weighing rare reasons up further is tried."""

RARE_SAY = 0.15
"""Share of macro-F1 in what recipes are compared by. Weighing rare reasons up raises it much and costs accuracy a
little, which statuses, counts and calibration rest on; so it decides only between recipes about as accurate."""

PENALTIES = (10.0, 3.0, 1.0, 30.0)
BALANCES = (0.5, 0.75)
LONGER = 5
"""Length of n-grams that is tried on the best recipe, of `MANY_ROWS` labelled notes and more: longer pieces of words
tell more where they were seen often enough."""

_PULL = 0.5
"""Spread of the logarithm of a scale expected before any data: few notes change the scales little."""


@dataclass(frozen=True)
class Scores:
    """Scores of some rows by lines that did not see them, before calibration.

    Attributes:
        words: From words and n-grams, shape (n_rows, n_reasons).
        sentences: From sentence vectors; None without the extra.
    """

    words: FloatArray
    sentences: FloatArray | None

    def log_probabilities(self, scales: Scales) -> FloatArray:
        """Log-probabilities, shape (n_rows, n_reasons)."""
        total = scales.words * self.words
        return log_softmax(total if self.sentences is None else total + scales.sentences * self.sentences)

    def take(self, rows: IntArray) -> Scores:
        """Those of some rows."""
        return Scores(self.words[rows], None if self.sentences is None else self.sentences[rows])


class CrossValidation:
    """Out-of-fold scores of training rows.

    Each fold's vocabulary and rarities are learnt from its own training rows, so that an unseen note looks to the
    model exactly as it will look later.

    Args:
        rows: Training rows.
        encoder: Sentence encoder, if the extra is used.
        seed: Of the folds.
    """

    def __init__(self, rows: Rows, encoder: SentenceEncoder | None = None, seed: int = 0) -> None:
        self.rows = rows
        self.encoder = encoder
        self.vocabulary = Vocabulary.learn(rows.texts, least=1, lengths=GRAMS)
        self.counts = self.vocabulary.count(rows.texts)
        self.sentences = None if encoder is None else encoder(rows.texts)
        self._seed = seed

    def scores(self, recipe: Recipe, asked: IntArray, always: IntArray) -> Scores:
        """Scores of each of the rows asked for, by a fit on `always` and on the other folds of those asked for.

        Args:
            recipe: Settings of the fits.
            asked: Rows, shape (n_asked,).
            always: Rows that are always learnt from.
        """
        return self.compare([recipe], asked, always)[0]

    def compare(self, recipes: Sequence[Recipe], asked: IntArray, always: IntArray) -> list[Scores]:
        """`scores` of several recipes."""
        fold = folds(self.rows.reason[asked], FOLDS, self._seed)
        shape = (len(asked), self.rows.n_reasons)
        found = [Scores(np.empty(shape), None if self.sentences is None else np.empty(shape)) for _ in recipes]
        for number in range(FOLDS):
            out = fold == number
            learn = np.concatenate([always, asked[~out]])
            words = {}
            for longest in {recipe.longest for recipe in recipes}:
                seen, unseen = self._vectors(learn, self.counts[asked[out]], longest)
                words[longest] = Design(seen), unseen
            sentences = None if self.sentences is None else Design(self.sentences[learn])
            for recipe, scores in zip(recipes, found, strict=True):
                design, unseen = words[recipe.longest]
                scores.words[out] = self._lines(design, learn, recipe, recipe.c)(unseen)
                if self.sentences is not None and sentences is not None and scores.sentences is not None:
                    lines = self._lines(sentences, learn, recipe, recipe.encoder_c)
                    scores.sentences[out] = lines(self.sentences[asked[out]])
        return found

    def scores_of(self, texts: Sequence[str], recipe: Recipe, asked: IntArray, always: IntArray) -> Scores:
        """Scores of other texts, by a fit on as many rows as the scores of those asked for come from.

        Args:
            texts: Cleaned texts that are no rows.
            recipe: Settings of the fit.
            asked: Rows, of which all folds but one are learnt from, shape (n_asked,).
            always: Rows that are always learnt from.
        """
        fold = folds(self.rows.reason[asked], FOLDS, self._seed)
        learn = np.concatenate([always, asked[fold != 0]])
        seen, unseen = self._vectors(learn, self.vocabulary.count(texts), recipe.longest)
        words = self._lines(Design(seen), learn, recipe, recipe.c)(unseen)
        if self.encoder is None or self.sentences is None:
            return Scores(words, None)
        lines = self._lines(Design(self.sentences[learn]), learn, recipe, recipe.encoder_c)
        return Scores(words, lines(self.encoder(texts)))

    def _lines(self, design: Design, learn: IntArray, recipe: Recipe, c: float) -> Lines:
        reason = self.rows.reason[learn]
        weight = np.where(learn < self.rows.n_taxonomy, recipe.taxonomy, 1.0)
        weight = weight * balanced(reason, self.rows.n_reasons, recipe.balance)
        return fit_lines(design, reason, self.rows.n_reasons, weight, c)

    def _vectors(self, learn: IntArray, out: csr_matrix, longest: int) -> tuple[csr_matrix, csr_matrix]:
        counts = self.counts[learn]
        df = np.bincount(counts.indices, minlength=counts.shape[1]).astype(np.float64)
        used = (df >= least_rows(len(learn))) & self.vocabulary.among(lengths_to(longest))
        idf = np.where(used, rarity(df, len(learn)), 0.0)
        seen, unseen = (self.vocabulary.weighed(part, idf) for part in (counts, out))
        seen.eliminate_zeros()
        return seen, unseen


def folds(reason: IntArray, n_folds: int, seed: int) -> IntArray:
    """Fold of each row, each reason's rows spread evenly, shape (n_rows,)."""
    order = np.random.default_rng(seed).permutation(len(reason))
    order = order[np.argsort(reason[order], kind="stable")]
    fold = np.empty(len(reason), dtype=np.int64)
    fold[order] = np.arange(len(reason)) % n_folds
    return fold


@dataclass(frozen=True)
class Tried:
    """A recipe and how well it did on notes that it had not seen: its `quality`."""

    recipe: Recipe
    score: float


def choose_recipe(validation: CrossValidation, seed: int = 0) -> tuple[Recipe, list[Tried]]:
    """The best recipe on labelled notes; the first of equals.

    Args:
        validation: Rows with at least `LEAST_LABELS` labelled notes.
        seed: Of the notes that the choice is made on, where there are many.
    """
    rows = validation.rows
    asked = np.arange(rows.n_taxonomy, len(rows.texts))
    if len(asked) > MOST_TO_CHOOSE:
        asked = np.sort(np.random.default_rng(seed).permutation(asked)[:MOST_TO_CHOOSE])
    always = np.arange(rows.n_taxonomy)
    counts = np.bincount(rows.labels)
    uneven = counts.max() > UNEVEN * np.median(counts[counts > 0])
    candidates = [
        Recipe(c=c, balance=balance, encoder_c=c)
        for c in PENALTIES for balance in (BALANCES if uneven else BALANCES[:1])
    ]  # fmt: skip

    def judged(recipes: Sequence[Recipe]) -> list[Tried]:
        compared = validation.compare(recipes, asked, always)
        found = zip(recipes, compared, strict=True)
        return [Tried(recipe, quality(scores, rows.reason[asked])) for recipe, scores in found]

    tried = judged(candidates)
    if rows.n_labels >= MANY_ROWS:
        tried += judged([replace(max(tried, key=lambda item: item.score).recipe, longest=LONGER)])
    return max(tried, key=lambda item: item.score).recipe, tried


def quality(scores: Scores, reason: IntArray) -> float:
    """Accuracy of scores as they will serve, calibrated by other rows, with macro-F1 at `RARE_SAY` beside it."""
    said = calibrated(scores, reason)[1].argmax(axis=1)
    accuracy, f1 = float(np.mean(said == reason)), float(f1_score(reason, said, average="macro", zero_division=0.0))
    return (1 - RARE_SAY) * accuracy + RARE_SAY * f1


def fit_scales(scores: Scores, reason: IntArray, weight: FloatArray | None = None) -> Scales:
    """The scales under which the reasons that were given are most probable.

    Maximum a posteriori: the logarithm of each scale is expected at its default, give or take `_PULL`.

    Args:
        scores: Of the rows, by lines that did not see them.
        reason: Reason of each.
        weight: What each row counts; 1 by default.
    """
    start = Scales() if scores.sentences is None else Scales(1.0, 1.0)
    parts = [scores.words] if scores.sentences is None else [scores.words, scores.sentences]
    rows = np.arange(len(reason))
    w = np.ones(len(reason)) if weight is None else weight

    def loss(x: FloatArray) -> tuple[float, FloatArray]:
        scale = np.exp(x)
        log_p = log_softmax(sum((s * part for s, part in zip(scale, parts, strict=True)), np.zeros_like(parts[0])))
        p = np.exp(log_p)
        value = -float(w @ log_p[rows, reason]) + float(np.sum(x**2)) / (2 * _PULL**2)
        slope = [scale[n] * (w @ (np.sum(p * part, axis=1) - part[rows, reason])) for n, part in enumerate(parts)]
        return float(value), np.array(slope) + x / _PULL**2

    first = np.log([start.words] if scores.sentences is None else [start.words, start.sentences])
    found = np.exp(minimize(loss, first, jac=True, method="L-BFGS-B", bounds=[(-4.0, 4.0)] * len(parts)).x)
    return Scales(float(found[0]), float(found[1]) if len(parts) > 1 else 0.0)


def calibrated(
    scores: Scores, reason: IntArray, seed: int = 0, weight: FloatArray | None = None
) -> tuple[Scales, FloatArray]:  # fmt: skip
    """Scales and out-of-fold log-probabilities: each half is calibrated by the other.

    The calibration is kept only if it lowers log-loss there. Its sample is the labelled notes as they came, or weighed
    to look like all notes, never one made even between reasons.

    Args:
        scores: Out-of-fold scores.
        reason: Reason of each.
        seed: Of the halves.
        weight: What each row counts; 1 by default.

    Returns:
        Scales fitted on all rows, and log-probabilities, shape (n_rows, n_reasons).
    """
    plain = Scales() if scores.sentences is None else Scales(1.0, 1.0)
    half = folds(reason, 2, seed + 1)
    w = np.ones(len(reason)) if weight is None else weight
    log_p = np.empty_like(scores.words)
    for number in (0, 1):
        learn, out = np.flatnonzero(half != number), np.flatnonzero(half == number)
        scales = fit_scales(scores.take(learn), reason[learn], w[learn]) if len(learn) else plain
        log_p[out] = scores.take(out).log_probabilities(scales)
    rows = np.arange(len(reason))
    before = scores.log_probabilities(plain)
    if w @ log_p[rows, reason] > w @ before[rows, reason]:
        return fit_scales(scores, reason, w), log_p
    return plain, before
