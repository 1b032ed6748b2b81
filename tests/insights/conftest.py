from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import simulate, write
from crm.store import Store
from crm.tables import CrmData
from features.history import History
from features.matrix import default_as_of
from models.logistic import Logistic
from models.win import WinModel
from tests.quick_model import quick_model

UNTIL = date(2025, 6, 30)


@dataclass(frozen=True)
class World:
    """A small simulated company, and a model of it."""

    crm: CrmData
    history: History
    model: WinModel
    now: int


def imported(folder: Path) -> CrmData:
    with Store.open("sqlite://") as store:
        import_export([folder], load_mapping(folder / "mapping.toml"), store,
                      imported_at=datetime(2025, 6, 30, tzinfo=UTC))  # fmt: skip
        return store.load()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("insights")
    write(simulate(400, 11, until=UNTIL), folder)
    crm = imported(folder)
    return World(crm, History(crm), quick_model(crm, Logistic(0.03)), default_as_of(crm))
