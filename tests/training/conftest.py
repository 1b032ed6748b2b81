from __future__ import annotations

from pathlib import Path

import pytest

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import Parameters, SimulatedCrm, simulate, write
from crm.store import Store
from crm.tables import CrmData, micros
from training.data import TrainingData, prepare
from training.recipes import STAGE_AGE, Recipe, recipes
from training.run import Trained, train
from training.search import Search
from training.splits import make_folds

DAY = "2026-04-01"
CUT = micros(DAY)


def quick() -> list[Recipe]:
    """The candidates for few deals."""
    return recipes(500)


def load_export(folder: Path, store: Path) -> CrmData:
    with Store.open(f"sqlite:///{store}") as opened:
        import_export([folder], load_mapping(folder / "mapping.toml"), opened)
        return opened.load()


@pytest.fixture(scope="session")
def simulated() -> SimulatedCrm:
    return simulate(700, seed=11, parameters=Parameters(difficulty=0.5))


@pytest.fixture(scope="session")
def export(simulated: SimulatedCrm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    write(simulated, folder)
    return folder


@pytest.fixture(scope="session")
def crm(export: Path, tmp_path_factory: pytest.TempPathFactory) -> CrmData:
    return load_export(export, tmp_path_factory.mktemp("store") / "crm.db")


@pytest.fixture(scope="session")
def few_recipes(crm: CrmData) -> Trained:
    """A run that tries three recipes only."""
    return train(crm, candidates=[STAGE_AGE, *recipes(500)[1:3]])


@pytest.fixture(scope="session")
def trained(crm: CrmData) -> Trained:
    """A run on what was known at `CUT`."""
    return train(crm, cut=CUT, candidates=quick())


@pytest.fixture(scope="session")
def data(crm: CrmData) -> TrainingData:
    """What was known at `CUT`."""
    return prepare(crm, CUT)


@pytest.fixture(scope="session")
def search(data: TrainingData) -> Search:
    return Search(data, make_folds(data.history, data.rows, data.matrix, CUT))
