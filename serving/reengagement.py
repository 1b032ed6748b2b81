"""Lost deals worth another call, over HTTP: the queue, and marks of what was done with its deals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request, Response
from pydantic import AfterValidator, Field, TypeAdapter, ValidationError, WithJsonSchema
from starlette.concurrency import run_in_threadpool

from crm.errors import MarkError, StoreError
from crm.marks import LONGEST_NAME, Mark, MarkKind, add_mark, all_marks, draws, outcome_of
from crm.store import Store
from crm.tables import moment
from insights.money import Rates
from insights.reengagement.keeping import kept, queue_key
from insights.reengagement.options import HORIZONS, Options
from insights.reengagement.queue import make_queue
from insights.reengagement.reasons import Reader
from insights.reengagement.rows import Queue, Row
from insights.reengagement.worklist import worklist
from insights.settled import Source
from serving.answer import Answer
from serving.answers import NO_IMPORT
from serving.champion import Champion
from serving.company import CompanyData, Recent
from serving.documented import errors
from serving.errors import InvalidRequestError, UnavailableError, UnknownDealError
from serving.front import bounded_body
from serving.problems import details_of
from serving.requests import Moment, OneDealQuery, Sent

KEPT_QUEUES = 4
MARK_BYTES = 10_000
"""Largest body of a mark."""


@dataclass(frozen=True)
class Reengagement:
    """How the server makes queues.

    Attributes:
        options: How they are made; the horizon is the request's.
        rates: What amounts are converted by; None: each currency has a ranking of its own.
        folder: Where queues are kept beyond the life of the server; None: nowhere.
    """

    options: Options = field(default_factory=Options)
    rates: Rates | None = None
    folder: Path | None = None


class SimilarDeal(Answer):
    """A lost deal of another account that came back."""

    lost: str = Field(description="Id of the lost deal.")
    won: str = Field(description="Id of the deal that was won after it.")
    reason: str = Field(description="Id of the reason of the loss; empty where unknown.")
    days: int = Field(description="Days from the loss to the entry of the new deal.")


class LostDeal(Answer):
    """A lost deal worth another call."""

    rank: int = Field(description="Place among the deals of its currency, from 1.")
    id: str = Field(description="Identifier of the deal in the CRM.")
    name: str | None = Field(description="Name of the deal.")
    account_id: str | None = Field(description="Its account; null where it has none.")
    account: str | None = Field(description="Name of the account.")
    owner_id: str | None = Field(description="Its owner when it was lost.")
    owner: str | None = Field(description="Name of the owner.")
    lost_on: date = Field(description="Day of the loss, UTC.")
    stage: str | None = Field(description="Stage that it had reached; null where unknown.")
    amount: float | None = Field(description="Amount of the lost deal, in units of `currency`.")
    currency: str = Field(description="Currency of all amounts of the deal; empty where it is not stated.")
    reason: str | None = Field(description="Id of the reason of the loss; null where it cannot be told.")
    reason_name: str | None = Field(description="What people call the reason.")
    reason_source: Source | None = Field(description="Where it comes from: a person's answer to the note, else what "
                                                     "the model reads in it, else the picklist.")  # fmt: skip
    confidence: float | None = Field(description="Probability that the reason is right.")
    words: str = Field(description="The note, cleaned, personal data masked; else the value picked in the CRM.")
    evidence: list[str] = Field(description="Words of the note that told the reason to the model.")
    hint: str = Field(description="What would have to be different now.")
    best_date: date | None = Field(description="When to call; null where nothing tells.")
    best_date_why: str = Field(description="What that rests on.")
    probability: float = Field(
        ge=0, le=1, description="Probability that an opportunity of this account created after as_of is won within "
                                "the horizon. It describes who comes back, not what calling brings."
    )  # fmt: skip
    lower: float = Field(ge=0, le=1, description="Lower end of the interval that should hold the true probability.")
    upper: float = Field(ge=0, le=1, description="Upper end.")
    expected_amount: float | None = Field(description="Amount expected of the deal that comes back.")
    expected_value: float | None = Field(description="Probability times expected amount.")
    method: Literal["model", "prior"] = Field(description="`model`: learned from the company's own win-backs; `prior`.")
    why: list[str] = Field(description="Why it ranks here, the weightiest first.")
    similar: list[SimilarDeal] = Field(description="Deals like it that did come back.")


class QueueAnswer(Answer):
    """Lost deals worth another call."""

    as_of: date | None = Field(description="The day, from its 00:00 UTC; null without an import, or without dates.")
    horizon: int = Field(description="Months in which a deal must be won to count.")
    total: int = Field(ge=0, description="Deals that fit the filters, on all pages.")
    limit: int = Field(description="Most deals on a page.")
    offset: int = Field(description="Deals left out before this page.")
    method: str = Field(description="What probabilities rest on: `prior`, or the kind of model.")
    why: str = Field(description="Why that.")
    winbacks: int = Field(description="Accounts won back in the history.")
    excluded: dict[str, int] = Field(description="Lost deals left out, by reason.")
    hidden: dict[str, int] = Field(description="Deals not shown, by mark, and those held out at random.")
    simulated: bool = Field(description="Whether the store holds simulated data.")
    notes: list[str] = Field(description="What to know about this answer.")
    deals: list[LostDeal] = Field(description="By currency (that of most deals first), then by rank.")


class MarkAnswer(Answer):
    """A mark that was stored."""

    id: int = Field(description="Running number of the mark.")
    opportunity_id: str = Field(description="The deal.")
    mark: MarkKind = Field(description="What was done.")
    until: datetime | None = Field(description="Until when it is snoozed, in UTC.")
    by: str = Field(description="Who marked it.")
    at: datetime = Field(description="When, in UTC.")


def _followed(months: int) -> int:
    if months not in HORIZONS:
        raise ValueError(f"win-backs are followed for {', '.join(map(str, HORIZONS))} months")
    return months


Horizon = Annotated[int, AfterValidator(_followed), WithJsonSchema({"type": "integer", "enum": list(HORIZONS)})]


class QueueQuery(OneDealQuery):
    """Parameters of the queue."""

    horizon: Horizon = Field(default=12, description="Months in which a deal must be won to count.")
    limit: int = Field(default=20, ge=1, le=500, description="Most deals on a page.")
    offset: int = Field(default=0, ge=0, le=100_000_000, description="Deals to leave out before the page.")
    owner_id: str | None = Field(default=None, description="Only deals of this owner.")
    currency: str | None = Field(default=None, description="Only deals in this currency.")


class SentMark(Sent):
    """A mark to store."""

    mark: MarkKind = Field(description="contacted, snoozed or dismissed.")
    by: str = Field(min_length=1, max_length=LONGEST_NAME, description="Who did it.")
    until: Moment | None = Field(default=None, description="Until when a snoozed deal rests; for no other mark.")


class Queues:
    """Makes queues of what serves now, and keeps the last few."""

    def __init__(self, champion: Champion, setup: Reengagement) -> None:
        self._champion, self._setup = champion, setup
        self._kept: Recent[str, Queue] = Recent(KEPT_QUEUES)

    def queue(self, data: CompanyData, as_of: int, horizon: int, reader: Reader) -> Queue:
        """The queue at a moment, marked deals included."""
        setup, taxonomy = self._setup, self._champion.reasons.taxonomies["loss"]
        options = replace(setup.options, horizon=horizon)
        key = queue_key(self._champion.store_url, data.import_id, data.crm.imported_at, as_of, options, taxonomy,
                        setup.rates, reader.key)  # fmt: skip

        def make() -> Queue:
            return make_queue(data.history, as_of, options, taxonomy, reader=reader, rates=setup.rates)

        return self._kept.get(key, make if setup.folder is None else partial(kept, setup.folder, key, make))

    def answer(self, query: QueueQuery, now: int) -> QueueAnswer:
        """A page of the queue.

        Raises:
            InvalidRequestError: The moment lies in the future.
            UnavailableError: The store cannot be read.
        """
        current = self._champion.current
        data = current.data
        as_of = current.moment(query.as_of, now)
        if data is None:
            return QueueAnswer(as_of=None, horizon=query.horizon, total=0, limit=query.limit, offset=query.offset,
                               method="prior", why=NO_IMPORT, winbacks=0, excluded={}, hidden={}, simulated=False,
                               notes=[NO_IMPORT], deals=[])  # fmt: skip
        present = as_of >= data.cut
        try:
            with Store.open(self._champion.store_url) as store:
                marks = {mark.opportunity_id: mark for mark in all_marks(store) if present or mark.at < as_of}
                drawn = draws(store)
                reader = self._champion.reasons.loss_reader(store)
        except StoreError as error:
            raise UnavailableError(str(error)) from None
        queue = self.queue(data, as_of, query.horizon, reader)
        left = worklist(queue, marks, drawn, now if present else as_of)
        rows = [row for row in left.rows if query.owner_id in (None, row.owner_id)
                and query.currency in (None, row.currency)]  # fmt: skip
        return QueueAnswer(
            as_of=queue.as_of, horizon=queue.horizon, total=len(rows), limit=query.limit, offset=query.offset,
            method=queue.method, why=queue.why, winbacks=queue.winbacks, excluded=queue.excluded, hidden=left.hidden,
            simulated=queue.simulated, notes=queue.notes,
            deals=[_deal(row) for row in rows[query.offset : query.offset + query.limit]],
        )  # fmt: skip

    def mark(self, deal_id: str, sent: SentMark, now: int) -> MarkAnswer:
        """Store a mark.

        Raises:
            UnknownDealError: The store holds no such deal.
            InvalidRequestError: The deal is not lost, or the mark lacks what it needs.
            UnavailableError: The store cannot be written to.
        """
        try:
            with Store.open(self._champion.store_url) as store:
                outcome = outcome_of(store, deal_id)
                if outcome is None:
                    raise UnknownDealError(f"{deal_id!r}: the store holds no such deal")
                if outcome != "lost":
                    raise InvalidRequestError(f"{deal_id!r} is not a lost deal: it is {outcome}")
                mark = add_mark(store, deal_id, sent.mark, by=sent.by, until=sent.until, at=now)
        except MarkError as error:
            raise InvalidRequestError(str(error)) from None
        except StoreError as error:
            raise UnavailableError(str(error)) from None
        return _mark(mark)


def _deal(row: Row) -> LostDeal:
    return LostDeal.model_validate(row, from_attributes=True)


def _mark(mark: Mark) -> MarkAnswer:
    until = None if mark.until is None else moment(mark.until)
    return MarkAnswer(id=mark.id, opportunity_id=mark.opportunity_id, mark=mark.kind, until=until, by=mark.by,
                      at=moment(mark.at))  # fmt: skip


MARK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": SentMark.model_json_schema(),
                "examples": {
                    "called": {"summary": "It was called", "value": {"mark": "contacted", "by": "Nina"}},
                    "later": {"summary": "Not before a day",
                              "value": {"mark": "snoozed", "by": "Nina", "until": "2099-01-31"}},
                },
            }
        },
    }
}  # fmt: skip


def add_reengagement(app: FastAPI, champion: Champion, setup: Reengagement, clock: Callable[[], int]) -> None:
    """Add the routes.

    Args:
        app: The app.
        champion: What serves.
        setup: How queues are made.
        clock: The time in microseconds since 1970, UTC.
    """
    queues = Queues(champion, setup)
    sent = TypeAdapter(SentMark)

    @app.get("/v1/re-engagement", response_model=QueueAnswer, responses=errors(422, 503), tags=["re-engagement"])
    def queue(query: Annotated[QueueQuery, Query()]) -> Response:
        """Lost deals worth another call, ranked by expected value within each currency, page by page.

        The expected value is the probability that an opportunity of the account created after as_of is won within the
        horizon, times the amount expected of it. It describes who comes back; it does not claim that calling causes it.
        """
        return _json(queues.answer(query, clock()))

    @app.post("/v1/re-engagement/{deal_id}/mark", response_model=MarkAnswer, openapi_extra=MARK_BODY,
              responses=errors(404, 413, 415, 422, 503), tags=["re-engagement"])  # fmt: skip
    async def mark(deal_id: str, request: Request) -> Response:
        """Mark a lost deal as contacted, snoozed until a day, or dismissed; it leaves the queue. All marks are kept."""
        body = await bounded_body(request, MARK_BYTES)
        try:
            found = sent.validate_json(body)
        except ValidationError as error:
            details = details_of(error.errors(include_url=False, include_input=False))
            raise InvalidRequestError(f"{details[0].where}: {details[0].message}", details) from None
        return _json(await run_in_threadpool(queues.mark, deal_id, found, clock()))


def _json(answer: Answer) -> Response:
    return Response(answer.__pydantic_serializer__.to_json(answer), media_type="application/json")


__all__ = ["Reengagement", "add_reengagement"]
