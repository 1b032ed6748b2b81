"""The training run: rows, recipe search, refit, evaluation, the gate."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from crm.tables import NAT, Coded, CrmData, FloatArray, IntArray, moment
from features.matrix import default_as_of
from features.registry import absent_of
from models.estimator import probability
from models.explain import Described
from models.win import WinModel
from training.data import TrainingData, prepare
from training.drift import Drift, drift_of
from training.evaluation import CHAMPION, MODEL, Report, Tested, evaluate
from training.gate import LEAST, Decision, Refused, check_enough, judge
from training.leaks import ALARM_AUC, Leaks, check_leaks, rank_features
from training.outlook import learn_outlook
from training.recipes import BASE_RATE, BASELINES, STAGE_AGE, Recipe, recipes
from training.search import Choice, Search, choose_recipe
from training.splits import Fold, make_folds, split_kind
from training.tuning import Trial, best_of, tune
from training.uncertainty import learn_spread, similar_deals

Progress = Callable[[str, float], None]
"""Called with what is being done and the share done so far, 0 to 1."""


SEARCH_ROWS = 160_000
"""Rows that the search for a recipe looks at; of more, whole deals are left out. The refit uses every row."""


@dataclass(frozen=True)
class Trained:
    """What a run found.

    Attributes:
        data: The rows.
        model: The chosen recipe, refitted on everything before the cut.
        choice: How it was chosen.
        folds: The origins.
        tested: Out-of-sample rows.
        report: Figures.
        decision: What the gate says.
        drift: How new rows differ from old ones.
        leaks: What each feature tells alone.
        trials: What Optuna tried.
        warnings: What the user should know.
        seconds: Seconds by part of the run.
    """

    data: TrainingData
    model: WinModel
    choice: Choice
    folds: list[Fold]
    tested: Tested
    report: Report
    decision: Decision
    drift: Drift
    leaks: Leaks
    trials: list[Trial] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def train(
    crm: CrmData, *, cut: int | None = None, threads: int = 1, least: int = LEAST,
    candidates: list[Recipe] | None = None, allowed: Collection[str] = (), champion: Recipe | None = None,
    trials: int = 0, alarm: float = ALARM_AUC, fiscal_year_start: int = 1,
    progress: Progress = lambda _what, _share: None,
) -> Trained:  # fmt: skip
    """Train a win model on what was known before a cut: nothing is stored or registered.

    Args:
        crm: The store's tables.
        cut: Microseconds; by default the day by which everything imported is known.
        threads: Threads of LightGBM.
        least: Fewest won and fewest lost deals.
        candidates: Recipes to try, the simplest first; the standard ones by default.
        allowed: Features that the leak alarm lets pass.
        champion: Recipe of the version that serves; it is refitted at the same origins, and must not be better.
        trials: Further recipes to try, proposed by Optuna.
        alarm: AUC above which the leak alarm does not believe a single feature.
        fiscal_year_start: Month in which the company's year starts, 1 to 12, for forecasts of past quarters.
        progress: Told how far the run is.

    Raises:
        Refused: Too few deals, too short a history to test on, or a feature that gives the outcome away.
    """
    seconds: dict[str, float] = {}
    cut = default_as_of(crm) if cut is None else cut
    progress("features", 0.02)
    with _Timed(seconds, "features"):
        data = prepare(crm, cut)
    warnings = check_enough(*data.n_deals, f"closed before {moment(cut):%Y-%m-%d}" if data.dated else "known", least)
    with _Timed(seconds, "leak alarm"):
        leaks = rank_features(data.matrix, data.won, data.rows.deal, data.days_left)
        check_leaks(leaks, allowed, alarm)
    folds = make_folds(data.history, data.rows, data.matrix, cut, SEARCH_ROWS)
    if not folds:
        raise Refused("too short a history: no past moment leaves both enough closed deals to learn from and later "
                      "ones to test on")  # fmt: skip
    candidates = recipes(sum(data.n_deals), data.core) if candidates is None else candidates
    parts = {part for recipe in (*BASELINES, *candidates) for part in recipe.parts}
    n_fits = len(folds) * (len(parts) + 8 + 2 * trials)  # and some more for what rows learn and how they weigh
    done = 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(what, 0.1 + 0.8 * min(done / n_fits, 1.0))

    search = Search(data, folds, threads=threads, step=step)
    tried: list[Trial] = []
    if trials:
        with _Timed(seconds, "tuning"):
            tried = tune(search, trials, step)
            candidates = [*candidates, best_of(tried)]
    with _Timed(seconds, "fits at origins"):
        choice = choose_recipe(search, candidates)
        candidates = choice.candidates
        p = {recipe.name: probability(search.margin(recipe)) for recipe in (*BASELINES, *candidates)}
        if champion is not None:
            p[CHAMPION] = search.served(champion).p
    served, recipe = choice.served, choice.served.recipe
    progress(f"refit of {recipe.name} on everything before the cut", 0.9)
    with _Timed(seconds, "refit"):
        every: IntArray = np.arange(len(data.rows), dtype=np.int64)
        estimator = search.fit_recipe(recipe, every, data.end)
    with _Timed(seconds, "uncertainty"):
        spread = learn_spread(search, served, choice.tried, estimator.features, step)
    with _Timed(seconds, "usual values"):
        used = {item.name: item for item in data.features}
        described = {name: Described.learn(used[name], data.matrix, data.won) for name in estimator.features}
    progress("when deals close", 0.94)
    with _Timed(seconds, "timing"):
        outlook = learn_outlook(search, served, threads, fiscal_year_start)
    model = WinModel(estimator, served.calibration, described, spread, float(data.won.mean()), cut, recipe.name,
                     data.dated, outlook)  # fmt: skip
    with _Timed(seconds, "evaluation"):
        tested = _tested(search, p | {MODEL: served.p}, recipe, model)
        report = evaluate(tested)
        decision = judge(served.p, p[BASE_RATE.name], p[STAGE_AGE.name], tested.won, tested.deal, tested.weight,
                         p.get(CHAMPION), len(choice.losses))  # fmt: skip
    with _Timed(seconds, "drift"):
        drift = drift_of(data, folds, threads)
    warnings += _notices(data) + leaks.warnings + drift.warnings
    return Trained(data, model, choice, folds, tested, report, decision, drift, leaks, tried, warnings, seconds)


def _tested(search: Search, p: dict[str, FloatArray], recipe: Recipe, model: WinModel) -> Tested:
    data, rows = search.data, search.rows
    lower, upper = model.interval(search.margin(recipe), data.matrix.take(rows))
    nothing = Coded(np.full(len(rows), -1, dtype=np.int32), ())

    def category(*names: str) -> Coded:
        found = [values for name in names if isinstance(values := data.matrix.columns.get(name), Coded)]
        return found[0].take(rows) if found else nothing

    age = data.matrix.columns.get("age_days")
    return Tested(
        deal_ids=tuple(np.array(data.history.deal_ids, dtype=object)[search.deal]),
        as_of=data.rows.as_of[rows],
        fold=search.fold,
        deal=search.deal,
        won=search.won,
        stage=category("stage"),
        age_days=age[rows] if isinstance(age, np.ndarray) else np.full(len(rows), np.nan),
        segment=category("segment", "account_segment"),
        weight=search.weight,
        lower=lower,
        upper=upper,
        similar=similar_deals(search),
        p=p,
    )


def _notices(data: TrainingData) -> list[str]:
    """What the data did not allow, in words."""
    found = []
    kind = split_kind(data.history)
    if kind == "rolling origins by order":
        found.append("the export has no dates: splits follow its ordering column, and features of time are absent")
    elif kind == "random folds":
        found.append("the export has neither dates nor an order: it was split by chance, which flatters a model that "
                     "drifts; features of time are absent")  # fmt: skip
    undated = int(np.sum(data.history.created == NAT))
    if undated and kind == "rolling origins":
        found.append(f"{undated} deals have no date of entry and are left out")
    closed = data.known_at_close
    if closed:
        found.append(f"known only at the close, so not used: {', '.join(closed)}")
    lacking = sorted({need for needs in absent_of(data.history).values() for need in needs if "." not in need})
    if lacking:
        found.append(f"not in the data: {', '.join(lacking)}")
    return found


class _Timed:
    """Adds the wall time of a block to a dictionary."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + time.perf_counter() - self.start
