from __future__ import annotations

import pytest

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import simulate, write
from crm.store import Store
from crm.tables import CrmData


@pytest.fixture(scope="session")
def simulated_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a store with a simulated CRM."""
    folder = tmp_path_factory.mktemp("review")
    write(simulate(1500, 8), folder / "export")
    url = f"sqlite:///{folder / 'crm.db'}"
    with Store.open(url) as store:
        import_export([folder / "export"], load_mapping(folder / "export" / "mapping.toml"), store)
    return url


@pytest.fixture(scope="session")
def simulated_crm(simulated_store: str) -> CrmData:
    with Store.open(simulated_store) as store:
        return store.load()
