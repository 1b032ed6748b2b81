"""The probability that a lost account is won back, learned from the company's own landmarks, or told by the prior.

Candidates are the prior, and two steps (`insights.reengagement.twosteps`) of lines or of lines and small trees. Each is
fitted at several past moments on what was known by then, and judged by log-loss on the landmarks that came next, by
what it would have said there; the simplest of those within `AS_GOOD` of the best is taken and refitted on all that is
known. `insights.reengagement.levels` makes probabilities of its log-odds. It is fitted again on accounts drawn anew to
tell how well the probability is known; how far levels were off at past moments is added to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import Coded, FloatArray
from features.matrix import FeatureMatrix
from insights.reengagement.landmarks import Landmarks
from insights.reengagement.lessons import Lessons
from insights.reengagement.levels import Moment, calibrated, drift_of, slope_of
from insights.reengagement.prior import Prior
from insights.reengagement.twosteps import KINDS, TwoSteps, fit_steps
from models.calibration import Calibration, Plain
from models.estimator import log_odds, probability
from models.explain import points_per_log_odds
from models.metrics import row_log_loss
from models.taxonomy import Taxonomy
from models.uncertainty import Z

SHARES = (0.25, 0.5, 0.75)
"""Past moments at which candidates are judged; see `past_moments`."""
LEAST_EVENTS = 10
"""Fewest accounts won back before a past moment, and after it, to judge candidates there."""
AS_GOOD = 0.002
"""Share of the log-loss within which a simpler candidate is taken."""
REFITS = 6
"""Fits on accounts drawn anew."""
MOST_REFIT_ROWS = 20_000
"""Rows of each of these."""
BIAS = 3.0
"""Squared bias, as a share of the variance: more than the 1 of `training.uncertainty`, for a sum of log-odds only comes
near to the log-odds of two steps that both succeed."""
PRIOR = "prior"


@dataclass(frozen=True)
class Judgement:
    """How the candidates did at past moments.

    Attributes:
        losses: Log-loss by candidate; empty where there was nothing to judge by.
        rows: Rows that they were judged on.
        moments: The past moments, in microseconds.
    """

    losses: dict[str, float]
    rows: int
    moments: tuple[int, ...]


@dataclass(frozen=True)
class Told:
    """Probabilities of rows.

    Attributes:
        p: Probability of a win-back within the horizon, shape (n_rows,).
        lower: Lower end of the interval.
        upper: Upper end.
        points: What each feature adds to the probability, shape (n_rows, n_features); no columns for the prior.
        features: Their names.
    """

    p: FloatArray
    lower: FloatArray
    upper: FloatArray
    points: FloatArray
    features: tuple[str, ...]


@dataclass(frozen=True)
class WinbackModel:
    """A fitted model.

    Attributes:
        kind: `prior`, or the candidate of `KINDS` that was chosen.
        why: Why it was chosen, in words.
        horizon: Months.
        prior: The prior, as the history left it.
        steps: The fitted candidate; None for the prior.
        calibration: From its log-odds to probabilities.
        slope: Slope of that.
        refits: The same, fitted on accounts drawn anew.
        scale: What the variance over the refits is multiplied by.
        drift: How far the level may move, in log-odds.
        judgement: How the candidates did.
        winbacks: Accounts won back in the history.
    """

    kind: str
    why: str
    horizon: int
    prior: Prior
    steps: TwoSteps | None
    calibration: Calibration
    slope: float
    refits: tuple[TwoSteps, ...]
    scale: float
    drift: float
    judgement: Judgement
    winbacks: int

    def tell(self, matrix: FeatureMatrix) -> Told:
        """Probabilities of rows, with what they rest on."""
        if self.steps is None:
            days, reason = matrix.columns["days_since_loss"], matrix.columns["loss_reason"]
            assert isinstance(reason, Coded)
            assert not isinstance(days, Coded)
            p, lower, upper = self.prior.predict(days, reason, self.horizon)
            return Told(p, lower, upper, np.zeros((matrix.n_rows, 0)), ())
        margin, parts, reference = self.steps.explained(matrix)
        p = self.calibration(margin)
        said = np.stack([refit.margin(matrix) for refit in self.refits])
        variance = self.scale * self.slope**2 * said.var(axis=0, ddof=1) + self.drift**2
        middle, spread = log_odds(p), Z * np.sqrt(variance)
        ratio, _ = points_per_log_odds(parts, p, reference, self.calibration)
        return Told(p, probability(middle - spread), probability(middle + spread), parts * ratio[:, None],
                    self.steps.features)  # fmt: skip


def fit(lessons: Lessons, taxonomy: Taxonomy, least_winbacks: int) -> WinbackModel:
    """Choose and fit.

    Args:
        lessons: What to learn from.
        taxonomy: The reasons of lost deals.
        least_winbacks: Fewest accounts won back for anything but the prior.
    """
    rows, horizon = lessons.rows, lessons.horizon
    prior = Prior.learn(taxonomy, lessons)
    winbacks = rows.accounts_won_back()

    def only_prior(why: str, judgement: Judgement) -> WinbackModel:
        return WinbackModel(PRIOR, why, horizon, prior, None, Plain(), 1.0, (), 1.0, 0.0, judgement, winbacks)

    nothing = Judgement({}, 0, ())
    if winbacks < least_winbacks:
        told = "1 account was won back" if winbacks == 1 else f"{winbacks} accounts were won back"
        return only_prior(f"{told} in the history; a model of its own takes {least_winbacks}", nothing)
    said, by_prior, moments = _at_past_moments(lessons, taxonomy)
    if not moments:
        return only_prior(f"past moments hold too few win-backs within {horizon} months to judge a model by", nothing)
    slopes = {name: slope_of(parts) for name, parts in said.items()}
    losses = {PRIOR: float(np.concatenate(by_prior).mean())}
    losses |= {name: _log_loss(slopes[name], parts) for name, parts in said.items()}
    judgement = Judgement(losses, sum(len(part) for part in by_prior), moments)
    best = min(losses.values())
    kind = next(name for name in (PRIOR, *KINDS) if losses[name] <= best * (1 + AS_GOOD))
    steps = None if kind == PRIOR else fit_steps(kind, lessons)
    if steps is None:
        return only_prior("no model told past win-backs better than the prior", judgement)
    known = np.flatnonzero(rows.followed(rows.end)).astype(np.int64)
    slope = slope_of(said[kind][-1:])  # what was fitted last had most to learn from, as the refit has: it is steeper
    calibration = calibrated(slope, steps.margin(lessons.matrix.take(known)), rows.won_back()[known])
    refits, scale = _refits(kind, lessons)
    why = (f"log-loss {losses[kind]:.4f} at {len(moments)} past moments, where the prior had {losses[PRIOR]:.4f} "
           f"({winbacks} accounts won back)")  # fmt: skip
    return WinbackModel(kind, why, horizon, prior, steps, calibration, slope, refits, scale,
                        drift_of(slope, said[kind]), judgement, winbacks)  # fmt: skip


def past_moments(rows: Landmarks) -> list[int]:
    """Past moments at which candidates can be judged: after each there are rows that were followed to the end.

    Shares (`SHARES`) of the time between the end of the first landmark's horizon, before which nothing is known to
    learn from, and the last landmark whose horizon has ended.
    """
    followed = rows.until <= rows.end
    if not followed.any():
        return []
    first, last = int(rows.until.min()), int(rows.lost.as_of[followed].max())
    moments = np.unique(rows.lost.as_of[(rows.lost.as_of > first) & (rows.lost.as_of <= last)])
    wanted = [first + share * (last - first) for share in SHARES]
    return sorted({int(moments[np.argmin(np.abs(moments - at))]) for at in wanted}) if len(moments) else []


def _at_past_moments(
    lessons: Lessons, taxonomy: Taxonomy
) -> tuple[dict[str, list[Moment]], list[FloatArray], tuple[int, ...]]:
    """What candidates said at past moments, the prior's log-losses there by row, and the moments."""
    rows, y = lessons.rows, lessons.rows.won_back()
    said: dict[str, list[Moment]] = {name: [] for name in KINDS}
    by_prior, judged = [], []
    moments = past_moments(rows)
    for number, origin in enumerate(moments):
        until = moments[number + 1] if number + 1 < len(moments) else rows.end
        learn = np.flatnonzero(rows.followed(origin)).astype(np.int64)
        as_of = rows.lost.as_of
        test = np.flatnonzero(rows.followed(rows.end) & (as_of >= origin) & (as_of < until)).astype(np.int64)
        if not _enough(rows.take(learn)) or not _enough(rows.take(test)):
            continue
        then = lessons.as_known(origin)
        fitted = {name: fit_steps(name, then) for name in KINDS}
        known, asked = lessons.matrix.take(learn), lessons.matrix.take(test)
        weight = len(np.unique(rows.lost.account[test])) / len(test)
        if any(steps is None for steps in fitted.values()):
            continue
        for name, steps in fitted.items():
            assert steps is not None
            said[name].append(Moment(steps.margin(known), y[learn], steps.margin(asked), y[test], weight))
        days = asked.columns["days_since_loss"]
        assert not isinstance(days, Coded)
        p = Prior.learn(taxonomy, then).predict(days, lessons.reason.take(test), lessons.horizon)[0]
        by_prior.append(row_log_loss(p, y[test]))
        judged.append(origin)
    return said, by_prior, tuple(judged)


def _enough(rows: Landmarks) -> bool:
    """Whether some were won back, and some were not."""
    return bool(min(rows.accounts_won_back(), len(rows) - rows.won_back().sum()) >= LEAST_EVENTS)


def _log_loss(slope: float, moments: Sequence[Moment]) -> float:
    """Mean log-loss of what would have been said at past moments."""
    parts = [row_log_loss(calibrated(slope, item.learned, item.outcome)(item.asked), item.came) for item in moments]
    return float(np.concatenate(parts).mean())


def _refits(kind: str, lessons: Lessons) -> tuple[tuple[TwoSteps, ...], float]:
    """Fits on accounts drawn anew (Poisson bootstrap), of a part of them where there are many rows."""
    accounts = 1 + int(max(lessons.rows.lost.account.max(), lessons.business.account.max()))
    random = np.random.default_rng(0)
    share = min(1.0, MOST_REFIT_ROWS / max(len(lessons.rows), 1))
    part = random.random(accounts) < share
    found: list[TwoSteps] = []
    while len(found) < REFITS:
        steps = fit_steps(kind, lessons, random.poisson(1.0, accounts) * part / share)
        if steps is None:  # a part too small to be drawn from again and again
            part[:] = True
            share = 1.0
            continue
        found.append(steps)
    return tuple(found), (1 + BIAS) * share


__all__: Sequence[str] = ["PRIOR", "Judgement", "Told", "WinbackModel", "fit", "past_moments"]
