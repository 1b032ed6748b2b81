"""What the deals of teams and owners promised, and what became of them: so that hard deals are nobody's fault.

Each decided deal of the period gets a probability as of the 00:00 UTC after its entry, from a model that cannot know
how it ended:

* the champion, where all it learnt from lies before each of these moments;
* else a penalised logistic regression on what was known at these moments, of the deals that had closed before the
  period began; the owner and the owner's record are no input, or a weak record would excuse itself;
* else, with fewer than `LEAST_EACH` won or lost deals before, the stage x age table of the same deals.

Log-odds are then moved by one number for all deals, so that they sum to the wins of the period: each team is compared
with the company in the same quarter, and not blamed for the market.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from crm.tables import DAY, FloatArray, IntArray
from features.history import History
from features.matrix import Snapshots, build_matrix
from features.registry import features_of
from insights.periods import Period
from insights.review.chance import FALSE_SHARE, benjamini_hochberg
from insights.review.closed import BoolArray, ClosedDeals, Dimension, slices
from models.estimator import Estimator, log_odds, probability
from models.logistic import Logistic
from models.resampling import bootstrap_mean
from models.stage_age import StageAgeTable
from models.win import WinModel

LEAST_EACH = 40
"""Fewest won, and fewest lost, earlier deals to fit a line on."""
PENALTY = 0.03
OTHERS = "all below the minimum"
_FAR = 30.0


@dataclass(frozen=True)
class Odds:
    """Early probabilities of a period's decided deals.

    Attributes:
        rows: Places of the deals, shape (n_deals,).
        p: Their probabilities, moved to the level of the period.
        said: Sum of the probabilities before they were moved.
        won: Won ones of them.
        how: Where they come from, in words.
        left_out: Decided deals without an early moment: closed by the day after their entry, or without a date of it.
    """

    rows: IntArray
    p: FloatArray
    said: float
    won: int
    how: str
    left_out: int


@dataclass(frozen=True)
class GroupOdds:
    """A team, or an owner, against the odds of its own deals.

    Attributes:
        group: Its name; an owner by id.
        deals: Decided deals with early odds.
        won: Won of them.
        expected: Sum of their probabilities.
        difference: Won less expected, in deals.
        lower: Lower end of its 95 % interval, from resampling deals.
        upper: Upper end.
        q: Probability of such a difference by chance alone, corrected for all groups that are compared.
        beyond_chance: Whether q is at most 0.05.
    """

    group: str
    deals: int
    won: int
    expected: float
    difference: float
    lower: float
    upper: float
    q: float
    beyond_chance: bool


@dataclass(frozen=True)
class AgainstOdds:
    """Teams and owners against the odds of their deals.

    Attributes:
        how: Where the odds come from, in words.
        deals: Decided deals with early odds.
        won: Won of them.
        said: Wins that the odds said for all of them, before they were moved to the level of the period.
        left_out: Decided deals without early odds.
        least: Fewest deals for which a group is shown.
        teams: Teams of at least so many deals, those furthest above first; all others together come last.
        owners: Owners likewise.
    """

    how: str
    deals: int
    won: int
    said: float
    left_out: int
    least: int
    teams: tuple[GroupOdds, ...]
    owners: tuple[GroupOdds, ...]


def against_odds(
    deals: ClosedDeals, period: Period, least: int, model: WinModel | None = None
) -> AgainstOdds | None:  # fmt: skip
    """How teams and owners did against the odds of their deals; None where there is nothing to learn odds from.

    Args:
        deals: All decided deals.
        period: The period.
        least: Fewest deals for which a group is shown.
        model: The champion, where there is one.
    """
    odds = early_odds(deals, period, model)
    if odds is None:
        return None
    return AgainstOdds(odds.how, len(odds.rows), odds.won, odds.said, odds.left_out, least,
                       _groups(deals, odds, "team", least), _groups(deals, odds, "owner", least))  # fmt: skip


def early_odds(deals: ClosedDeals, period: Period, model: WinModel | None = None) -> Odds | None:
    """Probabilities of a period's decided deals as of the day after their entry; see the module.

    Args:
        deals: All decided deals.
        period: The period.
        model: The champion, where there is one.
    """
    rows = deals.of(period)
    early = _early(deals, rows)
    if not len(early):
        return None
    pairs = _pairs(deals, early)
    history = deals.history
    if model is not None and model.dated and model.trained_before <= int(pairs.as_of.min()):
        matrix = build_matrix(history, model.needed(features_of(history)), pairs)
        p, how = model.predict(matrix), "the champion, which learnt from nothing after these deals were entered"
    else:
        past = _early(deals, np.flatnonzero(deals.closed < period.start).astype(np.int64))
        found = _learnt(history, _pairs(deals, past), deals.won[past], pairs)
        if found is None:
            return None
        p, how = found
    won = deals.won[early]
    return Odds(early, _moved(p, int(won.sum())), float(p.sum()), int(won.sum()), how, len(rows) - len(early))


def _early(deals: ClosedDeals, rows: IntArray) -> IntArray:
    """Those of the rows that were still open on the 00:00 UTC after their entry."""
    created = deals.created[rows]
    return rows[~np.isnan(deals.cycle_days[rows]) & ((created // DAY + 1) * DAY < deals.closed[rows])]


def _pairs(deals: ClosedDeals, rows: IntArray) -> Snapshots:
    return Snapshots(deals.code[rows], (deals.created[rows] // DAY + 1) * DAY)


def _learnt(
    history: History, past: Snapshots, won: BoolArray, pairs: Snapshots
) -> tuple[FloatArray, str] | None:  # fmt: skip
    """Probabilities from what earlier deals teach."""
    if not len(past):
        return None
    outcome = won.astype(np.float64)
    enough = min(int(won.sum()), int((~won).sum())) >= LEAST_EACH
    features = [item for item in features_of(history) if "opportunities.owner_id" not in item.needs]
    estimator: Estimator
    if enough:
        estimator = Logistic(PENALTY)
        how = f"a line through what was known on the day after entry, learnt from the {len(past):,} deals closed before"
    else:
        features = [item for item in features if item.name in ("stage", "age_days")]
        estimator = StageAgeTable()
        how = f"the win rates by stage and age of the {len(past):,} deals closed before: too few for more"
    estimator.fit(build_matrix(history, features, past), outcome)
    return probability(estimator.margin(build_matrix(history, features, pairs))), how


def _moved(p: FloatArray, won: int) -> FloatArray:
    """The probabilities with their log-odds moved by one number, so that they sum to the wins there were."""
    margin = log_odds(p)
    if won in (0, len(p)):
        return np.full(len(p), float(won > 0))

    def excess(shift: float) -> float:
        return float(expit(margin + shift).sum()) - won

    return np.asarray(expit(margin + brentq(excess, -_FAR, _FAR)))


def _groups(deals: ClosedDeals, odds: Odds, by: Dimension, least: int) -> tuple[GroupOdds, ...]:
    place = np.full(len(deals), -1, dtype=np.int64)
    place[odds.rows] = np.arange(len(odds.rows))
    every = {name: place[mine] for name, mine in slices(deals.by[by], odds.rows).items()}
    shown = {name: mine for name, mine in every.items() if len(mine) >= least}
    rest = [mine for name, mine in every.items() if name not in shown]
    pooled = np.concatenate(rest) if rest else np.zeros(0, dtype=np.int64)
    won = deals.won[odds.rows].astype(np.float64)
    against = {name: _against(won[mine], odds.p[mine]) for name, mine in shown.items()}
    names = sorted(shown, key=lambda name: (-against[name][0] / len(shown[name]), name))
    q = benjamini_hochberg(np.array([against[name][3] for name in names]))
    found = [_group(name, won[shown[name]], odds.p[shown[name]], float(q[place])) for place, name in enumerate(names)]
    return (*found, *([_group(OTHERS, won[pooled], odds.p[pooled], 1.0)] if len(pooled) >= least else []))


def _group(name: str, won: FloatArray, p: FloatArray, q: float) -> GroupOdds:
    excess, lower, upper, _ = _against(won, p)
    return GroupOdds(name, len(won), int(won.sum()), float(p.sum()), excess, lower, upper, q, q <= FALSE_SHARE)


def _against(won: FloatArray, p: FloatArray) -> tuple[float, float, float, float]:
    """Won less expected with its interval, and its probability by chance: wins are a sum of independent trials."""
    n = len(won)
    mean = bootstrap_mean(won - p, np.arange(n))
    spread = float(np.sqrt((p * (1 - p)).sum()))
    excess = float((won - p).sum())
    chance = 2 * float(norm.sf(abs(excess) / spread)) if spread > 0 else 1.0
    return excess, n * mean.lower, n * mean.upper, chance
