"""Routes about reasons: reading notes, notes to review and their answers, themes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi import Path as PathParameter
from pydantic import Field, TypeAdapter, ValidationError
from starlette.concurrency import run_in_threadpool

from serving.champion import Champion
from serving.company import CompanyData
from serving.documented import errors
from serving.errors import InvalidRequestError, TooLargeError, UnavailableError
from serving.front import bounded_body
from serving.problems import details_of
from serving.reason_answers import (
    Kind,
    NoteAnswers,
    NoteReading,
    ReviewsAnswer,
    SentAnswer,
    SentNote,
    ThemesAnswer,
)

NO_REASONS = {503: ("No model of reasons serves yet.", "no_reason_model",
                    "no version of wonlost-loss-reason has been promoted yet: wonlost train")}  # fmt: skip
NO_NOTE = {404: ("The store holds no such note.", "unknown_note", "'9f': there is no such note on a closed deal")}
KindQuery = Annotated[Kind, Query(description="Notes on lost deals, or on won ones.")]
NoteId = Annotated[str, PathParameter(max_length=100, description="Name of the note, as `/v1/reviews` gives it.")]
_SENT = {"$ref": "#/components/schemas/SentNote"}
BODY = {"requestBody": {"required": True, "content": {"application/json": {
    "schema": {"anyOf": [_SENT, {"type": "array", "minItems": 1, "items": _SENT}]},
    "examples": {
        "one": {"summary": "One note", "value": {"text": "went dark after pricing call, CFO froze spend til Q3"}},
        "several": {"summary": "Several notes", "value": [{"text": "zu teuer"}, {"text": "went with Acme"}]},
    },
}}}}  # fmt: skip


def add_reasons(app: FastAPI, champion: Champion, clock: Callable[[], int], max_notes: int, max_bytes: int) -> None:
    """Add these routes.

    Args:
        app: The app.
        champion: What serves.
        clock: Microseconds now.
        max_notes: Most notes that one request may send.
        max_bytes: Largest body of a request.
    """
    for kind in ("loss", "win"):
        _add_classify(app, champion, kind, max_notes, max_bytes)
    _add_reviews(app, champion, clock)

    @app.get("/v1/themes", response_model=ThemesAnswer, responses=errors(422, 503, own=NO_REASONS), tags=["reasons"])
    def themes(
        kind: KindQuery = "loss",
        least: Annotated[int, Query(ge=2, le=1000, description="Fewest notes of a theme.")] = 8,
    ) -> ThemesAnswer:
        """Groups of similar notes among those that fit no reason well, so that a new reason can be spotted."""
        return champion.reasons.themes(imported(champion), kind, least)


def imported(champion: Champion) -> CompanyData:
    """The import that serves.

    Raises:
        UnavailableError: There is none yet.
    """
    data = champion.current.data
    if data is None:
        raise UnavailableError("no import yet: the store holds no opportunities")
    return data


def _add_classify(app: FastAPI, champion: Champion, kind: Kind, max_notes: int, max_bytes: int) -> None:
    one = TypeAdapter(SentNote)
    several: TypeAdapter[list[SentNote]] = TypeAdapter(
        Annotated[list[SentNote], Field(min_length=1, max_length=max_notes)]
    )
    answers = TypeAdapter(list[NoteReading])

    def read(body: bytes) -> Response:
        listed = body.lstrip()[:1] == b"["
        try:
            sent = several.validate_json(body) if listed else [one.validate_json(body)]
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            if found[0]["type"] == "too_long" and not found[0]["loc"]:
                raise TooLargeError(f"at most {max_notes} notes at once; send them in several requests") from None
            details = details_of(found)
            raise InvalidRequestError(f"{details[0].where}: {details[0].message}", details) from None
        told = champion.reasons.read(kind, [note.text for note in sent])
        return Response(answers.dump_json(told) if listed else told[0].model_dump_json(), media_type="application/json")

    @app.post(
        f"/v1/{kind}-reasons/classify", response_model=NoteReading | list[NoteReading], tags=["reasons"],
        responses=errors(413, 415, 422, 503, own=NO_REASONS), openapi_extra=BODY, operation_id=f"classify_{kind}_notes",
        summary=f"Read {kind} notes",
    )  # fmt: skip
    async def classify(request: Request) -> Response:
        """Why a deal was lost or won, as its note tells it, with the words that told it. Nothing is stored.

        One note is answered by one reading, a list by a list in the same order.
        """
        return await run_in_threadpool(read, await bounded_body(request, max_bytes))


def _add_reviews(app: FastAPI, champion: Champion, clock: Callable[[], int]) -> None:
    own: Any = NO_NOTE

    @app.get("/v1/reviews", response_model=ReviewsAnswer, responses=errors(422, 503), tags=["reasons"])
    def reviews(
        kind: KindQuery = "loss", limit: Annotated[int, Query(ge=1, le=200, description="Most notes.")] = 20
    ) -> ReviewsAnswer:
        """The notes that are worth a person's minute, the most useful first: their answers teach the next training."""
        return champion.reasons.reviews(imported(champion), kind, limit)

    @app.get("/v1/reviews/{note_id}", response_model=NoteAnswers, responses=errors(422, 503, own=own),
             tags=["reasons"])  # fmt: skip
    def history(note_id: NoteId) -> NoteAnswers:
        """All answers to a note, the newest last; none is ever overwritten."""
        return champion.reasons.answers(imported(champion), note_id)

    @app.post("/v1/reviews/{note_id}", response_model=NoteAnswers, responses=errors(422, 503, own=own),
              tags=["reasons"])  # fmt: skip
    def give(note_id: NoteId, sent: SentAnswer) -> NoteAnswers:
        """Keep a person's answer to a note, beside those that it has; the newest counts, in the next training too."""
        return champion.reasons.store_answer(imported(champion), note_id, sent.reasons, sent.by, clock())
