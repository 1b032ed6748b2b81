"""The OpenAPI document: every error of every route with an example, and the body that is read by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, TypeAdapter

from serving.answers import ErrorAnswer
from serving.reason_answers import SentNote
from serving.requests import EXAMPLE, SentDeal

Responses = dict[int | str, dict[str, Any]]

DESCRIPTION = """Win probabilities of open deals, with the reasons that add up to them; and why closed deals were lost
or won.

Times are ISO 8601 in UTC, amounts in currency units, probabilities and points shares between 0 and 1. Every error has
the shape `{"error": {"code", "message", "details"}}`. The server listens on loopback only, until sign-in exists."""

ERRORS: dict[int, tuple[str, str, str]] = {
    400: ("The Host header names another machine.", "unknown_host",
          "this server answers to names of its own machine only"),
    404: ("The store holds no such deal.", "unknown_deal", "'D99': the store holds no such deal"),
    413: ("The body, or the list in it, is larger than this server takes.", "too_large",
          "at most 1000 deals at once; send them in several requests"),
    415: ("The body does not say that it is JSON.", "not_json", "send the body as Content-Type: application/json"),
    422: ("Parameters or a body that do not fit.", "invalid_request", "as_of: a date such as 2025-07-01 is wanted"),
    500: ("Something went wrong in the server, whose log has it.", "internal",
          "something went wrong here; the server's log has it"),
    503: ("Something that the answer needs cannot be reached now.", "unavailable",
          "the MLflow registry cannot be reached"),
}  # fmt: skip


NO_REPORT = {404: ("There is no such version, or it has no report.", "unknown_report",
                   "version 7 of wonlost-win has no report")}  # fmt: skip


def errors(*statuses: int, own: Mapping[int, tuple[str, str, str]] | None = None) -> Responses:
    """The errors that a route may answer with, for its documentation; 400 and 500 are every route's.

    Args:
        statuses: Those that mean what they mean everywhere (`ERRORS`).
        own: Those that mean something of its own: description, code and message of the example, by status.
    """
    found: Responses = {}
    told = ERRORS | dict(own or {})
    for status in sorted({400, 500, *statuses, *(own or {})}):
        description, code, message = told[status]
        body: dict[str, Any] = {"code": code, "message": message}
        if status == 422:
            body["details"] = [{"where": "query.as_of", "message": "a date such as 2025-07-01 is wanted"}]
        found[status] = {
            "model": ErrorAnswer, "description": description,
            "content": {"application/json": {"example": {"error": body}}},
        }  # fmt: skip
    return found


SCORE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/SentDeal"},
                        {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/SentDeal"}},
                    ]
                },
                "examples": {
                    "one": {"summary": "One deal with its history", "value": EXAMPLE},
                    "several": {
                        "summary": "Several deals",
                        "value": [EXAMPLE, {"opportunity": {"opportunity_id": "new-2", "created_at": "2025-06-30"},
                                            "as_of": "2025-07-01"}],
                    },
                },
            }
        },
    }
}  # fmt: skip


def example(answer: BaseModel, description: str) -> dict[str, Any]:
    """A documented answer."""
    return {"description": description, "content": {"application/json": {"example": answer.model_dump(mode="json")}}}


def documented(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """What the app's `openapi` is to be: FastAPI's document, with the models of bodies that routes read themselves."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            for name, sent in (("SentDeal", SentDeal), ("SentNote", SentNote)):
                schema = TypeAdapter(sent).json_schema(ref_template="#/components/schemas/{model}")
                parts = schema.pop("$defs", {})
                document["components"]["schemas"] |= {**parts, name: schema}
            app.openapi_schema = document
        return app.openapi_schema

    return openapi
