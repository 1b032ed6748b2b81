"""The win-loss review over HTTP."""

from __future__ import annotations

import json

import httpx
import pytest

from crm.tables import micros
from features.history import History
from features.matrix import default_as_of
from insights.periods import last_over, parse_period
from insights.review import review, to_json
from insights.review.page import to_html, to_markdown
from models.registry import Registry
from serving.app import create_app
from serving.review import ReviewSettings
from tests.serving.conftest import NOW, World
from tests.serving.running import running

ROUTE = "/v1/review"


@pytest.mark.parametrize(("form", "kind"), [("json", "application/json"), ("html", "text/html; charset=utf-8"),
                                            ("md", "text/markdown; charset=utf-8")])  # fmt: skip
def test_it_answers_what_the_function_says_in_every_form(
    served: httpx.Client, world: World, form: str, kind: str
) -> None:
    found = review(History(world.crm), parse_period("2025Q1"), by="product", model=world.models[1])
    answer = served.get(ROUTE, params={"period": "2025q1", "by": "product", "format": form})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.text == {"json": to_json, "html": to_html, "md": to_markdown}[form](found)
    assert ("content-security-policy" in answer.headers) == (form == "html")


def test_the_last_quarter_over_is_the_default_and_the_rest_is_json(served: httpx.Client, world: World) -> None:
    answer = served.get(ROUTE).json()
    assert answer["period"] == last_over(default_as_of(world.crm)).name
    assert answer["summary"]["now"]["decided"] > 0
    early = served.get(ROUTE, params={"period": "2025Q1", "as_of": "2025-02-01"}).json()
    assert (early["as_of"], early["over"]) == ("2025-02-01", False)
    whole = served.get(ROUTE, params={"period": "2025Q1"}).json()
    assert early["summary"]["now"]["decided"] < whole["summary"]["now"]["decided"]


@pytest.mark.parametrize(
    ("query", "where"),
    [({"period": "2025Q7"}, "query.period"), ({"by": "weather"}, "query.by"), ({"format": "pdf"}, "query.format"),
     ({"what": "1"}, "query.what"), ({"as_of": "soon"}, "query.as_of")],
)  # fmt: skip
def test_what_cannot_be_asked_is_told(served: httpx.Client, query: dict[str, str], where: str) -> None:
    answer = served.get(ROUTE, params=query)
    assert answer.status_code == 422
    assert answer.json()["error"]["details"][0]["where"] == where


def test_a_moment_in_the_future_is_refused(served: httpx.Client) -> None:
    assert served.get(ROUTE, params={"as_of": "2031-01-01"}).status_code == 422


def test_settings_reach_it(world: World, registry_of_none: Registry) -> None:
    app = create_app(world.store_url, registry_of_none, refresh_seconds=3600, now=lambda: NOW,
                     reviews=ReviewSettings(least=5, fiscal_year_start=4))  # fmt: skip
    with running(app) as client:
        answer = json.loads(client.get(ROUTE, params={"period": "2025Q4"}).text)
        assert answer["days"] == "2025-01-01 to 2025-03-31"
        assert answer["odds"]["least"] == 5
        day = parse_period("2025Q4", 4).start
        assert day == micros("2025-01-01")


@pytest.fixture
def registry_of_none(world: World, tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return world.registry(tmp_path_factory.mktemp("registry"), None)


def test_without_an_import_it_says_so(tmp_path_factory: pytest.TempPathFactory, registry_of_none: Registry) -> None:
    url = f"sqlite:///{tmp_path_factory.mktemp('empty') / 'store.db'}"
    with running(create_app(url, registry_of_none, refresh_seconds=3600, now=lambda: NOW), ready=False) as client:
        answer = client.get(ROUTE)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
