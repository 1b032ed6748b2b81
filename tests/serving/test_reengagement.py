"""The re-engagement queue over HTTP: pages, marks, and requests that cannot be answered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from crm.marks import mark_history
from crm.store import Store
from models.registry import Registry
from serving.app import create_app
from tests.serving.conftest import NOW, World
from tests.serving.running import running


@pytest.fixture
def own(world: World, tmp_path: Path) -> Iterator[tuple[httpx.Client, str]]:
    """A server on a store of the test's own, without a model."""
    shutil.copy(world.store_url.removeprefix("sqlite:///"), tmp_path / "store.db")
    url = f"sqlite:///{tmp_path / 'store.db'}"
    app = create_app(url, world.registry(tmp_path, None), refresh_seconds=3600, now=lambda: NOW)
    with running(app) as client:
        yield client, url


def test_the_queue_comes_in_pages(served: httpx.Client) -> None:
    whole = served.get("/v1/re-engagement", params={"limit": 500}).json()
    assert whole["total"] == len(whole["deals"]) > 20
    assert whole["horizon"] == 12
    assert whole["simulated"] is True
    assert [deal["rank"] for deal in whole["deals"]] == list(range(1, whole["total"] + 1))
    values = [deal["expected_value"] for deal in whole["deals"]]
    assert values == sorted(values, reverse=True)
    page = served.get("/v1/re-engagement", params={"limit": 5, "offset": 3}).json()
    assert page["deals"] == whole["deals"][3:8]
    owner = whole["deals"][0]["owner_id"]
    mine = served.get("/v1/re-engagement", params={"owner_id": owner}).json()
    assert {deal["owner_id"] for deal in mine["deals"]} == {owner}
    assert 0 < mine["total"] < whole["total"]
    assert served.get("/v1/re-engagement", params={"currency": "USD"}).json()["total"] == 0


def test_longer_horizons_are_more_likely(served: httpx.Client) -> None:
    found = {}
    for horizon in (6, 18):
        deals = served.get("/v1/re-engagement", params={"horizon": horizon, "limit": 500}).json()["deals"]
        found[horizon] = {deal["id"]: deal["probability"] for deal in deals}
    assert found[6].keys() == found[18].keys()
    assert all(found[6][deal] < found[18][deal] for deal in found[6])


def test_a_past_day_has_a_queue_of_its_own(served: httpx.Client) -> None:
    early = served.get("/v1/re-engagement", params={"as_of": "2024-06-01"}).json()
    assert early["as_of"] == "2024-06-01"
    assert early["total"] < served.get("/v1/re-engagement").json()["total"]
    before = served.get("/v1/re-engagement", params={"as_of": "2010-01-01"}).json()
    assert (before["total"], before["deals"]) == (0, [])
    assert any("no deal had been entered" in note for note in before["notes"])


def test_a_marked_deal_leaves_the_queue(own: tuple[httpx.Client, str]) -> None:
    client, url = own
    first, second = client.get("/v1/re-engagement", params={"limit": 2}).json()["deals"]
    marked = client.post(f"/v1/re-engagement/{first['id']}/mark", json={"mark": "contacted", "by": "Nina"})
    assert marked.status_code == 200
    assert marked.json() == {"id": 1, "opportunity_id": first["id"], "mark": "contacted", "until": None, "by": "Nina",
                             "at": "2025-07-10T00:00:00Z"}  # fmt: skip
    rests = {"mark": "snoozed", "by": "Nina", "until": "2025-08-01"}
    assert client.post(f"/v1/re-engagement/{second['id']}/mark", json=rests).json()["until"] == "2025-08-01T00:00:00Z"
    after = client.get("/v1/re-engagement", params={"limit": 500}).json()
    assert not {first["id"], second["id"]} & {deal["id"] for deal in after["deals"]}
    assert after["hidden"] == {"contacted": 1, "snoozed": 1}
    past = client.get("/v1/re-engagement", params={"as_of": "2025-06-01", "limit": 500}).json()
    assert past["hidden"] == {}  # the marks were not set by then
    with Store.open(url) as store:
        assert [mark.by for mark in mark_history(store, first["id"])] == ["Nina"]


@pytest.mark.parametrize(("body", "status", "where"), [
    ({"mark": "called", "by": "Nina"}, 422, "mark"), ({"mark": "contacted"}, 422, "by"),
    ({"mark": "contacted", "by": ""}, 422, "by"), ({"mark": "snoozed", "by": "Nina"}, 422, "needs the day"),
    ({"mark": "snoozed", "by": "Nina", "until": "2020-01-01"}, 422, "ahead"),
    ({"mark": "snoozed", "by": "Nina", "until": "soon"}, 422, "until"),
    ({"mark": "contacted", "by": "Nina", "extra": 1}, 422, "extra"), ([], 422, ""),
])  # fmt: skip
def test_a_mark_that_lacks_something_is_refused(served: httpx.Client, body: object, status: int, where: str) -> None:
    deal = served.get("/v1/re-engagement", params={"limit": 1}).json()["deals"][0]["id"]
    answer = served.post(f"/v1/re-engagement/{deal}/mark", json=body)
    assert answer.status_code == status
    assert where in answer.json()["error"]["message"]


def test_marks_on_what_is_not_lost_are_refused(served: httpx.Client, world: World) -> None:
    deals = world.crm.frame("opportunities")
    won = deals["opportunity_id"][deals["outcome"] == "won"].iloc[0]
    body = {"mark": "contacted", "by": "Nina"}
    assert served.post("/v1/re-engagement/nobody/mark", json=body).json()["error"]["code"] == "unknown_deal"
    answer = served.post(f"/v1/re-engagement/{won}/mark", json=body)
    assert (answer.status_code, "it is won" in answer.json()["error"]["message"]) == (422, True)
    plain = served.post("/v1/re-engagement/nobody/mark", content="{}", headers={"content-type": "text/plain"})
    assert plain.status_code == 415
    large = served.post("/v1/re-engagement/nobody/mark", json={"mark": "contacted", "by": "x" * 20_000})
    assert large.status_code == 413
    future = served.get("/v1/re-engagement", params={"as_of": "2099-01-01"})
    assert (future.status_code, future.json()["error"]["code"]) == (422, "invalid_request")


def test_before_an_import_it_says_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    app = create_app(url, Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path), refresh_seconds=3600)
    with running(app, ready=False) as client:
        answer = client.get("/v1/re-engagement").json()
        assert (answer["total"], answer["deals"]) == (0, [])
        assert "no import yet" in answer["notes"][0]
        missing = client.post("/v1/re-engagement/d1/mark", json={"mark": "contacted", "by": "Nina"})
        assert missing.status_code == 404
