"""The training run: rows, recipe search, refit, evaluation, the gate, MLflow."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np

from crm.schema import TABLES, Known
from crm.tables import NAT, Coded, CrmData, FloatArray, IntArray, moment
from features.history import History
from features.matrix import FeatureMatrix, Snapshots, build_matrix, default_as_of, grid
from features.records import NEVER
from features.registry import Feature, absent_of, features_of
from models.calibration import Plain
from models.explain import Described
from models.win import WinModel
from training.evaluation import MODEL, Report, Tested, evaluate
from training.gate import LEAST, Decision, Refused, check_enough, judge
from training.leaks import check_leaks
from training.recipes import Choice, Recipe, choose_recipe, even_weight, predict_origins, recipes
from training.splits import Fold, make_folds, split_kind

Progress = Callable[[str, float], None]
"""Called with what is being done and the share done so far, 0 to 1."""


SEARCH_ROWS = 400_000
"""Rows that the search for a recipe looks at; of more, whole deals are left out. The refit uses every row."""


@dataclass(frozen=True)
class TrainingData:
    """Rows of closed deals known before the cut.

    Attributes:
        history: All deals.
        cut: Microseconds; for exports without dates, the time of import.
        rows: Their places in time.
        matrix: Their features.
        won: Their outcomes.
        features: What was computed.
        data_hash: SHA-256 over rows, features and outcomes.
    """

    history: History
    cut: int
    rows: Snapshots
    matrix: FeatureMatrix
    won: FloatArray
    features: list[Feature]
    data_hash: str

    @property
    def n_deals(self) -> tuple[int, int]:
        """Won and lost deals behind the rows."""
        deals = np.unique(self.rows.deal)
        won = int(self.history.won[deals].sum())
        return won, len(deals) - won


@dataclass(frozen=True)
class Trained:
    """What a run found.

    Attributes:
        model: The chosen recipe, refitted on everything before the cut.
        choice: How it was chosen.
        folds: The origins.
        tested: Out-of-sample rows.
        report: Figures.
        decision: What the gate says.
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
    warnings: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


def prepare(crm: CrmData, cut: int) -> TrainingData:
    """Rows, features and outcomes of all deals closed before a cut.

    Args:
        crm: The store's tables.
        cut: Microseconds.

    Raises:
        Refused: There are no rows.
    """
    history = History(crm)
    rows = grid(history, cut)
    closed = history.closed[rows.deal]
    dated = crm.process.time_basis == "dates"
    known = ~np.isnan(history.won[rows.deal]) & ((closed < cut) if dated else (closed != NEVER))
    rows = rows.take(known)
    features = features_of(history)
    matrix = build_matrix(history, features, rows)
    won = history.won[rows.deal]
    return TrainingData(history, cut, rows, matrix, won, features, _hash(history, rows, matrix, won))


def _hash(history: History, rows: Snapshots, matrix: FeatureMatrix, won: FloatArray) -> str:
    digest = hashlib.sha256()
    digest.update("\n".join(history.deal_ids[deal] for deal in np.unique(rows.deal)).encode())
    digest.update(rows.as_of.tobytes() + won.tobytes())
    for name, values in sorted(matrix.columns.items()):
        digest.update(name.encode())
        if isinstance(values, Coded):
            used = sorted({values.levels[code] for code in np.unique(values.codes) if code >= 0})
            place = {level: rank for rank, level in enumerate(used)}
            table = np.array([*(place.get(level, -1) for level in values.levels), -1], dtype=np.int32)
            digest.update("\x1f".join(used).encode() + table[values.codes].tobytes())
        else:
            digest.update(values.tobytes())
    return digest.hexdigest()


def train(
    crm: CrmData, *, cut: int | None = None, threads: int = 1, least: int = LEAST,
    candidates: list[Recipe] | None = None, allowed: Collection[str] = (),
    progress: Progress = lambda _what, _share: None,
) -> Trained:  # fmt: skip
    """Train a win model on what was known before a cut: nothing is stored or registered.

    Args:
        crm: The store's tables.
        cut: Microseconds; by default the day by which everything imported is known.
        threads: Threads of LightGBM.
        least: Fewest won and fewest lost deals.
        candidates: Recipes to try; the standard ones by default.
        allowed: Features that the leak alarm lets pass.
        progress: Told how far the run is.

    Raises:
        Refused: Too few deals, too short a history to test on, or a feature that gives the outcome away.
    """
    seconds: dict[str, float] = {}
    cut = default_as_of(crm) if cut is None else cut
    progress("features", 0.02)
    with _Timed(seconds, "features"):
        data = prepare(crm, cut)
    dated = crm.process.time_basis == "dates"
    warnings = check_enough(*data.n_deals, f"closed before {moment(cut):%Y-%m-%d}" if dated else "known", least)
    with _Timed(seconds, "leak alarm"):
        check_leaks(data.matrix, data.won, data.rows.deal, allowed)
    folds = make_folds(data.history, data.rows, data.matrix, cut, SEARCH_ROWS)
    if not folds:
        raise Refused("too short a history: no past moment leaves both enough closed deals to learn from and later "
                      "ones to test on")  # fmt: skip
    candidates = recipes(threads, sum(data.n_deals)) if candidates is None else candidates
    n_fits = len(folds) * (2 + sum(1 for recipe in candidates if not recipe.parts)) + 1
    done = 0

    def step(what: str) -> None:
        nonlocal done
        done += 1
        progress(what, 0.1 + 0.8 * done / n_fits)

    with _Timed(seconds, "fits at origins"):
        oos = predict_origins(data.matrix, data.won, data.rows.deal, folds, candidates, step)
    with _Timed(seconds, "choice and evaluation"):
        deal = data.rows.deal[oos.rows]
        won = data.won[oos.rows]
        choice = choose_recipe(candidates, oos, won, deal, data.history.closed[deal], folds)
        tested = _tested(data, oos.rows, oos.fold, {name: Plain()(margin) for name, margin in oos.margins.items()},
                         choice.p)  # fmt: skip
        report = evaluate(tested)
        decision = judge(choice.p, tested.p["base rate"], won, deal)
    progress(f"refit of {choice.recipe.name} on everything before the cut", 0.92)
    with _Timed(seconds, "refit"):
        estimator = choice.recipe.build()
        estimator.fit(data.matrix, data.won, even_weight(data.rows.deal))
    with _Timed(seconds, "usual values"):
        used = {item.name: item for item in data.features}
        described = {name: Described.learn(used[name], data.matrix, data.won) for name in estimator.features}
    model = WinModel(estimator, choice.calibration, described, float(data.won.mean()), cut, choice.recipe.name, dated)
    return Trained(data, model, choice, folds, tested, report, decision, warnings + _notices(data), seconds)


def _tested(
    data: TrainingData, rows: IntArray, fold: IntArray,
    p: dict[str, FloatArray], model: FloatArray,
) -> Tested:  # fmt: skip
    deal = data.rows.deal[rows]
    stage = data.matrix.columns.get("stage")
    age = data.matrix.columns.get("age_days")
    return Tested(
        deal_ids=tuple(np.array(data.history.deal_ids, dtype=object)[deal]),
        as_of=data.rows.as_of[rows],
        fold=fold,
        deal=deal,
        won=data.won[rows],
        stage=stage.take(rows) if isinstance(stage, Coded) else Coded(np.full(len(rows), -1, dtype=np.int32), ()),
        age_days=age[rows] if isinstance(age, np.ndarray) else np.full(len(rows), np.nan),
        p={MODEL: model, **p},
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
    closed = [
        item.name
        for item in data.history.crm.attributes
        if item.table == "opportunities" and item.known is Known.CLOSED and (item.custom or _changeable(item.name))
    ]
    if closed:
        found.append(f"known only at the close, so not used: {', '.join(closed)}")
    lacking = sorted({need for needs in absent_of(data.history).values() for need in needs if "." not in need})
    if lacking:
        found.append(f"not in the data: {', '.join(lacking)}")
    return found


def _changeable(name: str) -> bool:
    told = ("outcome", "closed_at", "name", "loss_reason", "win_reason")
    return name in TABLES["opportunities"].columns() and name not in told


class _Timed:
    """Adds the wall time of a block to a dictionary."""

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds[self.name] = self.seconds.get(self.name, 0.0) + time.perf_counter() - self.start
