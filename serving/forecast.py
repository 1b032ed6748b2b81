"""The forecast over HTTP: what it may be asked, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Response
from pydantic import Field

from crm.tables import moment
from features.history import History
from insights.errors import InsightError
from insights.forecast import Forecast, forecast
from insights.money import Rates
from insights.pipeline import Limits
from insights.spans import parse_until
from insights.totals import Line
from insights.waterfall import MEANING, StepName
from serving.answer import Answer
from serving.answers import NO_IMPORT
from serving.champion import Champion
from serving.company import Recent
from serving.documented import errors
from serving.errors import InvalidRequestError
from serving.requests import AsOf, OneDealQuery
from serving.scorer import Current

NO_FORECAST = "no model yet: a forecast needs one that was promoted"
MOST_MONEY = 9e13
KEPT = 4
"""Forecasts that are kept, so that asking for more deals of the same lists costs nothing."""


class ForecastQuery(OneDealQuery):
    """Parameters of a forecast."""

    until: str = Field(
        default="", max_length=40,
        description="A period as a whole, such as 2026Q4, 2026-12, 2026H2 or 2026 (quarters, halves and years are the "
                    "fiscal year's); or `quarter`, the default, `month`, `half` or `year` for that of as_of; or a day, "
                    "for what is won from as_of up to its end.",
    )  # fmt: skip
    target: float | None = Field(
        default=None, ge=0, le=MOST_MONEY, allow_inf_nan=False, description="What is to be won in the period."
    )
    since: AsOf = Field(
        default=None, description="Moment of the forecast that changes are told against; by default seven days before."
    )
    limit: int = Field(default=20, ge=0, le=500, description="Most deals of each list.")


class LineAnswer(Answer):
    """What the period brings in: an amount, or a number of wins."""

    so_far: float = Field(description="Won in the period before as_of.")
    expected_open: float = Field(description="Expected of deals that are open.")
    expected_new: float = Field(description="Expected of deals that are not there yet.")
    expected: float = Field(description="Mean of the whole.")
    low: float = Field(description="10 % line: one period in ten brings less.")
    middle: float = Field(description="50 % line.")
    high: float = Field(description="90 % line: one period in ten brings more.")


class MoneyAnswer(LineAnswer):
    """What the period brings in, in one currency."""

    currency: str | None = Field(description="The currency; null where the amounts name none.")


class BacktestAnswer(Answer):
    """A past quarter as it would have been forecast at its start, and what came."""

    name: str = Field(description="The quarter of the calendar year.")
    counts: Literal["wins", "amount"] = Field(description="What is counted.")
    currency: str | None = Field(description="Currency of the amounts; null for wins, and where none is named.")
    low: float = Field(description="10 % line.")
    middle: float = Field(description="50 % line.")
    high: float = Field(description="90 % line.")
    actual: float = Field(description="What came.")


class DealChangeAnswer(Answer):
    """What one deal changed."""

    opportunity_id: str = Field(description="The deal.")
    step: StepName = Field(description="Why.")
    amount: float = Field(description="By how much, in currency units.")


class WaterfallStepAnswer(Answer):
    """One step of what changed."""

    step: StepName = Field(description="Short name.")
    meaning: str = Field(description="The same in words.")
    amount: float = Field(description="By how much, in currency units.")


class WaterfallAnswer(Answer):
    """From the forecast before to this one: `before` and all steps add up to `after`, to the cent."""

    currency: str | None = Field(description="The currency; null where the amounts name none.")
    since: datetime = Field(description="Moment of the forecast before, in UTC.")
    before: float = Field(description="What was expected then.")
    after: float = Field(description="What is expected now.")
    steps: list[WaterfallStepAnswer] = Field(description="What changed it.")
    deals: list[DealChangeAnswer] = Field(description="What single deals changed, the largest first.")


class AilingDeal(Answer):
    """A deal that needs a look."""

    opportunity_id: str = Field(description="The deal.")
    value: float = Field(description="What was found: days, times or contacts; 0 where nothing was.")
    amount: float | None = Field(description="Its amount; the mean of won deals where none is entered.")
    currency: str | None = Field(description="Its currency; null where none is named.")
    in_period: float = Field(ge=0, le=1, description="Probability to be won in what is left of the period.")


class HealthList(Answer):
    """Open deals with one thing amiss."""

    name: str = Field(description="Short name.")
    meaning: str = Field(description="What is amiss.")
    absent: str | None = Field(description="What the data lack to tell; null where they tell.")
    total: int = Field(ge=0, description="Deals in all.")
    deals: list[AilingDeal] = Field(description="Those of the largest amount first, each currency apart.")


class CoverageAnswer(Answer):
    """How the target is covered."""

    target: float = Field(description="What is to be won.")
    so_far: float = Field(description="What was won of it.")
    gap: float = Field(description="What is missing; 0 once it is reached.")
    due: float = Field(description="Amount of open deals whose expected close lies in the period, or is not known.")
    ratio: float | None = Field(description="due over gap; null once the target is reached.")
    expected: float = Field(description="Mean of the forecast.")
    chance: float = Field(ge=0, le=1, description="Share of the draws that reach it.")


class ForecastAnswer(Answer):
    """What will be won by when."""

    as_of: datetime | None = Field(description="The moment, in UTC; null without an import.")
    period: str | None = Field(description="What is forecast.")
    start: datetime | None = Field(description="Its start, in UTC; what was won in it before as_of is in the lines.")
    end: datetime | None = Field(description="Its end, in UTC, not included.")
    model_version: int | None = Field(description="Version of the model; null: no model yet.")
    in_sample: bool = Field(description="True where as_of lies before the model's training cut.")
    simulated: bool = Field(description="Whether the store holds simulated data.")
    open_deals: int = Field(ge=0, description="Deals open at as_of.")
    notes: list[str] = Field(description="What to know about this answer.")
    wins: LineAnswer | None = Field(description="Number of wins; null where nothing can be forecast.")
    money: list[MoneyAnswer] = Field(description="Amounts, by currency; none in an export without amounts.")
    spread: float | None = Field(description="Standard deviation of the common shock of all deals, in log-odds.")
    backtests: list[BacktestAnswer] = Field(description="Past quarters.")
    changes: list[WaterfallAnswer] = Field(description="What changed since the forecast before, by currency.")
    health: list[HealthList] = Field(description="Deals that need a look.")
    coverage: CoverageAnswer | None = Field(description="How the target is covered; null without a target.")


Key = tuple[int, int, int, str, float | None, int | None]


class Forecasts:
    """Answers forecasts, and keeps the last few.

    Args:
        rates: What to convert amounts by.
        fiscal_year_start: Month in which the company's year starts, 1 to 12.
        limits: From when on a deal needs a look.
    """

    def __init__(self, rates: Rates | None = None, fiscal_year_start: int = 1, limits: Limits | None = None) -> None:
        self.rates, self.fiscal_year_start, self.limits = rates, fiscal_year_start, limits or Limits()
        self._kept: Recent[Key, Forecast] = Recent(KEPT)

    def answer(self, current: Current, query: ForecastQuery, now: int) -> ForecastAnswer:
        """A forecast of what serves now.

        Raises:
            InvalidRequestError: The period cannot be read or is over, a target meets several currencies, or there is
                nothing to forecast.
        """
        data, model = current.data, current.model
        when = current.moment(query.as_of, now)
        if data is None or model is None:
            return ForecastAnswer(
                as_of=None if data is None else data.when(when), period=None, start=None, end=None, model_version=None,
                in_sample=False, simulated=data is not None and data.simulated, open_deals=0,
                notes=[NO_IMPORT if data is None else NO_FORECAST], wins=None, money=[], spread=None, backtests=[],
                changes=[], health=[], coverage=None,
            )  # fmt: skip
        if query.since is not None and query.since >= when:
            raise InvalidRequestError("since: it must lie before as_of")
        key = (data.import_id, model.version, when, query.until, query.target, query.since)
        try:
            found = self._kept.get(key, lambda: self._work(data.history, current, query, when))
        except InsightError as error:
            raise InvalidRequestError(str(error)) from None
        return _answer(found, data.history, model.version, data.simulated, query.limit)

    def _work(self, history: History, current: Current, query: ForecastQuery, when: int) -> Forecast:
        assert current.model is not None
        period = parse_until(query.until, when, self.fiscal_year_start)
        return forecast(history, current.model.loaded, when, period, target=query.target, rates=self.rates,
                        since=query.since, limits=self.limits)  # fmt: skip


def add_forecast(app: FastAPI, champion: Champion, forecasts: Forecasts, clock: Callable[[], int]) -> None:
    """Add the route.

    Args:
        app: The app.
        champion: What serves.
        forecasts: What answers.
        clock: Now, in microseconds.
    """

    @app.get("/v1/forecast", response_model=ForecastAnswer, responses=errors(422), tags=["forecast"])
    def forecast(query: Annotated[ForecastQuery, Query()]) -> Response:
        """What will be won by when: 10, 50 and 90 % lines, what changed, and which deals need a look."""
        answer = forecasts.answer(champion.current, query, clock())
        return Response(answer.model_dump_json(), media_type="application/json")


def _line(line: Line) -> dict[str, float]:
    return {"so_far": line.so_far, "expected_open": line.expected_open, "expected_new": line.expected_new,
            "expected": line.expected, "low": line.low, "middle": line.middle, "high": line.high}  # fmt: skip


def _answer(found: Forecast, history: History, version: int, simulated: bool, limit: int) -> ForecastAnswer:
    ids = history.deal_ids
    with_money = bool(found.lines.money)
    lines, open_deals = found.lines, found.open_deals
    place = {deal: row for row, deal in enumerate(open_deals.deals.tolist())}

    def ailing(deal: int, value: float) -> AilingDeal:
        row = place[deal]
        return AilingDeal(
            opportunity_id=ids[deal], value=value, amount=float(lines.amount[row]) if with_money else None,
            currency=lines.currency[row] or None, in_period=float(open_deals.in_period[row]),
        )  # fmt: skip

    return ForecastAnswer(
        as_of=moment(found.as_of), period=found.period.name, start=moment(found.period.start),
        end=moment(found.period.end), model_version=version, in_sample=found.in_sample, simulated=simulated,
        open_deals=len(found.open_deals.deals), notes=found.notes, wins=LineAnswer(**_line(found.lines.wins)),
        money=[MoneyAnswer(currency=name or None, **_line(line)) for name, line in found.lines.money.items()],
        spread=found.spread,
        backtests=[
            BacktestAnswer(name=item.name, counts="wins" if item.currency is None else "amount",
                           currency=item.currency or None, low=item.low, middle=item.middle, high=item.high,
                           actual=item.actual)
            for item in found.backtests
        ],
        changes=[
            WaterfallAnswer(
                currency=name or None, since=moment(changed.since), before=changed.before, after=changed.after,
                steps=[WaterfallStepAnswer(step=step, meaning=MEANING[step], amount=value)
                       for step, value in changed.steps.items()],
                deals=[DealChangeAnswer(opportunity_id=ids[item.deal], step=item.step, amount=item.amount)
                       for item in changed.changes[:limit]],
            )
            for name, changed in found.waterfalls.items()
        ],
        health=[
            HealthList(
                name=item.name, meaning=item.meaning, absent=item.absent, total=len(item.deals),
                deals=list(map(ailing, item.deals[:limit].tolist(), item.values[:limit].tolist())),
            )
            for item in found.ailing
        ],
        coverage=None if found.coverage is None else CoverageAnswer(**vars(found.coverage)),
    )  # fmt: skip
