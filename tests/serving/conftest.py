from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import simulate, write
from crm.store import Store
from crm.tables import CrmData
from models.average import Average
from models.bundle import save_bundle
from models.hazards import MeanHazards, StageHazards, TreeHazards
from models.logistic import Logistic
from models.registry import DIGEST, NAME, Registry, quiet_mlflow
from models.trees import Trees, TreeSize
from models.win import WinModel
from serving.app import create_app
from tests.fitting import fit
from tests.serving.running import running

UNTIL = date(2025, 6, 30)
NOW = datetime(2025, 7, 10, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """A small simulated store and a registry with three versions: two good ones, and one with a changed byte."""

    folder: Path
    store_url: str
    crm: CrmData
    models: dict[int, WinModel]

    def registry(self, folder: Path, champion: int | None) -> Registry:
        """A registry of a test's own, with a copy of the versions, one of them promoted."""
        shutil.copy(self.folder / "mlflow.db", folder / "mlflow.db")
        registry = Registry(f"sqlite:///{folder / 'mlflow.db'}", folder / "cache")
        if champion is not None:
            registry.promote(champion)
        return registry


def _register(models: dict[int, WinModel], folder: Path) -> None:
    with quiet_mlflow():
        import mlflow
        from mlflow import MlflowClient

        client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}", f"sqlite:///{folder / 'mlflow.db'}")
        client.create_registered_model(NAME)
        for number, model in models.items():
            digest = save_bundle(model, folder / f"v{number}" / "bundle")
            place = folder / f"mlflow{number}"
            mlflow.pyfunc.save_model(str(place), loader_module="models.pyfunc_win",
                                     data_path=str(folder / f"v{number}" / "bundle"), pip_requirements=[])  # fmt: skip
            made = client.create_model_version(NAME, place.as_uri(), tags={DIGEST: digest})
            assert int(made.version) == number


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("serving")
    write(simulate(400, 11, until=UNTIL), folder / "export")
    url = f"sqlite:///{folder / 'store.db'}"
    with Store.open(url) as store:
        mapping = load_mapping(folder / "export" / "mapping.toml")
        import_export([folder / "export"], mapping, store, imported_at=datetime(2025, 6, 30, tzinfo=UTC))
        crm = store.load()
    size = TreeSize(trees=30, leaves=7, depth=4, min_rows=20)
    timing = MeanHazards([StageHazards(), TreeHazards(size)])
    models = {1: fit(crm, Average([Logistic(), Trees(size)]), hazards=timing), 2: fit(crm, Logistic()),
              3: fit(crm, Logistic(0.01))}  # fmt: skip
    _register(models, folder)
    changed = folder / "mlflow3" / "data" / "bundle" / "win.json"
    changed.write_text(changed.read_text().replace('"base_rate": 0', '"base_rate": 1', 1))
    return World(folder, url, crm, models)


Make = Callable[..., Any]


@pytest.fixture(scope="session")
def few_deals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of some forty deals, for tests of what happens around an import; to be copied before it is changed."""
    folder = tmp_path_factory.mktemp("few") / "export"
    write(simulate(40, 4, until=UNTIL), folder)
    return folder


@pytest.fixture(scope="session")
def served(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server of version 1, for tests that change nothing."""
    registry = world.registry(tmp_path_factory.mktemp("registry"), 1)
    app = create_app(world.store_url, registry, refresh_seconds=3600, max_deals=5, max_body_bytes=200_000,
                     now=lambda: NOW)  # fmt: skip
    with running(app) as client:
        yield client
