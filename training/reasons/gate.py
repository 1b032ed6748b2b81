"""The gate of a model of reasons: what it must show before it may serve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import FloatArray, IntArray
from models.metrics import Interval, bootstrap_mean
from models.reasons import Recipe
from training.gate import LEAST_GAIN, MOST_HARM
from training.reasons.report import FitReport

LEAST_ANSWERS = 40
"""Answered notes below which nothing can be shown, for or against."""


@dataclass(frozen=True)
class Champion:
    """What the gate knows of the version that serves.

    Attributes:
        n_labels: Answered notes that it was judged on.
        recipe: Settings of its fit.
    """

    n_labels: int
    recipe: Recipe | None


@dataclass(frozen=True)
class Verdict:
    """Whether a model may serve, and why.

    Attributes:
        promoted: Whether it may.
        reason: Why, in one sentence.
        gain: Log-loss of the shares of the reasons less that of the model, by note; None where too few are answered.
        gain_share: The gain as a share of that log-loss.
        on_champion: Log-loss of the champion's recipe, refitted, less the model's; None without.
    """

    promoted: bool
    reason: str
    gain: Interval | None = None
    gain_share: float = float("nan")
    on_champion: Interval | None = None


def judge(report: FitReport, deal: IntArray, champion: Champion | None, refitted: FitReport | None) -> Verdict:
    """Promote a model that surely reads notes better than the shares of the reasons do, and no worse than the champion.

    With fewer than `LEAST_ANSWERS` answered notes nothing can be shown: it serves where nothing better founded does,
    and calls nothing sure.

    Args:
        report: The fit, with its out-of-fold probabilities.
        deal: Deal of each answered note, shape (n_labels,).
        champion: The version that serves.
        refitted: The same notes and folds fitted by the champion's recipe.
    """
    n = report.n_labels
    if n < LEAST_ANSWERS:
        told = f"{n} notes answered by people, of {LEAST_ANSWERS} that are needed to judge a model of reasons"
        if champion is not None and champion.n_labels > n:
            return Verdict(False, f"not better than the champion: {told}; what serves was judged on "
                                  f"{champion.n_labels}")  # fmt: skip
        return Verdict(True, f"serves on trial: {told}; it knows the taxonomy's phrases, and calls nothing sure")
    loss = -np.log(_given(report))
    base = -np.log(shares(report.labels, len(report.taxonomy.ids)))
    gain = bootstrap_mean(base - loss, deal)
    share = gain.mean / float(base.mean())
    told = f"log-loss {_share(gain, float(base.mean()))} better than the shares of the reasons, on {n} answered notes"
    if gain.lower <= 0 or share < LEAST_GAIN:
        why = f"no signal: notes do not tell their reason surely better than chance ({told})"
        return Verdict(False, why, gain, share)
    against = None
    if refitted is not None:
        other = -np.log(_given(refitted))
        against = bootstrap_mean(other - loss, deal)
        told += f", {_share(against, float(other.mean()))} than the champion's recipe"
        if -against.lower > MOST_HARM * float(other.mean()):
            why = f"not better than the champion: it may be worse by more than {MOST_HARM:.1%} ({told})"
            return Verdict(False, why, gain, share, against)
    return Verdict(True, f"reads notes ({told}; accuracy {report.accuracy:.0%})", gain, share, against)


def _given(report: FitReport) -> FloatArray:
    return np.maximum(report.p[np.arange(report.n_labels), report.labels], 1e-12)


def shares(labels: IntArray, n_reasons: int) -> FloatArray:
    """Share of each note's reason among the others, each reason counted once more than it is; shape (n_notes,)."""
    count = np.bincount(labels, minlength=n_reasons)
    return np.asarray(count[labels] / (len(labels) - 1 + n_reasons), dtype=np.float64)


def _share(gain: Interval, of: float) -> str:
    return f"{100 * gain.mean / of:+.1f} % [{100 * gain.lower / of:+.1f}, {100 * gain.upper / of:+.1f}]"
