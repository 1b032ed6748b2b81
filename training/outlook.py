"""Learning when deals close, and how past quarters came out: the part of a win model that forecasts rest on.

At the start of each past quarter the chosen recipe and every candidate for the timing are fitted on what was known
then, and asked about the deals open then. What was said of wins within 30, 90 and 180 days, against what came, chooses
the timing (log-loss by inverse probability of censoring weights); what was said of wins within the quarter gives the
common shock (`models.outlook`) and the backtests. To save time, candidates compete at the last `MOST_CHOOSING` quarters
only. Where the history holds fewer than three such quarters, the origins of the recipe search take their place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crm.tables import DAY, FloatArray, IntArray
from features.history import History
from features.matrix import Snapshots, build_matrix, open_at
from insights.periods import period_at
from insights.spans import Span
from insights.stated import has_amounts, money_at, won_in
from insights.totals import lines_of
from models.calibration import KINDS, Calibration, Plain
from models.hazards import PACE, Hazards, MeanHazards, StageHazards, TreeHazards, periods_seen
from models.incidence import Episodes, log_loss
from models.outlook import Backtest, Judged, Outlook, PastQuarter, spread_of
from models.quarter import QuarterPace
from models.timing import HORIZONS, Timing
from training.parallel import side_by_side
from training.recipes import Recipe
from training.search import TIE, Search, Served
from training.splits import LEAST_OF_EACH

MOST_ROWS = 15_000
"""Snapshots that the timing is learnt from; of more, every k-th."""
MOST_WIN_ROWS = 40_000
"""Rows that the recipe is fitted on at a past quarter; of more, whole deals are left out."""
MOST_QUARTERS = 8
MOST_CHOOSING = 4
"""Past quarters at which every candidate for the timing is fitted; the others are left to the one that was chosen."""
LEAST_QUARTERS = 3
CHOSEN_BY = (30, 90, 180)
"""Horizons, in days, whose mean log-loss chooses the timing."""
DRAWS = 2_000
SHORTEST = 30 * DAY
"""How long what came after an origin must be known."""

STAGES, AVERAGE, TREES = "Aalen-Johansen by stage", "average of Aalen-Johansen and trees", "trees"
TIMINGS = (STAGES, AVERAGE, TREES)
"""What the timing may be, the simplest first."""


@dataclass(frozen=True)
class Then:
    """What would have been said at a past moment.

    Attributes:
        period: The period that begins with it.
        deals: Deals open then, shape (n_deals,).
        seen: What became of them, as known at the cut.
        p: Win probability of each.
        within: Probability to be won within each of `HORIZONS`, by candidate, shape (n_deals, 4).
        in_period: Probability to be won within the period, by candidate.
    """

    period: Span
    deals: IntArray
    seen: Episodes
    p: FloatArray
    within: dict[str, FloatArray]
    in_period: dict[str, FloatArray]


def episodes_of(history: History, rows: Snapshots, end: int) -> Episodes:
    """What became of deals after moments, as known at the end of the watch.

    Args:
        history: The deals.
        rows: Deals and moments.
        end: Microseconds.
    """
    closed = history.closed[rows.deal]
    known = closed < end
    days = np.where(known, (closed.astype(np.float64) - rows.as_of) / DAY, np.inf)
    return Episodes(days, (end - rows.as_of) / DAY, np.where(known, history.won[rows.deal], np.nan))


def past_periods(search: Search, fiscal_year_start: int = 1) -> list[Span]:
    """Past quarters at whose start there was enough to learn from, in order; else the origins of the search.

    Args:
        search: Rows and origins.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
    """
    data, cut = search.data, search.data.cut
    deals = np.unique(data.rows.deal)
    closed, won = data.history.closed[deals], data.history.won[deals]
    found: list[Span] = []
    period = period_at(cut, "quarter", fiscal_year_start)
    while len(found) < MOST_QUARTERS:
        known = won[closed < period.start]
        if min(known.sum(), len(known) - known.sum()) < LEAST_OF_EACH:
            break
        if period.start + SHORTEST <= cut:
            found.append(Span.of(period))
        period = period.previous
    if len(found) >= LEAST_QUARTERS:
        return found[::-1]
    origins = [fold.origin for fold in search.folds if fold.origin is not None]
    return [Span("", origin, origin + 91 * DAY) for origin in origins]


class Outlooks:
    """Fits at past moments.

    Args:
        search: Rows, origins, and what recipes said there.
        recipe: The recipe to fit.
        kind: Kind of calibration that it serves with.
        threads: Threads of LightGBM.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
    """

    def __init__(
        self, search: Search, recipe: Recipe, kind: str, threads: int = 1, fiscal_year_start: int = 1
    ) -> None:  # fmt: skip
        self.search, self.recipe, self.kind, self.threads = search, recipe, kind, threads
        self.fiscal_year_start = fiscal_year_start
        data = search.data
        population = data.population
        step = -(-len(population) // MOST_ROWS)
        self.rows = population.take(np.arange(0, len(population), step, dtype=np.int64))
        self.pace = [item for item in data.features if item.name in PACE]
        self.matrix = build_matrix(data.history, self.pace, self.rows)

    def timings(self, end: int, names: Sequence[str] = TIMINGS) -> dict[str, Timing]:
        """Candidates for the timing, fitted on what was known at a moment; trees only where they can be fitted."""
        known = self.rows.as_of < end
        seen = episodes_of(self.search.data.history, self.rows.take(known), end)
        matrix = self.matrix.take(known)
        stages = StageHazards()
        stages.fit(matrix, seen)
        found: dict[str, Hazards] = {STAGES: stages}
        ended = seen.won[periods_seen(seen)[1] >= 0]
        if set(names) - {STAGES} and len(ended) and ended.min() < ended.max():
            trees = TreeHazards(threads=self.threads)
            trees.fit(matrix, seen)
            found |= {AVERAGE: MeanHazards([stages, trees]), TREES: trees}
        history = self.search.data.history
        pace = QuarterPace.learn(history.created, history.closed, history.won, end, self.fiscal_year_start)
        return {name: Timing(found[name], name, pace) for name in names if name in found}

    def _calibration(self, end: int) -> Calibration:
        """The calibration, as it could have been fitted on out-of-sample rows known at a moment."""
        search = self.search
        rows = search.rows
        known = search.data.closed[rows] < end
        if not known.any() or search.won[known].min() == search.won[known].max():
            return Plain()
        form = KINDS[self.kind]()
        form.fit(search.margin(self.recipe)[known], search.won[known],
                 search.evidence(np.ones(int(known.sum())), search.deal[known]))  # fmt: skip
        return form

    def at(self, period: Span, names: Sequence[str] = TIMINGS) -> Then:
        """What would have been said at the start of a period, of the deals open then, by some candidates."""
        search, data, history = self.search, self.search.data, self.search.data.history
        start = period.start
        known = np.flatnonzero((data.rows.as_of < start) & (data.closed < start)).astype(np.int64)
        step = -(-len(known) // MOST_WIN_ROWS)
        known = known[data.rows.deal[known] % step == 0]
        estimator = search.fit_recipe(self.recipe, known, start)
        pairs = open_at(history, start)
        read = {*estimator.features, *PACE}
        matrix = build_matrix(history, [item for item in data.features if item.name in read], pairs)
        p = self._calibration(start)(estimator.margin(matrix)) if len(pairs) else np.zeros(0)
        waited = (start - pairs.as_of) / DAY
        horizons = np.array([*HORIZONS, period.days])
        order = np.argsort(horizons, kind="stable")
        within, inside = {}, {}
        for name, timing in self.timings(start, names).items():
            said = timing.won_within(matrix, p, horizons[order], waited, pairs.as_of)[:, np.argsort(order)]
            within[name], inside[name] = said[:, :-1], said[:, -1]
        moments = Snapshots(pairs.deal, np.full(len(pairs), start, dtype=np.int64))
        return Then(period, pairs.deal, episodes_of(history, moments, data.cut), p, within, inside)


def learn_outlook(
    search: Search, served: Served, threads: int = 1, fiscal_year_start: int = 1
) -> Outlook | None:  # fmt: skip
    """When deals close, and how past quarters came out; None for an export without dates, or with nothing to learn.

    Args:
        search: Rows, origins, and what recipes said there.
        served: The recipe and its calibration.
        threads: Threads of LightGBM.
        fiscal_year_start: Month in which the company's year starts, 1 to 12: past quarters are its own.
    """
    data = search.data
    if not data.dated or not len(data.population):
        return None
    outlooks = Outlooks(search, served.recipe, served.calibration.kind, threads, fiscal_year_start)
    periods = past_periods(search, fiscal_year_start)
    late = [then for then in side_by_side(outlooks.at, periods[-MOST_CHOOSING:], threads) if len(then.deals)]
    name, losses = chosen_timing(late, data.cut)
    early = side_by_side(lambda period: outlooks.at(period, [name]), periods[:-MOST_CHOOSING], threads)
    thens = [*(then for then in early if name in then.within and len(then.deals)), *late]
    full = [then for then in thens if then.period.end <= data.cut]
    outcomes = [then.seen.won_within(then.period.days) for then in full]
    quarters = [PastQuarter.of(then.period.start, then.period.end, then.in_period[name], won)
                for then, won in zip(full, outcomes, strict=True)]  # fmt: skip
    seen, said = _pooled(thens, name, data.cut)
    judged = (Judged.of(said[:, place], seen, days) for place, days in enumerate(HORIZONS)) if thens else ()
    past = backtests(data.history, full, name, quarters)
    return Outlook(outlooks.timings(data.cut, [name])[name], tuple(quarters), tuple(past), losses,
                   tuple(item for item in judged if item is not None))  # fmt: skip


def chosen_timing(thens: Sequence[Then], end: int) -> tuple[str, dict[str, float]]:
    """The timing with the least loss at past moments, the simplest of those that are equally good.

    Args:
        thens: What would have been said.
        end: What came at or after it is not known.

    Returns:
        Its name, and the loss of each candidate that could be judged.
    """
    names = [name for name in TIMINGS if all(name in then.within for then in thens)]
    losses = {name: loss for name in names if (loss := _loss(thens, name, end)) == loss}
    least = min(losses.values(), default=0.0)
    return next((name for name in names if name in losses and losses[name] <= least * (1 + TIE)), names[0]), losses


def _pooled(thens: Sequence[Then], name: str, end: int) -> tuple[Episodes, FloatArray]:
    if not thens:
        return Episodes(np.zeros(0), np.zeros(0), np.zeros(0)), np.zeros((0, len(HORIZONS)))
    seen = Episodes.joined([then.seen.until((end - then.period.start) / DAY) for then in thens])
    return seen, np.concatenate([then.within[name] for then in thens])


def _loss(thens: Sequence[Then], name: str, end: int) -> float:
    """Mean log-loss over the horizons that can be judged; NaN where none can."""
    seen, said = _pooled(thens, name, end)
    if not len(seen):
        return float("nan")
    found = [log_loss(said[:, HORIZONS.index(days)], seen, days) for days in CHOSEN_BY]
    return float(np.nanmean(found)) if not np.all(np.isnan(found)) else float("nan")


def backtests(
    history: History, thens: Sequence[Then], name: str, quarters: Sequence[PastQuarter]
) -> list[Backtest]:  # fmt: skip
    """Forecasts of past quarters beside what came, each with the common shock of the quarters before it.

    Args:
        history: The deals.
        thens: What would have been said at each quarter's start, for quarters that are over.
        name: The timing that was chosen.
        quarters: How each came out.
    """
    found: list[Backtest] = []
    for then in thens:
        period = then.period
        if not period.name:
            continue
        spread = spread_of([item for item in quarters if item.end <= period.start])
        lines = lines_of(history, period.start, period, then.deals, then.in_period[name], spread, draws=DRAWS)
        won = won_in(history, period.start, period.end)
        found.append(Backtest(period.name, period.start, None, lines.wins.low, lines.wins.middle, lines.wins.high,
                              float(len(won))))  # fmt: skip
        if has_amounts(history):
            money = money_at(history, period.end, None)
            for currency, line in lines.money.items():
                mine = won[money.currency[won] == money.currencies.index(currency)]
                found.append(Backtest(period.name, period.start, currency, line.low, line.middle, line.high,
                                      float(np.nansum(money.values[mine]))))  # fmt: skip
    return found


