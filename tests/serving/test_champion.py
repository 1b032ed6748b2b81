from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.store import Store
from models.registry import Registry
from serving.app import create_app
from serving.watching import LAST_GOOD, Patience
from tests.serving.as_json import deal_as_json
from tests.serving.conftest import NOW, World
from tests.serving.running import running, wait_for


def _app(world: World, registry: Registry, store_url: str | None = None) -> FastAPI:
    return create_app(store_url or world.store_url, registry, refresh_seconds=0.05, now=lambda: NOW)


def _ready(client: httpx.Client) -> dict[str, Any]:
    answer: dict[str, Any] = client.get("/readyz").json()
    return answer


@pytest.mark.slow
def test_promotions_are_picked_up_without_a_failed_request(world: World, tmp_path: Path) -> None:
    registry = world.registry(tmp_path, 1)
    with running(_app(world, registry)) as client:
        deal = client.get("/v1/deals", params={"limit": 1}).json()["deals"][0]["deal"]["id"]
        body = deal_as_json(world.crm, deal, "2025-06-30", account=False)
        seen: Counter[tuple[int, int, float]] = Counter()
        over = Event()

        def hammer() -> None:
            with httpx.Client(base_url=client.base_url, timeout=30) as mine:
                while not over.is_set():
                    kept = mine.get(f"/v1/deals/{deal}", params={"as_of": "2025-06-30"})
                    for answer in (mine.post("/v1/score", json=body), kept):
                        score = answer.json().get("score") or {}
                        p = round(score.get("win_probability", 9), 9)
                        seen[answer.status_code, score.get("model_version", 0), p] += 1

        threads = [Thread(target=hammer) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for version in (2, 1):
                registry.promote(version)
                wait_for(lambda version=version: _ready(client)["model_version"] == version)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        assert {status for status, _, _ in seen} == {200}
        numbers = {version: {p for _, of, p in seen if of == version} for version in (1, 2)}
        assert {of for _, of, _ in seen} == {1, 2}
        # never one model's number under the other's name
        assert all(len(found) == 1 for found in numbers.values()), numbers
        assert numbers[1] != numbers[2]
        assert client.get("/v1/models").json()["served_version"] == 1
        assert "wonlost_model_version 1.0" in client.get("/metrics").text


def test_models_lists_versions_with_their_aliases(served: httpx.Client) -> None:
    answer = served.get("/v1/models").json()
    assert answer["served_version"] == 1
    assert [item["version"] for item in answer["versions"]] == [3, 2, 1]
    assert [item["aliases"] for item in answer["versions"]] == [[], [], ["champion"]]


def test_a_changed_byte_is_refused_and_the_old_model_goes_on(world: World, tmp_path: Path) -> None:
    registry = world.registry(tmp_path, 1)
    with running(_app(world, registry)) as client:
        registry.promote(3)
        wait_for(lambda: _ready(client)["problems"])
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json()["degraded"] is True
        assert answer.json()["model_version"] == 1
        assert "win.json" in answer.json()["problems"][0]
        assert "was changed after it was saved" in answer.json()["problems"][0]
        assert client.get("/v1/deals").json()["deals"][0]["score"]["model_version"] == 1
        assert "wonlost_refresh_failures 0.0" not in client.get("/metrics").text
        registry.promote(2)
        wait_for(lambda: _ready(client)["model_version"] == 2)
        wait_for(lambda: _ready(client)["problems"] == [])  # told once all of the refresh is done


def test_a_changed_byte_with_nothing_before_it_is_no_model_and_not_ready(world: World, tmp_path: Path) -> None:
    registry = world.registry(tmp_path, 3)
    with running(_app(world, registry), ready=False) as client:
        wait_for(lambda: "cannot serve" in " ".join(_ready(client)["problems"]))
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200
        page = client.get("/v1/deals").json()
        assert page["deals"][0]["score"] is None
        assert "no model yet" in page["note"]


@pytest.mark.slow
@pytest.mark.parametrize("away", ["http", "sqlite"])
def test_with_mlflow_away_the_last_good_copy_serves(world: World, tmp_path: Path, away: str) -> None:
    registry = world.registry(tmp_path, 2)
    with running(_app(world, registry)) as client:
        before = client.get("/v1/deals").json()
    if away == "sqlite":
        (tmp_path / "mlflow.db").write_bytes(b"not a database" * 100)
        gone = registry.tracking_uri
    else:
        gone = "http://127.0.0.1:9"  # the discard port, where nothing listens
    with running(_app(world, Registry(gone, tmp_path / "cache"))) as client:
        answer = _ready(client)
        assert (answer["status"], answer["registry"], answer["degraded"]) == ("ready", "unreachable", True)
        assert answer["model_version"] == 2
        assert client.get("/v1/deals").json() == before
        models = client.get("/v1/models")
        assert (models.status_code, models.json()["error"]["code"]) == (503, "unavailable")


def test_a_changed_local_copy_is_refused_too(world: World, tmp_path: Path) -> None:
    registry = world.registry(tmp_path, 2)
    folder = registry.fetch(registry.champion())
    with running(_app(world, registry)):
        pass
    changed = folder / "estimator" / "logistic.json"
    changed.write_text(changed.read_text().replace("1", "2", 1))
    with running(_app(world, Registry("http://127.0.0.1:9", tmp_path / "cache")), ready=False) as client:
        wait_for(lambda: "local copy" in " ".join(_ready(client)["problems"]))
        assert client.get("/readyz").status_code == 503
        assert _ready(client)["model_version"] is None


def test_with_mlflow_away_and_no_copy_it_is_not_ready(world: World, tmp_path: Path) -> None:
    app = _app(world, Registry("http://127.0.0.1:9", tmp_path))
    with running(app, ready=False) as client:
        wait_for(lambda: _ready(client)["registry"] == "unreachable")
        assert client.get("/readyz").status_code == 503
        assert client.get("/v1/deals").status_code == 200


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "x", "digest": "y", "folder": "z"}'])
def test_an_unreadable_note_of_the_last_good_copy_does_no_harm(world: World, tmp_path: Path, text: str) -> None:
    (tmp_path / LAST_GOOD).write_text(text)
    with running(_app(world, Registry("http://127.0.0.1:9", tmp_path)), ready=False) as client:
        wait_for(lambda: _ready(client)["registry"] == "unreachable")
        assert _ready(client)["model_version"] is None


def test_no_champion_yet_shows_stage_rates(world: World, tmp_path: Path) -> None:
    registry = world.registry(tmp_path, None)
    with running(_app(world, registry)) as client:
        ready = _ready(client)
        assert (ready["status"], ready["degraded"], ready["model_version"]) == ("ready", True, None)
        page = client.get("/v1/deals", params={"limit": 500}).json()
        assert "no model yet" in page["note"]
        rates = {item["stage"]: item["win_rate"] for item in page["stage_rates"]}
        assert len(rates) > 2
        assert all(0 < rate < 1 for rate in rates.values())
        shown = [item["stage_rate"] for item in page["deals"]]
        assert shown == sorted(shown, reverse=True)
        assert all(item["score"] is None for item in page["deals"])
        for item in page["deals"][:5]:
            assert item["stage_rate"] == pytest.approx(rates.get(item["deal"]["stage"], rates[None]))
        deal = page["deals"][0]["deal"]["id"]
        one = client.get(f"/v1/deals/{deal}").json()
        assert (one["score"], one["stage_rate"]) == (None, shown[0])
        sent = client.post("/v1/score", json=deal_as_json(world.crm, deal, page["as_of"], account=False)).json()
        assert (sent["score"], sent["stage_rate"]) == (None, pytest.approx(shown[0]))
        registry.promote(1)
        wait_for(lambda: _ready(client)["model_version"] == 1)
        assert client.get("/v1/deals").json()["note"] is None


@pytest.mark.slow
def test_no_import_yet_then_one_then_another(world: World, few_deals: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    registry = world.registry(tmp_path, 1)
    body = {"opportunity": {"opportunity_id": "x", "created_at": "2025-06-01"}}
    with running(_app(world, registry, url), ready=False) as client:
        wait_for(lambda: "no import yet" in _ready(client)["store"])
        assert client.get("/readyz").status_code == 503
        page = client.get("/v1/deals")
        assert page.status_code == 200
        assert page.json()["deals"] == []
        assert "no import yet" in page.json()["note"]
        assert client.get("/v1/deals/D00001").status_code == 404
        assert "no import yet" in client.post("/v1/score", json=body).json()["note"]
        mapping = load_mapping(few_deals / "mapping.toml")
        with Store.open(url) as store:
            import_export([few_deals], mapping, store, imported_at=datetime(2025, 6, 30, tzinfo=UTC))
        wait_for(lambda: client.get("/readyz").status_code == 200)
        total = client.get("/v1/deals").json()["total"]
        assert total > 0
        shutil.copytree(few_deals, tmp_path / "more")
        for name in tmp_path.glob("more/*.csv"):
            name.write_text(name.read_text().replace("D000", "E000"))
        with Store.open(url) as store:
            import_export([tmp_path / "more"], mapping, store, imported_at=datetime(2025, 6, 30, 1, tzinfo=UTC))
        wait_for(lambda: _ready(client)["store"] == "import 2")
        assert client.get("/v1/deals").json()["total"] > total


def test_a_store_that_cannot_be_used_is_told(world: World, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"no database at all" * 100)
    app = _app(world, world.registry(tmp_path, 1), f"sqlite:///{tmp_path / 'store.db'}")
    with running(app, ready=False) as client:
        wait_for(lambda: "not a SQLite database" in _ready(client)["store"])
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/v1/deals").json()["deals"] == []


def test_a_model_that_needs_what_the_store_lacks_is_refused(world: World, few_deals: Path, tmp_path: Path) -> None:
    slim = shutil.copytree(few_deals, tmp_path / "slim")
    text = (slim / "mapping.toml").read_text().replace('region = { from = "region"', 'area = { from = "region"')
    (slim / "mapping.toml").write_text(text)
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with Store.open(url) as store:
        import_export([slim], load_mapping(slim / "mapping.toml"), store, imported_at=datetime(2025, 6, 30, tzinfo=UTC))
    with running(_app(world, world.registry(tmp_path, 1), url), ready=False) as client:
        wait_for(lambda: "custom.region" in " ".join(_ready(client)["problems"]))
        assert client.get("/readyz").status_code == 503


def test_what_failed_is_tried_again_later_and_later() -> None:
    patience = Patience(60.0)
    assert patience.ready("a")
    patience.failed("a")
    assert not patience.ready("a")
    assert patience.ready("b")
    eager = Patience(0.0)
    eager.failed("a")
    assert eager.ready("a")
