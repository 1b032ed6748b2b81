from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from crm.schema import TABLES
from models.registry import Registry
from serving.app import create_app
from serving.requests import EVENTS, ROWS
from tests.serving.conftest import World

REPORT = "/v1/models/{version}/report"
PAST = "/v1/deals/{deal_id}/history"
POSTMORTEM = "/v1/deals/{deal_id}/postmortem"
MARK = "/v1/re-engagement/{deal_id}/mark"
EXPECTED: dict[str, set[str]] = {
    "/v1/deals": {"422"}, "/v1/deals/{deal_id}": {"404", "422"}, "/v1/score": {"413", "415", "422"},
    "/v1/forecast": {"422"}, PAST: {"404", "422", "503"}, POSTMORTEM: {"404", "409", "422", "503"},
    "/v1/models": {"503"}, REPORT: {"404", "422", "503"}, "/healthz": set(), "/readyz": {"503"}, "/metrics": set(),
    "/v1/loss-reasons/classify": {"413", "415", "422", "503"}, "/v1/win-reasons/classify": {"413", "415", "422", "503"},
    "/v1/review": {"422", "503"},
    "/v1/reviews": {"422", "503"}, "/v1/reviews/{note_id}": {"404", "422", "503"}, "/v1/themes": {"422", "503"},
    "/v1/re-engagement": {"422", "503"}, MARK: {"404", "413", "415", "422", "503"},
}  # fmt: skip
"""Routes and the errors that each may answer with, beside those of all."""
ROUTES = list(EXPECTED)


@pytest.fixture(scope="module")
def document(served: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = served.get("/openapi.json").json()
    return found


def test_every_route_is_documented_with_its_errors_and_examples(document: dict[str, Any]) -> None:
    assert sorted(document["paths"]) == sorted(ROUTES)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["description"]
            assert set(operation["responses"]) == {"200", "400", "500"} | EXPECTED[path]
            for status, response in operation["responses"].items():
                if status != "200" and path != "/readyz":
                    content = response["content"]["application/json"]
                    assert content["schema"]["$ref"].endswith("/ErrorAnswer")
                    assert set(content["example"]["error"]) >= {"code", "message"}
    for path in ("/v1/score", "/v1/loss-reasons/classify"):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        assert set(body["examples"]) == {"one", "several"}


def test_every_field_that_is_sent_or_answered_says_what_it_is(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in ("DealState", "ScoreAnswer", "ReasonAnswer", "DealAnswer", "HistoryAnswer", "KeptScore", "ChangeAnswer",
                 "PostMortemAnswer", "StepAnswer", "SimilarAnswer", "PostedScore", "SentOpportunities", "SentDeal",
                 "SentNote", "SentAnswer", "NoteReading", "DealReason", "ReviewAnswer", "ForecastAnswer", "LineAnswer",
                 "WaterfallAnswer", "HealthList", "CoverageAnswer", "LostDeal", "QueueAnswer",
                 "MarkAnswer"):  # fmt: skip
        for field, schema in schemas[name]["properties"].items():
            assert schema.get("description") or "$ref" in schema or "anyOf" in schema, f"{name}.{field}"


def test_what_may_be_sent_are_the_columns_of_the_schema() -> None:
    assert set(ROWS) == {"opportunities", "accounts", *EVENTS}
    for name, row in ROWS.items():
        assert set(row.model_fields) - {"custom"} == set(TABLES[name].columns())
        assert ("custom" in row.model_fields) == TABLES[name].custom


def unforeseen(context: Any, response: Any, case: Any) -> bool | None:
    """Fails on a server error, but for 503: that is foreseen, documented, and its shape is checked like any other."""
    return None if response.status_code == 503 else not_a_server_error(context, response, case)


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
def test_no_request_breaks_it(served: httpx.Client, route: str) -> None:
    api = schemathesis.openapi.from_url(f"{served.base_url}/openapi.json")
    operations = [operation.as_strategy() for operation in api[route].values()]

    @given(case=st.one_of(operations))
    @settings(max_examples=10, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    def check(case: Any) -> None:
        case.call_and_validate(checks=[
            unforeseen, status_code_conformance, content_type_conformance, response_schema_conformance,
        ])  # fmt: skip

    check()


def test_the_document_needs_no_store_and_no_registry(world: World) -> None:
    app = create_app("sqlite:////nowhere/store.db", Registry("http://127.0.0.1:9", world.folder))
    assert sorted(app.openapi()["paths"]) == sorted(ROUTES)
