"""Small exports in, what the store then holds out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crm.importing import ImportReport, import_export
from crm.mapping import load_mapping, parse_mapping
from crm.store import Store
from crm.tables import Coded, CrmData
from tests.postgres import Postgres

IMPORTED_AT = datetime(2024, 6, 1, tzinfo=UTC)
Importer = Callable[..., ImportReport]


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as it is after opening it for the first time; copied, because the migrations take a tenth of a second."""
    file = tmp_path_factory.mktemp("empty") / "crm.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, empty_store: Path) -> str:
    """An empty store for the test, which runs once on each database."""
    if request.param == "postgresql":
        running: Postgres = request.getfixturevalue("postgres")
        return running.new_store()
    shutil.copy(empty_store, tmp_path / "crm.db")
    return f"sqlite:///{tmp_path}/crm.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database that nothing was ever in, once of each kind."""
    if request.param == "postgresql":
        running: Postgres = request.getfixturevalue("postgres")
        return running.create()
    return f"sqlite:///{tmp_path}/new.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with Store.open(url) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Path]:
    """Writes files of an export into a folder of their own, the former ones removed."""

    def write(files: dict[str, str | bytes]) -> Path:
        path = tmp_path / "export"
        path.mkdir(exist_ok=True)
        for old in path.iterdir():
            old.unlink()
        for name, content in files.items():
            (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def importer(store: Store, folder: Callable[[dict[str, str | bytes]], Path]) -> Importer:
    """Imports files by a mapping (name or TOML text; `wonlost` by default)."""

    def run(files: dict[str, str | bytes], mapping: str = "wonlost", at: datetime = IMPORTED_AT) -> ImportReport:
        rules = parse_mapping(mapping, "my.toml") if "\n" in mapping else load_mapping(mapping)
        return import_export([folder(files)], rules, store, imported_at=at)

    return run


def plain(data: CrmData, table: str = "opportunities") -> list[dict[str, Any]]:
    """A table as plain rows; missing values are left out, times are ISO text, amounts hundredths."""
    frame = data.frame(table)
    kinds = {a.name: a.kind for a in data.attributes if a.table == table}
    rows: list[dict[str, Any]] = [{} for _ in range(len(frame))]
    for name, values in data.tables[table].items():
        cells = values.strings() if isinstance(values, Coded) else frame[name].to_numpy(dtype=object)
        for row, cell in zip(rows, cells, strict=True):
            if cell is None or cell != cell or cell == "" or str(cell) == "NaT":
                continue
            row[name] = cell.isoformat() if kinds[name] == "time" else cell
    return rows


@pytest.fixture
def rows(store: Store) -> Callable[..., list[dict[str, Any]]]:
    """What the store holds of a table, as plain rows."""
    return lambda table="opportunities": plain(store.load(), table)
