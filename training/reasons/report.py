"""What a fit of reasons found, on labelled notes that the model had not learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import f1_score

from crm.tables import FloatArray, IntArray
from models.reasons import Recipe, Thresholds
from models.taxonomy import Taxonomy
from training.reasons.crossval import Tried
from training.reasons.noise import Flag

ECE_BINS = 10


@dataclass(frozen=True)
class ReasonScore:
    """How well one reason is told.

    Attributes:
        id: The reason.
        n: Notes labelled so.
        precision: Of the notes said to have it, the share that has; NaN where none was.
        recall: Of the notes that have it, the share said to; NaN where none has.
    """

    id: str
    n: int
    precision: float
    recall: float


@dataclass(frozen=True)
class Coverage:
    """One point of the coverage curve: the surest notes only.

    Attributes:
        coverage: Share of the notes that are kept.
        accuracy: Accuracy among them.
        threshold: Least probability among them.
    """

    coverage: float
    accuracy: float
    threshold: float


@dataclass(frozen=True)
class FitReport:
    """A fit of reasons. Everything about notes is out of fold; with no labelled notes there is nothing of it.

    Attributes:
        taxonomy: The reasons.
        n_labels: Labelled notes.
        n_taxonomy: Rows from the taxonomy.
        languages: Rows by language.
        recipe: What was chosen.
        tried: What was tried.
        thresholds: When a reading is sure, and how accurate sure ones were.
        share: Share of the sentence vectors in the average.
        p: Probabilities, shape (n_labels, n_reasons).
        labels: Primary reason of each note, shape (n_labels,).
        log_loss: Mean log-loss, calibrated, in nats.
        log_loss_before: The same before calibration.
        flags: Labels that are probably wrong, the most doubtful first.
        effective: Notes drawn at random from all notes that would tell as much for calibration and thresholds as the
            labelled ones, weighed to look like all, do (`training.reasons.natural`).
    """

    taxonomy: Taxonomy
    n_labels: int
    n_taxonomy: int
    languages: dict[str, int]
    recipe: Recipe
    tried: tuple[Tried, ...]
    thresholds: Thresholds
    share: float
    p: FloatArray
    labels: IntArray
    log_loss: float
    log_loss_before: float
    flags: tuple[Flag, ...]
    effective: float

    @property
    def accuracy(self) -> float:
        """Share of the notes whose best guess is their label; NaN without."""
        return float(np.mean(self.p.argmax(axis=1) == self.labels)) if self.n_labels else float("nan")

    @property
    def macro_f1(self) -> float:
        """F1 averaged over the reasons that have labels or were said; NaN without."""
        return macro_f1(self.p.argmax(axis=1), self.labels) if self.n_labels else float("nan")

    @property
    def ece(self) -> float:
        """Expected calibration error of the best guess's probability (`expected_calibration_error`)."""
        return expected_calibration_error(self.p, self.labels) if self.n_labels else float("nan")

    @property
    def confusion(self) -> IntArray:
        """How many notes of each label (row) were said to have each reason (column)."""
        found = np.zeros((len(self.taxonomy.ids), len(self.taxonomy.ids)), dtype=np.int64)
        if self.n_labels:
            np.add.at(found, (self.labels, self.p.argmax(axis=1)), 1)
        return found

    @property
    def reasons(self) -> tuple[ReasonScore, ...]:
        """Each reason's precision and recall, in the taxonomy's order."""
        found = self.confusion
        with np.errstate(invalid="ignore", divide="ignore"):
            precision, recall = np.diag(found) / found.sum(axis=0), np.diag(found) / found.sum(axis=1)
        return tuple(
            ReasonScore(id, int(found[n].sum()), float(precision[n]), float(recall[n]))
            for n, id in enumerate(self.taxonomy.ids)
        )

    @property
    def coverage_curve(self) -> tuple[Coverage, ...]:
        """Accuracy of the surest tenth of the notes, two tenths, and so on to all."""
        return coverage_curve(self.p, self.labels) if self.n_labels else ()


def macro_f1(said: IntArray, labels: IntArray) -> float:
    """F1 averaged over reasons, each counting the same."""
    return float(f1_score(labels, said, average="macro", zero_division=0.0))


def expected_calibration_error(p: FloatArray, labels: IntArray, n_bins: int = ECE_BINS) -> float:
    """Mean distance between the best guess's probability and how often it is right, in bins of equal size.

    Naeini et al. (2015), with equal-mass bins as Nixon et al. (2019) advise.

    Args:
        p: Probabilities, shape (n_notes, n_reasons).
        labels: The truth, shape (n_notes,).
        n_bins: Number of bins.
    """
    top = p.max(axis=1)
    right = (p.argmax(axis=1) == labels).astype(np.float64)
    parts = np.array_split(np.argsort(top, kind="stable"), n_bins)
    return float(sum(abs(top[part].mean() - right[part].mean()) * len(part) for part in parts if len(part)) / len(top))


def coverage_curve(p: FloatArray, labels: IntArray) -> tuple[Coverage, ...]:
    """Accuracy of the surest notes, by tenths of all."""
    top = p.max(axis=1)
    order = np.argsort(-top, kind="stable")
    right = (p.argmax(axis=1) == labels)[order]
    curve = []
    for tenth in range(1, 11):
        n = max(1, round(len(labels) * tenth / 10))
        curve.append(Coverage(tenth / 10, float(right[:n].mean()), float(top[order[n - 1]])))
    return tuple(curve)
