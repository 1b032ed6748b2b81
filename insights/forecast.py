"""What will close by when: the total of a period with its lines, what changed since the last forecast, and what to do.

A deal that is open is won in the period with probability win_probability x share, the share from `models.timing`; the
total is drawn as `insights.simulation` says, with the common shock of past quarters and the deals that are not there
yet. Everything is as of a moment: what the store knows of later days is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crm.tables import DAY, NAT, FloatArray, IntArray, moment
from features.history import History
from features.matrix import build_matrix, open_at
from features.registry import features_of
from insights.errors import NothingToTellError, RatesError
from insights.money import Rates
from insights.pipeline import Ailing, Coverage, Limits, due_in, health
from insights.spans import Span
from insights.stated import has_amounts, money_at
from insights.totals import Line, Lines, lines_of
from insights.waterfall import Seen, Waterfall, waterfalls
from models.outlook import Backtest, Outlook
from models.scoring import BATCH
from models.win import WinModel

DRAWS = 10_000
SINCE_DAYS = 7
"""Days between a forecast and the one that its changes are told against, by default."""


@dataclass(frozen=True)
class OpenDeals:
    """Open deals as a forecast sees them.

    Attributes:
        deals: Codes, shape (n_deals,).
        p: Win probability.
        in_period: Probability to be won in what is left of the period.
    """

    deals: IntArray
    p: FloatArray
    in_period: FloatArray


@dataclass(frozen=True)
class Forecast:
    """What will close by when.

    Attributes:
        as_of: The moment, in microseconds.
        period: What is forecast.
        open_deals: The open deals.
        lines: What the period brings in.
        spread: Standard deviation of the common shock, in log-odds.
        quarters: Past quarters that it rests on.
        backtests: How forecasts of past quarters came out.
        waterfalls: Changes since the forecast before, by currency; empty where there was nothing to forecast then. Of
            a period that starts at the moment of the forecast, what was won since the one before counts in it.
        ailing: Deals that need a look.
        coverage: How the target is covered; None without a target.
        in_sample: Whether the moment lies before the model's training cut: it may have seen how deals ended.
        notes: What to know about it.
    """

    as_of: int
    period: Span
    open_deals: OpenDeals
    lines: Lines
    spread: float
    quarters: int
    backtests: tuple[Backtest, ...]
    waterfalls: dict[str, Waterfall]
    ailing: list[Ailing]
    coverage: Coverage | None
    in_sample: bool
    notes: list[str]


def outlook_of(history: History, model: WinModel, as_of: int) -> Outlook:
    """What a model knows of time, where there is anything to forecast.

    Raises:
        NothingToTellError: Says in one sentence why not.
    """
    if history.crm.process.time_basis != "dates":
        raise NothingToTellError("the imported export has no dates, so nothing can be said of when deals close")
    if model.outlook is None:
        raise NothingToTellError("this version of the model does not know when deals close; train a new one")
    born = history.created[history.created != NAT]
    if not len(born) or as_of <= int(born.min()):
        told = f"; the first was entered on {moment(int(born.min())):%Y-%m-%d}" if len(born) else ""
        raise NothingToTellError(f"no deal had been entered before {moment(as_of):%Y-%m-%d}{told}")
    return model.outlook


def open_deals_of(history: History, model: WinModel, as_of: int, period: Span) -> OpenDeals:
    """Open deals and how likely each is to be won in what is left of a period.

    Raises:
        NothingToTellError: There is nothing to forecast.
    """
    outlook_of(history, model, as_of)
    pairs = open_at(history, as_of)
    features = model.read(features_of(history))
    edges = np.array([max(period.start - as_of, 0), max(period.end - as_of, 0)]) / DAY
    p, inside = np.empty(len(pairs)), np.empty(len(pairs))
    for start in range(0, len(pairs), BATCH):
        rows: IntArray = np.arange(start, min(start + BATCH, len(pairs)), dtype=np.int64)
        part = pairs.take(rows)
        matrix = build_matrix(history, features, part)
        p[rows] = model.predict(matrix)
        within = model.won_within(matrix, p[rows], edges, np.maximum((as_of - part.as_of) / DAY, 0.0), part.as_of)
        assert within is not None
        inside[rows] = within[:, 1] - within[:, 0]
    return OpenDeals(pairs.deal, p, inside)


def forecast(
    history: History, model: WinModel, as_of: int, period: Span, *, target: float | None = None,
    rates: Rates | None = None, since: int | None = None, limits: Limits | None = None, draws: int = DRAWS,
    seed: int = 0,
) -> Forecast:  # fmt: skip
    """Forecast what a period brings in.

    Args:
        history: All deals.
        model: The win model.
        as_of: Microseconds.
        period: What to forecast; it must not be over.
        target: What is to be won in it, in the one currency of the amounts.
        rates: What to convert amounts by; without, currencies are kept apart.
        since: Moment of the forecast that changes are told against; `SINCE_DAYS` earlier by default.
        limits: From when on a deal needs a look.
        draws: Draws of the total.
        seed: Of all chance.

    Raises:
        NothingToTellError: There is nothing to forecast; says why.
        RatesError: A target cannot be compared with amounts in several currencies.
    """
    outlook = outlook_of(history, model, as_of)
    now = open_deals_of(history, model, as_of, period)
    lines = lines_of(history, as_of, period, now.deals, now.in_period, outlook.spread, rates=rates, draws=draws,
                     seed=seed)  # fmt: skip
    covered = None if target is None else _coverage(history, as_of, period, now, lines, target)
    before = as_of - SINCE_DAYS * DAY if since is None else since
    changes: dict[str, Waterfall] = {}
    born = history.created[history.created != NAT]
    if lines.money and before > int(born.min()):
        compared = period.since(before)
        earlier = open_deals_of(history, model, before, compared)
        then = lines_of(history, before, compared, earlier.deals, earlier.in_period, 0.0, rates=rates, draws=1,
                        kept=lines.kept)  # fmt: skip
        changes = waterfalls(history, compared, _seen(history, before, earlier, then, rates),
                             _seen(history, as_of, now, lines, rates), list(lines.money))  # fmt: skip
    return Forecast(as_of, period, now, lines, outlook.spread, len(outlook.quarters), outlook.backtests, changes,
                    health(history, as_of, now.deals, lines.amount, lines.currency, limits), covered,
                    as_of < model.trained_before, _notes(history, model, as_of, now, lines, outlook))  # fmt: skip


def _seen(history: History, as_of: int, found: OpenDeals, lines: Lines, rates: Rates | None) -> Seen:
    share = np.divide(found.in_period, found.p, out=np.zeros(len(found.p)), where=found.p > 0)
    new = {name: line.expected_new for name, line in lines.money.items()}
    return Seen(as_of, found.deals, lines.kept * lines.amount, found.p, share, new, money_at(history, as_of, rates))


def _coverage(
    history: History, as_of: int, period: Span, now: OpenDeals, lines: Lines, target: float
) -> Coverage:  # fmt: skip
    if len(lines.money) != 1:
        told = f"amounts are in {', '.join(name or 'no currency' for name in lines.money)}" if lines.money else \
            "the export has no amounts"  # fmt: skip
        raise RatesError(f"a target needs amounts in one currency, but {told}; give a table of rates")
    line: Line = next(iter(lines.money.values()))
    gap = max(target - line.so_far, 0.0)
    due = float(lines.amount[due_in(history, as_of, period, now.deals)].sum())
    chance = float(np.mean(lines.totals.money.sum(axis=1) >= target))
    return Coverage(target, line.so_far, gap, due, due / gap if gap > 0 else None, line.expected, chance)


def _notes(
    history: History, model: WinModel, as_of: int, now: OpenDeals, lines: Lines, outlook: Outlook
) -> list[str]:  # fmt: skip
    found = []
    if as_of < model.trained_before:
        until = f"{moment(model.trained_before):%Y-%m-%d}"
        found.append(f"in-sample: the model learned from what was known before {until}, so it may have seen how these "
                     "deals ended")  # fmt: skip
    if not len(now.deals):
        found.append("no deal is open")
    if not has_amounts(history):
        found.append("the export has no amounts: only wins are counted")
    elif lines.guessed:
        found.append(f"{lines.guessed} open deals have no amount, and count with the mean of won deals")
    if lines.without_rate:
        told = ", ".join(f"{n} in {name}" for name, n in lines.without_rate.items())
        found.append(f"deals without a rate of exchange count with no amount: {told}")
    if len(lines.money) > 1:
        found.append("amounts are in several currencies, which are shown apart; a table of rates converts them")
    if not outlook.quarters:
        found.append("no past quarter could be forecast and compared, so the spread of the total is what is usual")
    return found
