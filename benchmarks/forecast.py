"""Forecasts against what came: wins within 30 and 60 days, totals of quarters, and the time of a large simulation."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import Parameters, simulate, write
from crm.store import Store
from crm.tables import CrmData, FloatArray, micros
from features.matrix import Snapshots, build_matrix
from models.outlook import PastQuarter
from models.stage_age import StageAgeTable
from training.data import TrainingData, prepare
from training.outlook import Outlooks, Then, chosen_timing, past_periods
from training.recipes import LINES, Recipe
from training.search import Search
from training.splits import make_folds

UNTIL = date(2026, 7, 1)
YEARS = 4.0
QUARTERS = 6
RECIPE = Recipe("logistic, middle penalty", (LINES["logistic, middle penalty"],), 1)
"""One recipe for all companies, so that the case ends in minutes; `train` would search."""
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Company:
    """A simulated company, and what would have been said at the start of its past quarters.

    Attributes:
        data: Its rows.
        thens: Past quarters, in order.
        name: The timing that was chosen for each, on what came before it.
        quarters: How each came out.
    """

    data: TrainingData
    thens: list[Then]
    name: list[str]
    quarters: list[PastQuarter]


def company(seed: int) -> Company:
    """Simulate a company of 800 to 3,000 deals in a market of its own, and go through its past quarters."""
    random = np.random.default_rng([seed, 2026])
    dials = Parameters(difficulty=float(random.choice([0.5, 1.0, 2.0])), drift=float(random.normal(0.0, 0.15)),
                       swing=float(random.normal(0.0, 0.25)))  # fmt: skip
    deals = int(random.integers(800, 3_001))
    with tempfile.TemporaryDirectory() as folder:
        write(simulate(deals, seed, until=UNTIL, years=YEARS, parameters=dials), Path(folder))
        data = prepare(_imported(Path(folder)), micros(UNTIL))
    search = Search(data, make_folds(data.history, data.rows, data.matrix, data.cut))
    outlooks = Outlooks(search, RECIPE, search.served(RECIPE).calibration.kind)
    thens = [then for then in map(outlooks.at, past_periods(search)) if then.period.end <= data.cut]
    names = [chosen_timing(thens[:place], then.period.start)[0] for place, then in enumerate(thens)]
    quarters = [PastQuarter.of(then.period.start, then.period.end, then.in_period[name],
                               then.seen.won_within(then.period.days))
                for then, name in zip(thens, names, strict=True)]  # fmt: skip
    return Company(data, thens, names, quarters)


def _imported(folder: Path) -> CrmData:
    with Store.open("sqlite://") as store:
        import_export([folder], load_mapping(folder / "mapping.toml"), store)
        return store.load()


def pinball(lines: tuple[float, float, float], actual: float) -> float:
    """Mean pinball loss of 10, 50 and 90 % lines (Koenker and Bassett 1978)."""
    losses = [max(level * (actual - line), (level - 1) * (actual - line))
              for level, line in zip(QUANTILES, lines, strict=True)]  # fmt: skip
    return float(np.mean(losses))


def stage_rates(data: TrainingData, then: Then) -> FloatArray:
    """Win rate of each open deal's stage among the weekly rows of deals closed by then."""
    start = then.period.start
    known = np.flatnonzero((data.rows.as_of < start) & (data.closed < start)).astype(np.int64)
    table = StageAgeTable(use_age=False)
    table.fit(data.matrix.take(known), data.won[known])
    stages = [item for item in data.features if item.name == "stage"]
    moments = Snapshots(then.deals, np.full(len(then.deals), start, dtype=np.int64))
    return 1 / (1 + np.exp(-table.margin(build_matrix(data.history, stages, moments))))
