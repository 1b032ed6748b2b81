"""The FastAPI app: JSON over HTTP, described by its own OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from crm.tables import micros
from models.errors import NoReportError, RegistryUnavailableError, UnknownVersionError
from models.registry import Registry
from models.taxonomy import Taxonomy
from serving.answers import (
    DealAnswer,
    DealsAnswer,
    Health,
    ModelsAnswer,
    ModelVersion,
    PostedScore,
    Readiness,
)
from serving.champion import Champion
from serving.documented import DESCRIPTION, NO_REPORT, SCORE_BODY, documented, errors
from serving.errors import (
    InvalidRequestError,
    RequestError,
    TooLargeError,
    UnavailableError,
    UnknownReportError,
)
from serving.forecast import Forecasts, add_forecast
from serving.front import PAGE_HEADERS, Front, bounded_body, error_response
from serving.history import add_history
from serving.measures import Measures
from serving.problems import details_of
from serving.reason_routes import add_reasons
from serving.reengagement import Reengagement, add_reengagement
from serving.requests import DealsQuery, OneDealQuery, SentDeal
from serving.review import ReviewSettings, add_review
from serving.scorer import Current

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
INLINE_BYTES = 65_536
"""A body up to this size is scored where it was read: handing it to another thread would cost more than it saves."""


def create_app(
    store_url: str, registry: Registry, *, refresh_seconds: float = 2.0, max_deals: int = 1000,
    max_body_bytes: int = 20_000_000, allowed_hosts: Sequence[str] = LOOPBACK_NAMES,
    taxonomies: Mapping[str, Taxonomy] | None = None, reviews: ReviewSettings | None = None,
    forecasts: Forecasts | None = None, reengagement: Reengagement | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:  # fmt: skip
    """Make the app. It begins to look for the store and the champion when it starts, and stops when it ends.

    Args:
        store_url: SQLAlchemy URL of the store.
        registry: The registry of models.
        refresh_seconds: Seconds between looks for a promotion or a new import.
        max_deals: Most deals that one request may send.
        max_body_bytes: Largest body of a request.
        allowed_hosts: Accepted names in the Host header, without ports.
        taxonomies: The reasons in use, by kind of note; the built-in ones by default.
        reviews: What win-loss reviews are made with; the defaults where absent.
        forecasts: How forecasts are made: rates, fiscal year, limits.
        reengagement: How queues of lost deals are made; by default with the built-in reasons, kept in memory only.
        now: The clock.
    """
    measures = Measures()
    champion = Champion(store_url, registry, refresh_seconds, on_change=lambda current: _measured(measures, current),
                        taxonomies=taxonomies or {})  # fmt: skip

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        champion.start()
        try:
            yield
        finally:
            await run_in_threadpool(champion.stop)

    app = FastAPI(title="wonlost", version=_version(), description=DESCRIPTION, lifespan=lifespan,
                  docs_url=None, redoc_url=None)  # fmt: skip
    app.state.champion = champion
    app.add_middleware(Front, measures=measures, hosts=allowed_hosts)
    app.openapi = documented(app)  # type: ignore[method-assign]
    _answer_errors(app)
    _add_deals(app, champion, measures, lambda: micros(now()))
    add_history(app, champion)
    _add_score(app, champion, measures, lambda: micros(now()), max_deals, max_body_bytes)
    add_forecast(app, champion, forecasts or Forecasts(), lambda: micros(now()))
    add_reasons(app, champion, lambda: micros(now()), max_deals, max_body_bytes)
    add_reengagement(app, champion, reengagement or Reengagement(), lambda: micros(now()))
    _add_models(app, champion)
    add_review(app, champion, lambda: micros(now()), reviews or ReviewSettings())
    _add_state(app, champion, measures)
    return app


def _version() -> str:
    try:
        return version("wonlost")
    except PackageNotFoundError:
        return "0"


def _measured(measures: Measures, current: Current) -> None:
    measures.model.set(current.model.version if current.model is not None else 0)
    measures.imported.set(current.data.import_id if current.data is not None else 0)


def _json(answer: BaseModel, status: int = 200) -> Response:
    """An answer as it is: it was checked when it was made."""
    return Response(answer.__pydantic_serializer__.to_json(answer), status, media_type="application/json")


def _answer_errors(app: FastAPI) -> None:
    """Give every error the one shape."""

    @app.exception_handler(RequestError)
    async def told(_: Request, error: RequestError) -> Response:
        return Response(error.answer().model_dump_json(exclude_none=True), error.status, media_type="application/json")

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        details = details_of(error.errors())
        wrong = InvalidRequestError(f"{details[0].where}: {details[0].message}", details)
        return Response(wrong.answer().model_dump_json(exclude_none=True), 422, media_type="application/json")

    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        code = {404: "no_such_route", 405: "method_not_allowed"}.get(error.status_code, "bad_request")
        response = error_response(error.status_code, code, str(error.detail))
        response.headers.update(error.headers or {})
        return response


def _add_deals(app: FastAPI, champion: Champion, measures: Measures, clock: Callable[[], int]) -> None:
    @app.get("/v1/deals", response_model=DealsAnswer, responses=errors(422), tags=["deals"])
    def deals(query: Annotated[DealsQuery, Query()]) -> Response:
        """Deals open at a moment, with their scores and weightiest reasons, page by page."""
        answer = champion.current.deals(query, clock())
        measures.scored.inc(sum(1 for item in answer.deals if item.score is not None))
        return _json(answer)

    @app.get("/v1/deals/{deal_id}", response_model=DealAnswer, responses=errors(404, 422), tags=["deals"])
    def deal(deal_id: str, query: Annotated[OneDealQuery, Query()]) -> Response:
        """One deal: its state at a moment, and its score where it was open then, with all reasons, which add up to it.

        Of a deal that had closed: why, as its note tells it, beside what the picklist says.
        """
        current, now = champion.current, clock()
        answer = current.deal(deal_id, query.as_of, now)
        measures.scored.inc(answer.score is not None)
        if current.data is not None:
            reason = champion.reasons.of_deal(current.data, deal_id, answer.status, current.moment(query.as_of, now))
            answer = answer.model_copy(update={"reason": reason})
        return _json(answer)


def _add_score(
    app: FastAPI, champion: Champion, measures: Measures, clock: Callable[[], int], max_deals: int, max_bytes: int
) -> None:  # fmt: skip
    one = TypeAdapter(SentDeal)
    several: TypeAdapter[list[SentDeal]] = TypeAdapter(
        Annotated[list[SentDeal], Field(min_length=1, max_length=max_deals)]
    )
    answers = TypeAdapter(list[PostedScore])

    def read(body: bytes) -> tuple[list[SentDeal], bool]:
        listed = body.lstrip()[:1] == b"["
        try:
            return (several.validate_json(body), True) if listed else ([one.validate_json(body)], False)
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            if found[0]["type"] == "too_long" and not found[0]["loc"]:
                raise TooLargeError(f"at most {max_deals} deals at once; send them in several requests") from None
            details = details_of(found)
            raise InvalidRequestError(f"{details[0].where}: {details[0].message}", details) from None

    def answer(body: bytes) -> Response:
        sent, listed = read(body)
        found = champion.current.posted(sent, clock(), listed=listed)
        measures.scored.inc(sum(1 for item in found if item.score is not None))
        return Response(answers.dump_json(found), media_type="application/json") if listed else _json(found[0])

    @app.post("/v1/score", response_model=PostedScore | list[PostedScore], responses=errors(413, 415, 422),
              openapi_extra=SCORE_BODY, tags=["deals"])  # fmt: skip
    async def score(request: Request) -> Response:
        """Score a deal, or a list of them, sent with their histories. Nothing is stored.

        Track records and loads of owners come from the store. One deal is answered by one score, a list by a list in
        the same order. Events at or after `as_of` are not looked at.
        """
        body = await bounded_body(request, max_bytes)
        return answer(body) if len(body) <= INLINE_BYTES else await run_in_threadpool(answer, body)


def _add_models(app: FastAPI, champion: Champion) -> None:
    @app.get("/v1/models", response_model=ModelsAnswer, responses=errors(503), tags=["models"])
    def models() -> Response:
        """All registered versions of the win model, the newest first, and the one that this server serves."""
        try:
            champion.registry.ping()
            versions = champion.registry.versions()
        except RegistryUnavailableError as error:
            raise UnavailableError(str(error)) from None
        model = champion.current.model
        return _json(ModelsAnswer(
            served_version=model.version if model is not None else None,
            versions=[ModelVersion(
                version=item.number, aliases=list(item.aliases), run_id=item.run_id, metrics=item.metrics,
                created_at=datetime.fromtimestamp(item.created_at / 1000, UTC), decision=item.decision,
                simulated=item.simulated, report=f"/v1/models/{item.number}/report" if item.report else None,
            ) for item in versions],
        ))  # fmt: skip

    @app.get("/v1/models/{version}/report", response_class=Response, tags=["models"], responses={
        **errors(422, 503, own=NO_REPORT),
        200: {"description": "The report, one HTML page that needs nothing else.",
              "content": {"text/html": {"schema": {"type": "string"}}}},
    })  # fmt: skip
    def report(version: Annotated[int, PathParameter(ge=1, description="Number of the version.")]) -> Response:
        """The report of a version's training: whether it may serve, how good it is, what drives it, what was absent."""
        try:
            champion.registry.ping()
            page = champion.registry.report(version)
        except RegistryUnavailableError as error:
            raise UnavailableError(str(error)) from None
        except (UnknownVersionError, NoReportError) as error:
            raise UnknownReportError(str(error)) from None
        return HTMLResponse(page, headers=PAGE_HEADERS)


def _add_state(app: FastAPI, champion: Champion, measures: Measures) -> None:
    not_ready: dict[int | str, dict[str, Any]] = {
        503: {"model": Readiness, "description": "It cannot answer yet, or any more; says why."}
    }

    @app.get("/healthz", response_model=Health, responses=errors(), tags=["state"])
    async def healthz() -> Response:
        """200 as long as the process lives."""
        return _json(Health())

    @app.get("/readyz", response_model=Readiness, responses={**errors(), **not_ready}, tags=["state"])
    async def readyz() -> Response:
        """200 when deals can be answered, if only with stage rates for want of a model; else 503 and what is wrong."""
        answer = readiness(champion)
        return _json(answer, 200 if answer.status == "ready" else 503)

    @app.get("/metrics", response_class=Response, tags=["state"], responses={
        **errors(),
        200: {"description": "Prometheus text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
    })  # fmt: skip
    async def metrics() -> Response:
        """Requests, latencies, the model that serves, deals scored and failed looks, for Prometheus."""
        measures.failures.set(champion.health.failures)
        return Response(measures.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def readiness(champion: Champion) -> Readiness:
    """Whether the server can answer: it has an import, and a model or the registry's word that there is none yet."""
    current, health = champion.current, champion.health
    problems = health.problems()
    if not health.looked:
        problems.insert(0, "starting: the first look at the store and the registry is not over")
    no_model = current.model is None
    known = not no_model or (health.registry == "reachable" and health.model is None)
    ready = health.looked and current.data is not None and known
    if no_model and known:
        problems.append("no model yet: no version has been promoted")
    return Readiness(
        status="ready" if ready else "not_ready", degraded=bool(problems),
        store=f"import {current.data.import_id}" if current.data is not None else health.store or "not looked at yet",
        registry=health.registry, model_version=current.model.version if current.model is not None else None,
        problems=problems,
    )  # fmt: skip
