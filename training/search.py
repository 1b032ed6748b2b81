"""The search for a recipe: every candidate fitted at past origins, and compared on what came next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from crm.tables import FloatArray, IntArray
from models.calibration import KINDS, Calibration, Plain, choose
from models.estimator import Estimator, probability
from models.metrics import row_log_loss
from models.odoo import last_rows
from models.trees import MANY_ROWS
from training.consistency import Lesson, lesson
from training.data import TrainingData
from training.parallel import side_by_side
from training.recipes import FEW_DEALS, LINES, Part, Recipe
from training.splits import Fold
from training.weights import CONSISTENT, PLAIN, Weighting, even_weight, recency

TIE = 0.001
"""Recipes whose log-loss lies within this share of the best count as equally good; the simplest of them is taken."""
HALF_LIVES = (0.5, 0.2)
"""Half-lives of rows, as shares of all closings, the longest first."""
LINE = Recipe("logistic, middle penalty", (LINES["logistic, middle penalty"],), 1)
"""What says how the next row of a deal stands, and whether rows should learn from it: it has little to learn by heart,
and is quickly fitted."""
Step = Callable[[str], None]


class Search:
    """Models fitted at origins, each once, and what they said of the rows that came next.

    Args:
        data: The rows.
        folds: The origins.
        threads: Threads of LightGBM, or fits side by side.
        step: Called before each fit, with what it is, also from threads.

    Attributes:
        rows: Places of the out-of-sample rows in the data, in order of fold, shape (n_test,).
        fold: Number of each row's fold.
        won: Outcomes.
        deal: Deals.
        weight: What each row stands for among rows of open deals (`FollowUp`); ones without dates.
    """

    def __init__(
        self, data: TrainingData, folds: Sequence[Fold], *, threads: int = 1, step: Step = lambda _: None
    ) -> None:
        self.data, self.folds, self.threads, self.step = data, list(folds), threads, step
        self.rows: IntArray = np.concatenate([fold.test for fold in folds])
        self.fold: IntArray = np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds])
        self.won, self.deal = data.won[self.rows], data.rows.deal[self.rows]
        self.weight = self._follow_up(self.rows, data.cut)
        self._margins: dict[tuple[Part, Weighting], FloatArray] = {}
        self._lessons: dict[tuple[int, int, bytes | None], Lesson] = {}

    def _follow_up(self, rows: IntArray, end: int) -> FloatArray:
        """Weights of out-of-sample rows by what was known at a moment."""
        data, start = self.data, self.folds[0].origin
        if data.follow_up is None:
            return np.ones(len(rows))
        return data.follow_up.weights(data.rows.as_of[rows], data.closed[rows], start, end)

    def fit_weight(self, rows: IntArray, weighting: Weighting, end: int | None) -> FloatArray:
        """Weights of rows in a fit, together as heavy as their deals.

        Args:
            rows: Places of the rows.
            weighting: How they weigh.
            end: The origin, in microseconds; None without dates.
        """
        data = self.data
        weight = np.ones(len(rows))
        if weighting.half_life is not None and data.order is not None:
            weight *= recency(data.order[rows], data.rows.deal[rows], weighting.half_life)
        if weighting.censoring and data.follow_up is not None and end is not None:
            weight *= data.follow_up.weights(data.rows.as_of[rows], data.closed[rows], None, end)
        return self.evidence(weight, data.rows.deal[rows])

    def fit(
        self, part: Part, weighting: Weighting, rows: IntArray, end: int | None, often: FloatArray | None = None
    ) -> Estimator:
        """A part fitted on rows.

        Args:
            part: What to fit.
            weighting: See `fit_weight`, like the rest.
            rows: Places of the rows.
            end: The origin.
            often: How often each deal counts, open ones too, shape (n_deals,); once by default.
        """
        data, deal = self.data, self.data.rows.deal[rows]
        if weighting.consistent and data.weekly and end is not None and part.learns:
            return self._fit_consistent(part, weighting, rows, end, often)
        # Odoo counts a deal once, as it stood last
        weight = last_rows(deal) if part.kind == "odoo" else self.fit_weight(rows, weighting, end)
        weight = weight if often is None else weight * often[deal]
        estimator = part.build(self.threads, data.history.crm.process.stages)
        estimator.fit(part.columns(data.matrix.take(rows), data.core), data.won[rows], weight)
        return estimator

    def _fit_consistent(
        self, part: Part, weighting: Weighting, rows: IntArray, end: int, often: FloatArray | None
    ) -> Estimator:
        """A part that learns from open deals too, and from each deal's next row; see `fit`."""
        data, estimator = self.data, part.build(self.threads)
        found = self._lesson(rows, end, often)
        matrix = data.matrix.take(found.rows).followed_by(data.open_matrix.take(found.open_rows))
        weight = np.ones(len(found.deal))
        if weighting.half_life is not None:
            order = np.full(len(weight), float(end))
            order[: found.n_closed] = data.closed[rows]
            weight = recency(order, found.deal, weighting.half_life)
        weight = self.evidence(weight, found.deal)
        weight = weight if often is None else weight * often[found.deal]
        estimator.fit(part.columns(matrix, data.core), found.learnt, weight)
        return estimator

    def _lesson(self, rows: IntArray, end: int, often: FloatArray | None) -> Lesson:
        """What rows of deals closed before an origin learn; a resample's rows learn from a line of its own."""
        # whole deals are left out of an origin's rows in one way only; parts of a recipe share a resample
        key = (end, len(rows), None if often is None else often.tobytes())
        if key not in self._lessons:
            first = self.fit(LINE.parts[0], Weighting(censoring=True), rows, end, often)
            self._lessons[key] = lesson(self.data, rows, end, lambda matrix: probability(first.margin(matrix)), often)
        return self._lessons[key]

    def fit_recipe(self, recipe: Recipe, rows: IntArray, end: int | None, often: FloatArray | None = None) -> Estimator:
        """All parts of a recipe fitted on rows, as one model; see `fit`."""
        return recipe.joined([self.fit(part, recipe.weighting, rows, end, often) for part in recipe.parts])

    def part_margin(self, part: Part, weighting: Weighting) -> FloatArray:
        """What a part said out of sample, in log-odds, shape (n_test,)."""
        key = (part, weighting)
        if key not in self._margins:
            name = ", ".join(text for text in (part.kind, "core" if part.core else "", weighting.name) if text)

            def said(fold: Fold) -> FloatArray:
                self.step(f"{name} at {fold.name}")
                fitted = self.fit(part, weighting, fold.fit, fold.origin)
                return fitted.margin(self.data.matrix.take(fold.test))

            # big trees are fitted by all threads together, one fit after the other
            together = part.kind == "trees" and max(len(fold.fit) for fold in self.folds) >= MANY_ROWS
            self._margins[key] = np.concatenate(side_by_side(said, self.folds, 1 if together else self.threads))
        return self._margins[key]

    def margin(self, recipe: Recipe) -> FloatArray:
        """What a recipe said out of sample, in log-odds, shape (n_test,)."""
        total = np.zeros(len(self.rows))
        for part in recipe.parts:
            total += self.part_margin(part, recipe.weighting)
        return total / len(recipe.parts)

    def loss(self, p: FloatArray, rows: NDArray[np.bool_] | None = None) -> float:
        """Mean log-loss of out-of-sample probabilities, every row weighing what it stands for.

        Args:
            p: Probabilities, shape (n_test,).
            rows: Flags of the rows to look at; all by default.
        """
        weight = self.weight if rows is None else self.weight * rows
        return float(np.average(row_log_loss(p, self.won), weights=weight))

    def plain_loss(self, recipe: Recipe, rows: NDArray[np.bool_] | None = None) -> float:
        """Out-of-sample log-loss of a recipe without calibration; see `loss`."""
        return self.loss(probability(self.margin(recipe)), rows)

    def known_earlier(self, number: int) -> NDArray[np.bool_]:
        """Rows of earlier folds whose outcome was known at a fold's origin: a calibration may learn from no others."""
        earlier = self.fold < number
        origin = self.folds[number].origin
        return earlier if origin is None else earlier & (self.data.closed[self.rows] < origin)

    def calibrated(self, margin: FloatArray, kind: str) -> FloatArray:
        """Out-of-sample probabilities, each fold calibrated by a form fitted on what was known at its origin."""
        p = np.empty(len(margin))
        for number in np.unique(self.fold):
            now, earlier = self.fold == number, self.known_earlier(int(number))
            form: Calibration = Plain()
            if earlier.any() and self.won[earlier].min() < self.won[earlier].max():
                form = KINDS[kind]()
                origin = self.folds[number].origin
                rows = self.rows[earlier]
                weight = np.ones(len(rows)) if origin is None else self._follow_up(rows, origin)
                form.fit(margin[earlier], self.won[earlier], self.evidence(weight, self.deal[earlier]))
            p[now] = form(margin[now])
        return p

    @staticmethod
    def evidence(weight: FloatArray, deal: IntArray) -> FloatArray:
        """Weights of rows, scaled so that they are together as much evidence as their deals."""
        return np.asarray(weight / weight.mean() * even_weight(deal))

    def served(self, recipe: Recipe) -> Served:
        """A recipe as it would serve: with the calibration that suits it."""
        margin = self.margin(recipe)
        last = int(self.fold.max())
        evidence = self.evidence(self.weight, self.deal)
        calibration, tried = choose(margin, self.won, self.deal, self.known_earlier(last), self.fold == last, evidence)
        return Served(recipe, calibration, tried, self.calibrated(margin, calibration.kind))


@dataclass(frozen=True)
class Served:
    """A recipe with its calibration.

    Attributes:
        recipe: The recipe.
        calibration: Fitted on all out-of-sample log-odds.
        calibration_losses: Log-loss of each calibration tried, on the last origin's rows.
        p: Out-of-sample probabilities, calibrated on earlier folds only.
    """

    recipe: Recipe
    calibration: Calibration
    calibration_losses: dict[str, float]
    p: FloatArray


@dataclass(frozen=True)
class Choice:
    """What the search found.

    Attributes:
        served: The chosen recipe, as it would serve.
        losses: Out-of-sample log-loss of each recipe tried, not calibrated, rows weighing what they stand for.
        candidates: The candidates as they were tried, the simplest first.
        tried: These, and all that was tried to settle what rows learn and how they weigh.
    """

    served: Served
    losses: dict[str, float]
    candidates: list[Recipe]
    tried: list[Recipe]


def choose_recipe(search: Search, candidates: Sequence[Recipe]) -> Choice:
    """The recipe with the least out-of-sample log-loss, the simplest of those that are equally good.

    Whether rows learn from what comes next, too (`training.consistency`), is settled first, on a line, which costs
    little: the candidates are then tried in its way. The best of them is tried with rows weighed by recency and by
    censoring, and keeps what helps. Whatever is chosen must still be at least as good as the simplest candidate once
    both stand as they would serve, calibrated; else the simplest serves.

    Args:
        search: The rows and origins.
        candidates: The recipes, the simplest first.
    """
    losses: dict[str, float] = {}
    tried: dict[str, Recipe] = {}

    def best_of(recipes: Sequence[Recipe]) -> Recipe:
        tried.update({item.name: item for item in recipes})
        losses.update({item.name: search.plain_loss(item) for item in recipes})
        least = min(losses[item.name] for item in recipes)
        good = [item for item in recipes if losses[item.name] <= least * (1 + TIE)]
        return min(good, key=lambda item: (item.complexity, losses[item.name]))

    enough = sum(search.data.n_deals) >= FEW_DEALS
    if search.data.weekly and enough and any(item.learns for item in candidates):
        way = best_of([LINE, replace(LINE, weighting=CONSISTENT)]).weighting
        candidates = [
            replace(item, weighting=way) if item.learns and item.weighting == PLAIN else item for item in candidates
        ]
    chosen = best_of(candidates)
    if chosen.complexity > 0 and enough:
        for share in HALF_LIVES if search.data.order is not None else ():
            weighed = replace(chosen, weighting=replace(chosen.weighting, half_life=share))
            if best_of([chosen, weighed]) is not weighed:
                break  # a shorter one would not help where a longer one does not
            chosen = weighed
        # where open deals are learnt from, no others need to stand for them
        if search.data.follow_up is not None and not chosen.weighting.consistent:
            chosen = best_of([chosen, replace(chosen, weighting=replace(chosen.weighting, censoring=True))])
    served, simplest = search.served(chosen), search.served(candidates[0])
    best = simplest if search.loss(simplest.p) < search.loss(served.p) else served
    return Choice(best, losses, list(candidates), list(tried.values()))
