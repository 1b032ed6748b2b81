"""The probability that a lost account is won back, learned from the company's own landmarks, or told by the prior.

Candidates are the prior, a regularised line, small trees and the average of both. Each is fitted at several past
moments on the landmarks that had been followed to the end of their horizon by then, and judged by log-loss on those
that came next; the simplest of those within `AS_GOOD` of the best is taken, calibrated on what it said there, and
refitted on all landmarks followed to the end. It is fitted again on accounts drawn anew to tell how well the
probability is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import Coded, FloatArray, IntArray
from features.matrix import FeatureMatrix
from insights.reengagement.landmarks import Landmarks
from insights.reengagement.prior import Prior
from models.average import Average
from models.calibration import Calibration, Plain, choose
from models.estimator import Estimator, log_odds
from models.explain import points_per_log_odds
from models.logistic import Logistic
from models.metrics import row_log_loss
from models.taxonomy import Taxonomy
from models.trees import Trees, TreeSize
from models.uncertainty import Z

SHARES = (0.25, 0.5, 0.75)
"""Past moments at which candidates are judged; see `past_moments`."""
LEAST_EVENTS = 10
"""Fewest accounts won back to fit a candidate on at a past moment, and to judge it by."""
AS_GOOD = 0.002
"""Share of the log-loss within which a simpler candidate is taken."""
REFITS = 6
"""Fits on accounts drawn anew."""
MOST_REFIT_ROWS = 20_000
"""Rows of each of these."""
BIAS = 1.0
"""Squared bias of a well-held-back model, as a share of its variance (see `training.uncertainty`)."""
TREES = TreeSize(trees=200, leaves=5, depth=3, learning_rate=0.04, min_rows=100, l2=10.0, column_share=0.5)

PRIOR = "prior"
KINDS: dict[str, Callable[[], Estimator]] = {
    "logistic": lambda: Logistic(0.05),
    "trees": lambda: Trees(TREES),
    "average": lambda: Average([Logistic(0.05), Trees(TREES)]),
}
"""Candidates beside the prior, the simplest first."""


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
        estimator: The fitted candidate; None for the prior.
        calibration: From its log-odds to probabilities.
        refits: The same, fitted on accounts drawn anew.
        scale: What the variance over the refits is multiplied by.
        judgement: How the candidates did.
        winbacks: Accounts won back in the history.
    """

    kind: str
    why: str
    horizon: int
    prior: Prior
    estimator: Estimator | None
    calibration: Calibration
    refits: tuple[Estimator, ...]
    scale: float
    judgement: Judgement
    winbacks: int

    def tell(self, matrix: FeatureMatrix) -> Told:
        """Probabilities of rows, with what they rest on."""
        if self.estimator is None:
            days, reason = matrix.columns["days_since_loss"], matrix.columns["loss_reason"]
            assert isinstance(reason, Coded)
            assert not isinstance(days, Coded)
            p, lower, upper = self.prior.predict(days, reason, self.horizon)
            return Told(p, lower, upper, np.zeros((matrix.n_rows, 0)), ())
        margin, parts, reference = self.estimator.explained(matrix)
        p = self.calibration(margin)
        said = np.stack([refit.margin(matrix) for refit in self.refits])
        spread = Z * np.sqrt(self.scale * said.var(axis=0, ddof=1))
        ratio, _ = points_per_log_odds(parts, p, reference, self.calibration)
        return Told(p, self.calibration(margin - spread), self.calibration(margin + spread), parts * ratio[:, None],
                    self.estimator.features)  # fmt: skip


def even_weights(rows: Landmarks) -> FloatArray:
    """Weights that add up to the number of accounts behind the rows: rows of one account share its fate."""
    return np.full(len(rows), len(np.unique(rows.lost.account)) / max(len(rows), 1))


def fit(
    rows: Landmarks, matrix: FeatureMatrix, taxonomy: Taxonomy, horizon: int, least_winbacks: int
) -> WinbackModel:
    """Choose and fit.

    Args:
        rows: Landmarks, with what became of them before `rows.end`.
        matrix: Their features.
        taxonomy: The reasons of lost deals.
        horizon: Months.
        least_winbacks: Fewest accounts won back for anything but the prior.
    """
    reason = _reason(matrix)
    prior = Prior.learn(taxonomy, rows, reason, rows.end)
    known = np.flatnonzero(rows.followed(rows.end)).astype(np.int64)
    winbacks = rows.accounts_won_back()

    def only_prior(why: str, judgement: Judgement) -> WinbackModel:
        return WinbackModel(PRIOR, why, horizon, prior, None, Plain(), (), 1.0, judgement, winbacks)

    nothing = Judgement({}, 0, ())
    if winbacks < least_winbacks:
        told = "1 account was won back" if winbacks == 1 else f"{winbacks} accounts were won back"
        return only_prior(f"{told} in the history; a model of its own takes {least_winbacks}", nothing)
    said, moments = _at_past_moments(rows, matrix, taxonomy, horizon)
    if not len(said.row):
        return only_prior(f"past moments hold too few win-backs within {horizon} months to judge a model by", nothing)
    y = rows.won_back()[said.row]
    losses = {name: float(row_log_loss(Plain()(margin), y).mean()) for name, margin in said.margins.items()}
    judgement = Judgement(losses, len(y), moments)
    best = min(losses.values())
    kind = next(name for name in (PRIOR, *KINDS) if losses[name] <= best * (1 + AS_GOOD))
    if kind == PRIOR:
        return only_prior("no model told past win-backs better than the prior", judgement)
    calibration, _ = choose(said.margins[kind], y, rows.lost.account[said.row], said.early, said.late,
                            even_weights(rows.take(said.row)))  # fmt: skip
    weight = even_weights(rows.take(known))
    estimator = _fitted(kind, matrix.take(known), rows.won_back()[known], weight)
    refits, scale = _refits(kind, rows, matrix, known, weight)
    why = (f"log-loss {losses[kind]:.4f} at {len(moments)} past moments, where the prior had {losses[PRIOR]:.4f} "
           f"({winbacks} accounts won back)")  # fmt: skip
    return WinbackModel(kind, why, horizon, prior, estimator, calibration, refits, scale, judgement, winbacks)


def _reason(matrix: FeatureMatrix) -> Coded:
    reason = matrix.columns.get("loss_reason", Coded.of([]))
    assert isinstance(reason, Coded)
    return reason


def _fitted(kind: str, matrix: FeatureMatrix, y: FloatArray, weight: FloatArray) -> Estimator:
    estimator = KINDS[kind]()
    estimator.fit(matrix, y, weight)
    return estimator


@dataclass(frozen=True)
class _Said:
    """What candidates said at past moments of the landmarks that came next.

    Attributes:
        row: The rows.
        margins: Log-odds by candidate.
        early: Rows of all but the last moment.
        late: Rows of the last.
    """

    row: IntArray
    margins: dict[str, FloatArray]
    early: np.ndarray
    late: np.ndarray


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
    rows: Landmarks, matrix: FeatureMatrix, taxonomy: Taxonomy, horizon: int
) -> tuple[_Said, tuple[int, ...]]:  # fmt: skip
    reason = _reason(matrix)
    found: list[tuple[IntArray, dict[str, FloatArray], int]] = []
    moments = past_moments(rows)
    y, followed = rows.won_back(), rows.followed(rows.end)
    for number, origin in enumerate(moments):
        until = moments[number + 1] if number + 1 < len(moments) else rows.end
        learn = np.flatnonzero(rows.followed(origin)).astype(np.int64)
        test = np.flatnonzero(followed & (rows.lost.as_of >= origin) & (rows.lost.as_of < until)).astype(np.int64)
        parts = (rows.take(learn), rows.take(test))
        if min(part.accounts_won_back() for part in parts) < LEAST_EVENTS:
            continue
        if min(len(part) - part.won_back().sum() for part in parts) < LEAST_EVENTS:
            continue
        asked = matrix.take(test)
        days = asked.columns["days_since_loss"]
        assert not isinstance(days, Coded)
        prior = Prior.learn(taxonomy, _as_known(rows, origin), reason, origin)
        learned = {name: _fitted(name, matrix.take(learn), y[learn], even_weights(parts[0]))
                   for name in ("logistic", "trees")}  # fmt: skip
        learned["average"] = Average(list(learned.values()))
        margins = {PRIOR: log_odds(prior.predict(days, reason.take(test), horizon)[0])}
        margins |= {name: estimator.margin(asked) for name, estimator in learned.items()}
        found.append((test, margins, origin))
    if not found:
        nothing = np.zeros(0, dtype=np.int64)
        return _Said(nothing, {}, nothing, nothing), ()
    last = np.repeat(np.arange(len(found)), [len(part[0]) for part in found]) == len(found) - 1
    return _Said(
        np.concatenate([part[0] for part in found]),
        {name: np.concatenate([part[1][name] for part in found]) for name in (PRIOR, *KINDS)},
        ~last, last,
    ), tuple(part[2] for part in found)  # fmt: skip


def _as_known(rows: Landmarks, end: int) -> Landmarks:
    """The same rows, without the win-backs that came at or after a moment."""
    never = np.iinfo(np.int64).max
    return Landmarks(rows.lost, np.where(rows.won_at < end, rows.won_at, never), rows.until, end)


def _refits(
    kind: str, rows: Landmarks, matrix: FeatureMatrix, known: IntArray, weight: FloatArray
) -> tuple[tuple[Estimator, ...], float]:  # fmt: skip
    """Fits on accounts drawn anew (Poisson bootstrap), of a part of them where there are many rows."""
    account = rows.lost.account[known]
    accounts = np.unique(account)
    random = np.random.default_rng(0)
    share = min(1.0, MOST_REFIT_ROWS / max(len(known), 1))
    if share < 1.0:
        accounts = np.sort(random.choice(accounts, max(int(share * len(accounts)), 1), replace=False))
    part = np.flatnonzero(np.isin(account, accounts)).astype(np.int64)
    place = np.searchsorted(accounts, account[part])
    y = rows.won_back()[known]
    found: list[Estimator] = []
    while len(found) < REFITS:
        often = random.poisson(1.0, len(accounts)).astype(np.float64)[place]
        drawn = part[often > 0]
        if y[drawn].min(initial=1.0) == y[drawn].max(initial=0.0):
            continue
        found.append(_fitted(kind, matrix.take(known[drawn]), y[drawn], weight[drawn] * often[often > 0] / share))
    return tuple(found), (1 + BIAS) * share


__all__: Sequence[str] = ["KINDS", "PRIOR", "Judgement", "Told", "WinbackModel", "fit", "past_moments"]
