from __future__ import annotations

import logging
import socket
import threading

import httpx
import pytest
from fastapi import FastAPI

from models.errors import RegistryUnavailableError
from models.registry import Registry
from serving.app import create_app
from serving.errors import ListenError
from serving.front import host_of
from serving.server import listen, loopback_address, serve
from tests.serving.conftest import World
from tests.serving.running import running


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "10.0.0.1", "example.org", "", "localhost.org"])
def test_anything_but_loopback_is_refused(host: str) -> None:
    with pytest.raises(ListenError, match="only this machine"):
        serve(FastAPI(), host, 0)


@pytest.mark.parametrize(
    ("host", "address"),
    [("localhost", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("127.9.8.7", "127.9.8.7"), ("[::1]", "::1")],
)
def test_loopback_is_taken(host: str, address: str) -> None:
    assert loopback_address(host) == address


def test_a_port_in_use_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"port {port} of 127.0.0.1 is taken"):
            serve(FastAPI(), "127.0.0.1", port)


def test_an_impossible_port_is_told() -> None:
    with pytest.raises(ListenError, match="port 70000"):
        listen("127.0.0.1", 70_000)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "192.168.1.5:8000", "localhost.evil", ""])
def test_other_names_in_the_host_header_get_no_answer(served: httpx.Client, host: str) -> None:
    answer = served.get("/v1/deals", headers={"host": host})
    assert answer.status_code == 400
    assert "wonlost" not in answer.text
    if host:
        assert answer.json()["error"]["code"] == "unknown_host"


@pytest.mark.parametrize("host", ["localhost:8000", "LOCALHOST", "127.0.0.1", "[::1]:8000"])
def test_names_of_this_machine_are_accepted(served: httpx.Client, host: str) -> None:
    assert served.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(("header", "name"), [("a.b:1", "a.b"), ("[::1]:1", "[::1]"), ("[::1]", "[::1]"), ("", "")])
def test_the_port_is_no_part_of_the_name(header: str, name: str) -> None:
    assert host_of(header) == name


def test_health_answers_before_anything_is_loaded(world: World, tmp_path: object) -> None:
    answered = threading.Event()

    class Slow(Registry):
        def ping(self) -> None:
            answered.wait(60)
            raise RegistryUnavailableError("away")

    registry = Slow("sqlite://", world.folder / "nowhere")
    with running(create_app(world.store_url, registry, refresh_seconds=60), ready=False) as client:
        assert client.get("/healthz").status_code == 200
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "starting" in answer.json()["problems"][0]
        assert not answered.is_set()  # nothing waited for the registry
        answered.set()


def test_an_error_nobody_foresaw_is_logged_and_leaks_nothing(
    world: World, tmp_path: object, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(world.store_url, Registry("http://127.0.0.1:9", world.folder / "nowhere"))

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the secret of the house")

    with running(app, ready=False) as client, caplog.at_level(logging.ERROR, "serving"):
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text
    assert "the secret of the house" in caplog.text


def test_requests_are_counted_by_route_method_and_status(served: httpx.Client) -> None:
    def count(line: str) -> float:
        found = [row for row in served.get("/metrics").text.splitlines() if row.startswith(line)]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0.0

    missing = 'wonlost_requests_total{method="GET",route="/v1/deals/{deal_id}",status="404"}'
    scored = "wonlost_deals_scored_total"
    before = count(missing), count(scored), count('wonlost_requests_total{method="GET",route="unmatched",status="404"}')
    served.get("/v1/deals/one-of-many-unknown-ids")
    served.get("/some/where")
    shown = len(served.get("/v1/deals", params={"limit": 3}).json()["deals"])
    after = count(missing), count(scored), count('wonlost_requests_total{method="GET",route="unmatched",status="404"}')
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, shown, 1]
    assert 'wonlost_request_seconds_bucket{le="0.005",route="/v1/deals"}' in served.get("/metrics").text
