"""The win-loss review of a period over HTTP: as a page, as Markdown, or as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from crm.errors import CrmError
from insights.errors import PeriodError
from insights.money import Rates
from insights.periods import PATTERN, last_over, parse_period
from insights.reasons import answers
from insights.review import Dimension, Review, review, to_json
from insights.review.making import LEAST
from serving.answers import NO_IMPORT
from serving.champion import Champion
from serving.company import Recent
from serving.documented import errors
from serving.errors import InvalidRequestError, UnavailableError
from serving.front import PAGE_HEADERS
from serving.requests import Moment

Format = Literal["json", "html", "md"]
KINDS: dict[Format, str] = {
    "json": "application/json", "html": "text/html; charset=utf-8", "md": "text/markdown; charset=utf-8",
}  # fmt: skip
KEPT = 8
"""Reviews that are kept: they take seconds."""


@dataclass(frozen=True)
class ReviewSettings:
    """What reviews are made with.

    Attributes:
        rates: What to convert amounts by; None: currencies stay apart.
        least: Fewest decided deals for which a team or an owner is held against the odds of its deals.
        fiscal_year_start: Month in which the company's year starts.
    """

    rates: Rates | None = None
    least: int = LEAST
    fiscal_year_start: int = 1


class ReviewQuery(BaseModel):
    """Parameters of a review."""

    model_config = ConfigDict(extra="forbid")

    period: str | None = Field(
        default=None, pattern=PATTERN, max_length=8, examples=["2026Q3"],
        description="The period: `2026Q3`, `2026-08`, `2026H1` or `2026`; by default the last quarter that was over.",
    )  # fmt: skip
    by: Dimension | None = Field(default=None, description="What to show the figures apart by as well.")
    format: Format = Field(default="json", description="A page (`html`), Markdown (`md`) or `json`.")
    as_of: Moment | None = Field(
        default=None,
        description="Deals decided before this moment count: an instant in ISO 8601, or a date for its 00:00 UTC. By "
                    "default the first 00:00 UTC after the store's newest event. Not after now.",
    )  # fmt: skip


def written(found: Review, form: Format) -> str:
    """A review as text."""
    if form == "json":
        return to_json(found)
    from insights.review.page import to_html, to_markdown  # plots need a second to be imported, which others save

    return to_html(found) if form == "html" else to_markdown(found)


def add_review(app: FastAPI, champion: Champion, clock: Callable[[], int], chosen: ReviewSettings) -> None:
    """Add the route.

    Args:
        app: The app.
        champion: What serves.
        clock: Now, in microseconds.
        chosen: What reviews are made with.
    """
    reviews: Recent[tuple[object, ...], Review] = Recent(KEPT)
    pages: Recent[tuple[object, ...], str] = Recent(KEPT)
    texts = {"text/html": "The same as one page that needs nothing else.", "text/markdown": "The same in Markdown."}

    @app.get("/v1/review", response_model=Review, tags=["insights"], responses={
        **errors(422, 503),
        200: {"description": "The review.", "content": {
            kind: {"schema": {"type": "string", "description": told}} for kind, told in texts.items()
        }},
    })  # fmt: skip
    def win_loss_review(query: Annotated[ReviewQuery, Query()]) -> Response:
        """The win-loss review of a month, a quarter, a half or a year.

        What was won and lost, why, what changed beyond chance, what separates won from lost, rivals, gaps of the
        product, follow-up, and teams against the odds of their own deals.
        """
        current = champion.current
        data = current.data
        if data is None:
            raise UnavailableError(NO_IMPORT)
        as_of = current.moment(query.as_of, clock())
        store, taxonomies = champion.store, champion.reasons.taxonomies
        if store is None:
            raise UnavailableError(NO_IMPORT)
        try:
            answered = answers(store, taxonomies)
        except CrmError as error:
            raise UnavailableError(str(error)) from None
        model, readers = current.model, champion.reasons.readers()
        newest = max((label.id for label in answered.values()), default=0)

        def work() -> Review:
            start = chosen.fiscal_year_start
            period = last_over(as_of, fiscal_year_start=start) if query.period is None else None
            return review(
                data.history, period or parse_period(query.period or "", start), as_of=as_of, by=query.by,
                taxonomies=taxonomies, answered=answered, readers=readers, rates=chosen.rates,
                least=chosen.least, model=None if model is None else model.loaded,
            )  # fmt: skip

        versions = (None if model is None else model.version, *champion.reasons.versions())
        key = (data.import_id, query.period, query.by, as_of, newest, *versions)
        form = query.format
        try:
            text = pages.get((*key, form), lambda: written(reviews.get(key, work), form))
        except PeriodError as error:
            raise InvalidRequestError(str(error)) from None
        return Response(text, media_type=KINDS[form], headers=PAGE_HEADERS if form == "html" else None)
