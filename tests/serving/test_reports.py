"""Reports of trainings, from MLflow's artifacts."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from models.registry import DIGEST, NAME, REPORT, REPORT_FILE, Registry, quiet_mlflow
from serving.app import create_app
from tests.serving.conftest import NOW, World
from tests.serving.running import running

PAGE = "<!doctype html><title>a report: \u00e9</title>"

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


def _register_with_report(registry: Registry, artifacts: Path) -> int:
    """A further version, made by a run that keeps a report."""
    with quiet_mlflow():
        client = registry.client
        experiment = client.create_experiment("reports", artifact_location=artifacts.as_uri())
        run = client.create_run(experiment)
        client.log_text(run.info.run_id, PAGE, REPORT_FILE)
        tags = {DIGEST: "x", REPORT: REPORT_FILE}
        return int(client.create_model_version(NAME, artifacts.as_uri(), run.info.run_id, tags=tags).version)


def _error(answer: httpx.Response) -> tuple[int, str, str]:
    told = answer.json()["error"]
    return answer.status_code, told["code"], told["message"]


def test_a_report_is_linked_and_served_as_a_page_that_can_run_nothing(world: World, tmp_path: Path) -> None:
    registry = world.registry(tmp_path, 1)
    number = _register_with_report(registry, tmp_path / "artifacts")
    app = create_app(world.store_url, registry, refresh_seconds=3600, now=lambda: NOW)
    with running(app) as client:
        links = {item["version"]: item["report"] for item in client.get("/v1/models").json()["versions"]}
        assert links == {number: f"/v1/models/{number}/report", 3: None, 2: None, 1: None}
        answer = client.get(links[number])
        assert (answer.status_code, answer.text) == (200, PAGE)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "sandbox" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
        assert _error(client.get("/v1/models/1/report")) == (
            404, "unknown_report", "version 1 of wonlost-win has no report")  # fmt: skip
        assert _error(client.get("/v1/models/99/report"))[:2] == (404, "unknown_report")
        assert _error(client.get("/v1/models/0/report"))[:2] == (422, "invalid_request")
        shutil.rmtree(tmp_path / "artifacts")
        assert _error(client.get(links[number]))[:2] == (404, "unknown_report")


def test_with_mlflow_away_it_says_so(world: World, tmp_path: Path) -> None:
    registry = Registry("http://127.0.0.1:9", tmp_path)  # the discard port, where nothing listens
    app = create_app(world.store_url, registry, refresh_seconds=3600, now=lambda: NOW)
    with running(app, ready=False) as client:
        assert _error(client.get("/v1/models/1/report"))[:2] == (503, "unavailable")
