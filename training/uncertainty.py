"""How far the log-odds of a deal would move had other deals closed, or another recipe been taken, and the like.

Four things are added up, in squares:

- chance: the recipe is fitted again and again on deals drawn anew (a Poisson bootstrap over deals), and the variance
  of what the fits say is taken over those that did not have the row's own deal (out of bag). Of many deals, each fit
  sees a part, and the variance is scaled by that part's share: it falls as one over the number of deals. Where open
  deals are learnt from, they are drawn anew too, and so is the line that says what their rows learn. It is counted
  twice: a model held back so that it predicts best gives up about as much in bias as it leaves in variance, and an
  interval without the bias holds the truth too seldom (Wahba 1983, Nychka 1988).
- choice: what other recipes, about as good at past origins, say of the same rows; their variance is what the data leave
  open about the shape of the model, which no bootstrap of one recipe shows.
- drift: how far the level of all odds was off at past origins, beyond what the few deals behind each would explain.
- owners: how far the level of odds is off from one owner to the next, likewise. A track record of some ten deals tells
  little of a seller's skill, and the rest of it is in none of the features.

None looks at anything but the company's own closed deals.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crm.tables import FloatArray, IntArray
from features.matrix import FeatureMatrix
from models.estimator import log_odds, probability
from models.stage_age import StageAgeTable
from models.uncertainty import Spread
from training.parallel import side_by_side
from training.recipes import Recipe
from training.search import Search, Served, Step

FITS = 12
MOST_DEALS = 3_000
"""Deals that each bootstrap fit draws from."""
MOST_ROWS = 10_000
"""Rows at which the spread is measured."""
GOOD = 0.02
"""Recipes whose log-loss is within this share of the best count as about as good."""
BIAS = 1.0
"""Squared bias of a well-held-back model, as a share of its variance."""
SEED = 0
OWNER = "opportunities.owner_id"


def learn_spread(
    search: Search, served: Served, others: Sequence[Recipe], features: Sequence[str], step: Step = lambda _: None
) -> Spread:
    """The spread of a recipe's log-odds, as a function of the features.

    Args:
        search: Rows, origins, and what recipes said there.
        served: The chosen one.
        others: All that were tried; those about as good as the best count.
        features: Names of the features that the model reads.
        step: Called before each fit.
    """
    every = -(-len(search.rows) // MOST_ROWS)
    places: IntArray = np.arange(0, len(search.rows), every, dtype=np.int64)
    rows = search.rows[places]
    variance = (1 + BIAS) * _of_chance(search, served.recipe, rows, step) + _of_choice(search, others)[places]
    variance += of_drift(search, served.p) + of_owners(search, served.p)
    matrix = search.data.matrix.take(rows)
    return Spread.learn(FeatureMatrix({name: matrix.columns[name] for name in features}, matrix.n_rows), variance)


def _of_chance(search: Search, recipe: Recipe, rows: IntArray, step: Step) -> FloatArray:
    """Variance over bootstrap fits that did not have the row's deal, scaled to all deals; shape (n_rows,)."""
    data, random = search.data, np.random.default_rng(SEED)
    deals, still_open = np.unique(data.rows.deal), np.unique(data.open_rows.deal)
    share = min(1.0, MOST_DEALS / len(deals))
    part, beside = (_some(random, among, share) for among in (deals, still_open))
    learn = np.flatnonzero(np.isin(data.rows.deal, part)).astype(np.int64)
    deal, asked = data.rows.deal[rows], data.matrix.take(rows)
    inside = np.isin(deal, part)
    draws = np.zeros((FITS, data.history.n_deals))
    for often in draws:
        often[part], often[beside] = random.poisson(1.0, len(part)), random.poisson(1.0, len(beside))

    def margin(number: int) -> FloatArray:
        step(f"uncertainty, fit {number + 1} of {FITS}")
        often = draws[number]
        return search.fit_recipe(recipe, learn[often[data.rows.deal[learn]] > 0], data.end, often).margin(asked)

    said = np.stack(side_by_side(margin, range(FITS), search.threads))
    counts = ~inside | (draws[:, deal] == 0)
    n = counts.sum(axis=0)
    mean = (said * counts).sum(axis=0) / np.maximum(n, 1)
    squares = (counts * (said - mean) ** 2).sum(axis=0)
    variance = squares / np.maximum(n - 1, 1)
    variance[n < 2] = variance[n >= 2].mean() if (n >= 2).any() else 0.0
    return np.asarray(variance * len(part) / len(deals))


def _some(random: np.random.Generator, deals: IntArray, share: float) -> IntArray:
    """A share of deals, drawn at random."""
    return deals if share == 1.0 else np.sort(random.choice(deals, round(share * len(deals)), replace=False))


def _of_choice(search: Search, recipes: Sequence[Recipe]) -> FloatArray:
    """Variance over the recipes that are about as good as the best, shape (n_test,)."""
    losses = [search.plain_loss(item) for item in recipes]
    good = [item for item, loss in zip(recipes, losses, strict=True) if loss <= min(losses) * (1 + GOOD)]
    if len(good) < 2:
        return np.zeros(len(search.rows))
    return np.asarray(np.var([search.margin(item) for item in good], axis=0, ddof=1))


def of_drift(search: Search, p: FloatArray) -> float:
    """Variance of the level of all log-odds from origin to origin, less what chance alone makes of it.

    Args:
        search: The rows and origins.
        p: What would have been said at each origin, shape (n_test,).
    """
    shifts, errors = [], []
    for number in np.unique(search.fold):
        rows = search.fold == number
        weight = search.evidence(search.weight[rows], search.deal[rows])
        shift, curve = _level(log_odds(p[rows]), search.won[rows], weight)
        shifts.append(shift)
        errors.append(1 / max(curve, 1e-9))
    return max(float(np.mean(np.square(shifts)) - np.mean(errors)), 0.0)


def of_owners(search: Search, p: FloatArray) -> float:
    """Variance of the level of log-odds from owner to owner, less what chance alone makes of it; 0 without owners.

    By the method of moments: where an owner's level is off by a, u = sum of weight x (won - p) over the rows of one of
    their deals is about a x I, with I the sum of weight x p (1 - p). Chance is independent from deal to deal, so over
    pairs of different deals of an owner the mean of u x u' is a^2 x I x I' (a random intercept; Searle, Casella and
    McCulloch 1992, Variance Components).

    Args:
        search: The rows and origins.
        p: What would have been said at each origin, shape (n_test,).
    """
    history = search.data.history
    if OWNER not in history.sources:
        return 0.0
    owner = history.field(OWNER).codes(search.deal, search.data.rows.as_of[search.rows])
    known = owner >= 0
    weight = search.evidence(search.weight, search.deal)
    q = probability(log_odds(p) + _level(log_odds(p), search.won, weight)[0])  # drift is counted by itself
    pairs, deal = np.unique(np.stack([owner[known], search.deal[known]]), axis=1, return_inverse=True)

    def products(of_row: FloatArray) -> float:
        """Sum over owners of the products of different deals' sums."""
        of_deal = np.bincount(deal, of_row[known], minlength=pairs.shape[1])
        return float((np.bincount(pairs[0], of_deal) ** 2).sum() - (of_deal**2).sum())

    evidence = products(weight * q * (1 - q))
    return max(products(weight * (search.won - q)) / evidence, 0.0) if evidence > 0 else 0.0


def _level(z: FloatArray, won: FloatArray, weight: FloatArray) -> tuple[float, float]:
    """The shift c that makes sum of weight x (won - sigma(z + c)) zero, and the curvature there."""
    shift, curve = 0.0, 1.0
    for _ in range(50):
        q = probability(z + shift)
        curve = float(weight @ (q * (1 - q)))
        shift += float(np.clip(float(weight @ (won - q)) / max(curve, 1e-9), -1.0, 1.0))
    return shift, curve


def similar_deals(search: Search) -> FloatArray:
    """For each out-of-sample row, closed deals that were once seen in the same stage and age band; shape (n_test,)."""
    data = search.data
    table = StageAgeTable()
    table.fit(data.matrix, data.won)
    row, band = table.cells(data.matrix)
    cell = row.astype(np.int64) * (len(table.edges) + 1) + band
    pairs = np.unique(np.stack([cell, data.rows.deal]), axis=1)
    n = np.bincount(pairs[0], minlength=int(cell.max(initial=0)) + 1)
    return np.asarray(n[cell[search.rows]], dtype=np.float64)
