"""Fitting a model of reasons on a taxonomy and on labelled notes, of which there may be none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray
from models.notes import Cleaner, junk_reason
from models.reasons import Classifier, ReasonModel, Recipe, Scales, SentenceEncoder, Thresholds
from models.taxonomy import Taxonomy
from training.reasons.crossval import (
    LEAST_LABELS,
    CrossValidation,
    Scores,
    Tried,
    calibrated,
    choose_recipe,
    fit_scales,
)  # fmt: skip
from training.reasons.natural import effective_number, natural_weights
from training.reasons.noise import probable_mislabels
from training.reasons.report import FitReport
from training.reasons.rows import Rows, rows_of

LEAST_SURE = 20
"""Labelled notes that must be sure before an accuracy of sure readings is stated."""


@dataclass(frozen=True)
class FitSettings:
    """Settings of a fit.

    Attributes:
        wanted: Accuracy that sure readings are to have.
        recipe: Settings of the lines; None: chosen by cross-validation.
        seed: Of the folds.
    """

    wanted: float = 0.85
    recipe: Recipe | None = None
    seed: int = 0


@dataclass(frozen=True)
class Fitted:
    """A model and what is known of it."""

    model: ReasonModel
    report: FitReport


def fit_reasons(
    texts: Sequence[str], labels: Sequence[str | Sequence[str]], taxonomy: Taxonomy, *,
    encoder: SentenceEncoder | None = None, settings: FitSettings = FitSettings(),
    rivals: Sequence[str] = (), templates: Sequence[str] = (), unanswered: Sequence[str] = (),
) -> Fitted:  # fmt: skip
    """Fit a model of reasons.

    The taxonomy's names, definitions and seed phrases are training rows, so that it works with no label at all; nothing
    is called sure then, because no accuracy could be shown. With labels, recipe, calibration and thresholds come from
    cross-validation on them, and the model is then fitted on everything.

    Args:
        texts: Notes as written; cleaned here.
        labels: Reasons of each: ids, the primary one first, or one text with `|` between them.
        taxonomy: The reasons.
        encoder: Sentence encoder, to use the extra `multilingual`.
        settings: Settings.
        rivals: Names of known competitors.
        templates: Lines of pasted templates to leave out.
        unanswered: Notes of the same kind that have no label, as written. Calibration and thresholds then weigh the
            labelled ones to look like all notes, since those that people were asked about are not drawn at random.

    Raises:
        LabelError: A label is no reason of the taxonomy.
    """
    cleaner = Cleaner(keep=rivals, templates=templates)
    rows = rows_of([cleaner(text).text for text in texts], labels, taxonomy)
    validation = CrossValidation(rows, encoder, settings.seed)
    own, given = np.arange(rows.n_taxonomy), np.arange(rows.n_taxonomy, len(rows.texts))
    labelled = rows.n_labels >= LEAST_LABELS
    recipe, tried = settings.recipe or Recipe(), list[Tried]()
    if labelled and settings.recipe is None:
        recipe, tried = choose_recipe(validation, settings.seed)
    weight = np.ones(rows.n_labels)
    if labelled:
        scores = validation.scores(recipe, given, own)
        others = [text for text in (cleaner(text).text for text in unanswered) if junk_reason(text) is None]
        if others:
            beside = validation.scores_of(others, recipe, given, own)
            weight = natural_weights(_best(scores), _best(beside))
        scales, log_p = calibrated(scores, rows.labels, settings.seed, weight)
    else:
        scales = scales_without_labels(validation.scores(recipe, own, given), rows.reason[own])
        scores = validation.scores(recipe, given, own) if rows.n_labels else _nothing(rows, encoder)
        log_p = scores.log_probabilities(scales)
    thresholds = choose_thresholds(np.exp(log_p), rows.labels, settings.wanted, weight) if labelled else Thresholds()
    heard = np.where(np.arange(len(rows.texts)) < rows.n_taxonomy, recipe.taxonomy, 1.0)
    classifier = Classifier.fit(rows.texts, rows.reason, rows.n_reasons, heard, recipe, scales, encoder)
    model = ReasonModel(
        taxonomy, classifier, thresholds, rows.languages, rows.n_labels, tuple(rivals), tuple(templates)
    )
    before = scores.log_probabilities(Scales() if encoder is None else Scales(1.0, 1.0))
    report = FitReport(
        taxonomy, rows.n_labels, rows.n_taxonomy, rows.languages, recipe, tuple(tried), thresholds, scales.share,
        np.exp(log_p), rows.labels, _log_loss(log_p, rows.labels), _log_loss(before, rows.labels),
        probable_mislabels(np.exp(log_p), rows.labels, rows.further) if labelled else (), effective_number(weight),
    )  # fmt: skip
    return Fitted(model, report)


def scales_without_labels(scores: Scores, reason: IntArray) -> Scales:
    """Scales before there are labels: the taxonomy's phrases stand in for notes, each told from all others.

    A phrase often stands in the taxonomy in several languages, which makes it too easy for sentence vectors to count
    as evidence on them; so they get half of the say.

    Args:
        scores: Out-of-fold scores of the phrases.
        reason: Reason of each.
    """
    scale = fit_scales(Scores(scores.words, None), reason).words
    return Scales(scale) if scores.sentences is None else Scales(scale / 2, scale / 2)


def _best(scores: Scores) -> FloatArray:
    """How sure the best guess is before calibration, shape (n_notes,)."""
    plain = Scales() if scores.sentences is None else Scales(1.0, 1.0)
    return np.asarray(np.exp(scores.log_probabilities(plain).max(axis=1)))


def choose_thresholds(
    p: FloatArray, labels: IntArray, wanted: float, weight: FloatArray | None = None
) -> Thresholds:  # fmt: skip
    """The least probability from which readings are as accurate as wanted, on notes that were not learnt from.

    Args:
        p: Out-of-fold probabilities, shape (n_notes, n_reasons).
        labels: The truth, shape (n_notes,).
        wanted: Accuracy that sure readings are to have.
        weight: What each note counts; 1 by default.
    """
    top = p.max(axis=1)
    order = np.argsort(-top, kind="stable")
    w = np.ones(len(order)) if weight is None else weight[order]
    accuracy = np.cumsum(w * (p.argmax(axis=1) == labels)[order]) / np.cumsum(w)
    expected = np.cumsum(w * top[order]) / np.cumsum(w)  # steadier than the accuracy of few notes
    many = np.arange(1, len(order) + 1) >= LEAST_SURE
    enough = np.flatnonzero((np.minimum(accuracy, expected) >= wanted) & many)
    if not len(enough):
        return Thresholds(wanted=wanted)
    last = int(enough[-1])
    return Thresholds(
        sure=float(top[order[last]]), wanted=wanted, stated=float(accuracy[last]),
        coverage=float(w[: last + 1].sum() / w.sum()),
    )  # fmt: skip


def _nothing(rows: Rows, encoder: SentenceEncoder | None) -> Scores:
    none = np.zeros((0, rows.n_reasons))
    return Scores(none, None if encoder is None else none)


def _log_loss(log_p: FloatArray, labels: IntArray) -> float:
    return float(-log_p[np.arange(len(labels)), labels].mean()) if len(labels) else float("nan")
