"""Simulated companies as a store hands them out."""

from __future__ import annotations

import tempfile
from pathlib import Path

from crm.importing import import_export
from crm.mapping import load_mapping
from crm.simulate import SimulatedCrm, write
from crm.store import Store
from crm.tables import CrmData


def imported(crm: SimulatedCrm) -> CrmData:
    """What an import leaves of a simulated company."""
    with tempfile.TemporaryDirectory() as folder, Store.open("sqlite://") as store:
        write(crm, Path(folder))
        import_export([Path(folder)], load_mapping(Path(folder) / "mapping.toml"), store)
        return store.load()
