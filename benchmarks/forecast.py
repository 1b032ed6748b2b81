"""Forecasts against what came: wins within 30 and 60 days, totals of quarters, and the time of a large simulation."""

from __future__ import annotations

import importlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.large import many_open
from benchmarks.results import ROOT, markdown, shared
from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import Parameters, simulate, write
from crm.store import Store
from crm.tables import DAY, CrmData, FloatArray, micros
from features.history import History
from features.matrix import Snapshots, build_matrix, default_as_of, grid
from insights.forecast import forecast
from insights.simulation import Arrivals, Pipeline, draw_totals
from insights.spans import parse_until
from insights.stated import amounts_at, won_in
from insights.totals import Line, lines_of, stage_weighted
from models.encoding import Encoding
from models.hazards import StageHazards
from models.incidence import Episodes, brier
from models.outlook import Judged, PastQuarter, spread_of
from models.stage_age import StageAgeTable
from models.timing import HORIZONS, Timing
from training.data import TrainingData, prepare
from training.outlook import Outlooks, Then, chosen_timing, episodes_of, past_periods
from training.recipes import LINES, Recipe
from training.run import train
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


@dataclass(frozen=True)
class Outcome:
    """One quarter of one company: lines of each way to forecast it, and what came.

    Attributes:
        lines: 10, 50 and 90 % lines by way.
        actual: Amount that was won.
        scale: What quarters of this company bring in, so that companies weigh the same.
        wins: 10 and 90 % line of the number of wins.
        won: Number of wins.
    """

    lines: dict[str, tuple[float, float, float]]
    actual: float
    scale: float
    wins: tuple[float, float]
    won: int


WONLOST, INDEPENDENT, STAGE_WEIGHTED = "wonlost", "sum of independent deals", "CRM's stage-weighted pipeline"


def outcomes(found: Company, last: int = QUARTERS) -> list[Outcome]:
    """The last quarters of a company, each forecast at its start."""
    history, parts = found.data.history, []
    for then, name in list(zip(found.thens, found.name, strict=True))[-last:]:
        period = then.period
        spread = spread_of([item for item in found.quarters if item.end <= period.start])
        said = {
            way: lines_of(history, period.start, period, then.deals, then.in_period[name], shock, draws=2_000)
            for way, shock in ((WONLOST, spread), (INDEPENDENT, 0.0))
        }
        lines = {way: _three(next(iter(item.money.values()))) for way, item in said.items()}
        weighted = stage_weighted(history, period.start, period, then.deals, stage_rates(found.data, then))
        lines[STAGE_WEIGHTED] = (weighted, weighted, weighted)
        won = won_in(history, period.start, period.end)
        actual = float(np.nansum(amounts_at(history, period.end)[won])) / 100
        wins = said[WONLOST].wins
        parts.append((lines, actual, (wins.low, wins.high), len(won)))
    scale = float(np.mean([actual for _, actual, _, _ in parts]))
    return [Outcome(lines, actual, scale, wins, won) for lines, actual, wins, won in parts]


def _three(line: Line) -> tuple[float, float, float]:
    return line.low, line.middle, line.high


def calibration(companies: Sequence[Company], last: int = QUARTERS) -> str:
    """Whether as many deals were won within so many days as was said at the start of past quarters."""
    seen = Episodes.joined([then.seen for found in companies for then in found.thens[-last:]])
    said = np.concatenate([then.within[name] for found in companies
                           for then, name in list(zip(found.thens, found.name, strict=True))[-last:]])  # fmt: skip
    judged = (Judged.of(said[:, place], seen, days) for place, days in enumerate(HORIZONS))
    rows: list[list[object]] = [[item.days, f"{item.said:.3f}", f"{item.came:.3f}", f"{item.slope:.2f}"]
                                for item in judged if item is not None]  # fmt: skip
    told = f"Won within so many days, of {len(seen):,} deals open when those quarters began:"
    return f"{told}\n\n{markdown(['days', 'said on average', 'came', 'slope of log-odds'], rows)}"


def totals(seeds: range = range(300, 320)) -> str:
    """Totals of past quarters of simulated companies, forecast at their start."""
    companies = [company(seed) for seed in seeds]
    found = [outcome for item in companies for outcome in outcomes(item)]
    reference = np.mean([pinball(item.lines[STAGE_WEIGHTED], item.actual) / item.scale for item in found])
    rows: list[list[object]] = []
    for way in (WONLOST, INDEPENDENT, STAGE_WEIGHTED):
        lines = [item.lines[way] for item in found]
        loss = np.mean([pinball(line, item.actual) / item.scale for line, item in zip(lines, found, strict=True)])
        error = np.mean([abs(line[1] - item.actual) / item.scale for line, item in zip(lines, found, strict=True)])
        bias = np.mean([(line[1] - item.actual) / item.scale for line, item in zip(lines, found, strict=True)])
        inside = np.mean([line[0] <= item.actual <= line[2] for line, item in zip(lines, found, strict=True)])
        covered = "a single number" if way == STAGE_WEIGHTED else f"{inside:.1%}"
        rows.append([way, covered, f"{loss:.4f}", f"{loss / reference - 1:+.0%}", f"{error:.3f}", f"{bias:+.3f}"])
    inside = np.mean([item.wins[0] <= item.won <= item.wins[1] for item in found])
    head = ["", "within 10 to 90 % (goal 75 to 85 %)", "pinball loss / mean quarter",
            "against stage-weighted (goal -20 %)", "mean error of the 50 % line", "bias of it"]  # fmt: skip
    told = (f"{len(seeds)} simulated companies of 800 to 3,000 deals in four years, each with a difficulty, drift and "
            f"swing of its own, {len(found)} quarters, each forecast at its start by models refitted on what was known "
            f"then (one recipe, {RECIPE.name}). Number of wins within 10 to 90 %: {inside:.1%}. The stage-weighted "
            "pipeline counts open deals expected to close in the quarter with their stage's past win rate; it is one "
            "number for all three lines, so its 50 % line alone is compared more fairly: the mean errors.")  # fmt: skip
    return f"{told}\n\n{markdown(head, rows)}\n\n{calibration(companies)}"


def large() -> str:
    """100,000 open deals, 10,000 draws: time and memory of the draws and of a whole forecast, in a process of its own.

    The arguments of that process are the numbers of deals and of draws.
    """
    done = subprocess.run([sys.executable, "-m", "benchmarks.forecast"], cwd=ROOT, capture_output=True, text=True,
                          check=True)  # fmt: skip
    return done.stdout


def _large_here(deals: int, draws: int) -> None:
    """The draws alone."""
    random = np.random.default_rng(0)
    pipeline = Pipeline(random.beta(1.0, 4.0, deals), random.lognormal(9, 1, deals), np.zeros(deals, dtype=np.int32), 1,
                        0.15)  # fmt: skip
    arrivals = Arrivals(deals / 4, 0.05, 0.15, random.lognormal(9, 1, 3_000), np.zeros(3_000, dtype=np.int32))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    found = draw_totals(pipeline, arrivals, 0.25, draws)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    low, high = np.quantile(found.money[:, 0], (0.1, 0.9))
    expected = float(pipeline.p @ pipeline.amount + arrivals.expected * arrivals.p * arrivals.amounts.mean())
    print(f"{deals:,} open deals, {draws:,} draws, arrivals included: {seconds:.1f} s on a shared machine, {cpu:.1f} s "
          f"of CPU (goal: under 20 s), peak memory {peak / 1e6:.2f} GB, of which {before / 1e6:.2f} GB before (goal: "
          f"under 2 GB). Mean of the draws: {found.money[:, 0].mean() / expected:.4f} of what is expected without a "
          f"shock; 10 and 90 % lines: {low / expected:.2f} and {high / expected:.2f} of it.")  # fmt: skip


BPI_TESTS = (("2011-11-28", 2, (30.0, 60.0)), ("2011-12-12", 3, (30.0,)))
"""Cut, Mondays from the cut on, and horizons in days that the data, which end on 1 February, can still judge. What was
chosen by hand was chosen at cuts from 7 to 21 November on Mondays up to 5 December: the second test has seen none of
them, and no Monday after them can be judged at 60 days."""
ITERATIONS, LEARNING_RATE = 30, 0.15
"""Of SurvivalBoost: about as much boosting as its 100 iterations at 0.05, in a third of the time."""


def bpi2012() -> str:
    """P(won within 30 and 60 days) of real deals open on past Mondays, beside Aalen-Johansen and SurvivalBoost."""
    folder = shared("data/bpi2012")
    with Store.open("sqlite://") as store:
        import_export([folder], load_mapping(ROOT / "benchmarks" / "mappings" / "bpi2012.toml"), store)
        crm = store.load()
    return "\n\n".join(_bpi_test(crm, *test) for test in BPI_TESTS)


def _bpi_test(crm: CrmData, text: str, weeks: int, horizons: tuple[float, ...]) -> str:
    cut, end, days = micros(text), micros("2012-02-01"), np.array(horizons)
    trained = train(crm, cut=cut)
    history, model, outlook = trained.data.history, trained.model, trained.model.outlook
    assert outlook is not None
    every = grid(history, end)
    learn = every.take(every.as_of < cut)
    test = every.take((every.as_of >= cut) & (every.as_of < cut + weeks * 7 * DAY))
    seen, then = episodes_of(history, learn, cut), episodes_of(history, test, end)
    matrix, asked = (build_matrix(history, trained.data.features, rows) for rows in (learn, test))
    plain = StageHazards(strength=0.0)
    plain.fit(matrix, seen)
    encoding = Encoding.learn(matrix)
    said = {
        "wonlost": model.won_within(asked, model.predict(asked), days, at=test.as_of),
        "Aalen-Johansen by stage": Timing(plain, "").incidence(asked, days)[0],
        "SurvivalBoost": _survival_boost(encoding.encode(matrix), seen, encoding.encode(asked), days),
    }
    rows: list[list[object]] = [
        [name, *(f"{brier(p[:, place], then, horizon):.4f}" for place, horizon in enumerate(horizons)),
         *(f"{share:.3f}" for share in p.mean(axis=0))]
        for name, p in said.items() if p is not None
    ]  # fmt: skip
    came = []
    for horizon in horizons:
        weight = then.weights(horizon)
        assert weight is not None
        came.append(float(np.average(then.won_within(horizon), weights=weight)))
    rows.append(["what came", *[""] * len(horizons), *(f"{share:.3f}" for share in came)])
    boosted = f"{ITERATIONS} iterations at a rate of {LEARNING_RATE}, all features"
    if said["SurvivalBoost"] is None:
        boosted = "left out: the package `hazardous` is not installed (extra `bench`)"
    told = (f"Cut {text}: {len(test):,} rows of deals open on {weeks} Mondays from the cut on, followed to 2012-02-01. "
            f"Recipe: {model.recipe}; timing: {outlook.timing.recipe}. SurvivalBoost: {boosted}.")  # fmt: skip
    head = ["", *(f"IPCW Brier, {days:g} days" for days in horizons),
            *(f"said on average, {days:g} days" for days in horizons)]  # fmt: skip
    return f"{told}\n\n{markdown(head, rows)}"


def _survival_boost(matrix: FloatArray, seen: Episodes, asked: FloatArray, days: FloatArray) -> FloatArray | None:
    """Incidence of wins by `hazardous`, on the same rows; None where it is not installed."""
    try:
        hazardous = importlib.import_module("hazardous")
    except ImportError:
        return None
    event = np.where(seen.closed, np.where(seen.won == 1, 1, 2), 0)
    target = pd.DataFrame({"event": event, "duration": np.where(seen.closed, seen.days, seen.watched)})
    model = hazardous.SurvivalBoost(n_iter=ITERATIONS, learning_rate=LEARNING_RATE, random_state=0,
                                    show_progressbar=False)  # fmt: skip
    model.fit(matrix, target)
    return np.asarray(model.predict_cumulative_incidence(asked, times=days.tolist())[:, 1, :], dtype=np.float64)


def _whole_here(deals: int, draws: int) -> None:
    """A forecast from the loaded store on: features at both of its moments, probabilities, draws, waterfall, lists."""
    with tempfile.TemporaryDirectory() as folder:
        crm, model = many_open(Path(folder), deals)
    start, cpu = time.perf_counter(), time.process_time()
    history, when = History(crm), default_as_of(crm)
    forecast(history, model, when, parse_until("quarter", when + 30 * DAY), draws=draws)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"\nThe whole forecast of as many simulated open deals, from the loaded store on (histories sorted; features "
          f"and probabilities as of now and a week ago, for the waterfall; draws; lists): {seconds:.1f} s, {cpu:.1f} s "
          f"of CPU, peak memory of the process {peak / 1e6:.2f} GB.")  # fmt: skip


if __name__ == "__main__":
    sizes = [int(text) for text in sys.argv[1:3]] or [100_000, 10_000]
    _large_here(*sizes)
    _whole_here(*sizes)
