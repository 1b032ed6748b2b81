"""PostgreSQL beside SQLite: the same export gives the same data, and what only a server can do wrong is told."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from crm.errors import InputError, StoreError
from crm.importing import import_export
from crm.mapping import recognise
from crm.schema import TABLES
from crm.simulate import simulate, write
from crm.store import Store
from tests.crm.test_import import same
from tests.postgres import Postgres

AT = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export with every table that there is, and columns of the company's own."""
    folder = tmp_path_factory.mktemp("export")
    write(simulate(60, seed=5, until=date(2026, 9, 28)), folder)
    return folder


def test_the_same_exports_give_the_same_data_on_both(
    export: Path, tmp_path: Path, empty_store: Path, postgres: Postgres
) -> None:
    """Imported, imported again, with deals changed, and with one bad row: step by step the two stores are equal."""
    later, broken = tmp_path / "later", tmp_path / "broken"
    deals = pd.read_csv(export / "opportunities.csv", dtype=str, keep_default_na=False)
    for folder in (later, broken):
        folder.mkdir()
        for file in export.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    changed = deals.assign(name=deals["name"].mask(deals.index % 3 == 0, "Renamed, Ünïcode %s 'quoted'"))
    changed.to_csv(later / "opportunities.csv", index=False)
    activities = pd.read_csv(export / "activities.csv", dtype=str, keep_default_na=False)
    activities.loc[len(activities) // 2, "occurred_at"] = "some day"
    deals.assign(name="never kept").to_csv(broken / "opportunities.csv", index=False)
    activities.to_csv(broken / "activities.csv", index=False)

    with (
        Store.open(f"sqlite:///{tmp_path}/crm.db") as one,
        Store.open(postgres.new_store()) as other,
    ):
        mapping = recognise(export)
        for folder, counts in ((export, None), (export, (0, 0)), (later, (0, -(-len(deals) // 3)))):
            reports = [import_export([folder], mapping, store, imported_at=AT) for store in (one, other)]
            assert reports[0] == reports[1]
            assert counts is None or (reports[0].new, reports[0].changed) == counts
            assert same(one.load(), other.load())
        before = other.load()
        assert set(before.tables) == set(TABLES)
        assert any(attribute.custom for attribute in before.attributes)
        messages = []
        for store in (one, other):
            with pytest.raises(InputError, match="some day") as caught:
                import_export([broken], mapping, store, imported_at=AT)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert same(before, other.load())
        assert same(one.load(), other.load())
        assert one.imports() == other.imports()


def test_a_server_that_is_not_there_is_told_in_one_line_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"^store postgresql\S+ cannot be used: connection ") as caught:
        Store.open(f"postgresql+psycopg://me:geheim@/crm?host={tmp_path}")
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_database_that_is_not_there_is_named(postgres: Postgres) -> None:
    with pytest.raises(StoreError, match='database "nowhere" does not exist'):
        Store.open(postgres.url("nowhere"))


def test_psycopg_is_the_driver_where_the_url_names_none(postgres: Postgres) -> None:
    with Store.open(postgres.new_store().replace("+psycopg", "")) as store:
        assert store.engine.dialect.driver == "psycopg"
        assert store.last_import() == 0


def test_a_connection_that_the_server_has_closed_is_made_anew(postgres: Postgres) -> None:
    with Store.open(postgres.new_store()) as store, Store.open(postgres.new_store()) as other:
        with store.transaction() as connection:
            mine = connection.scalar(sa.select(sa.func.pg_backend_pid()))
        with other.transaction() as connection:
            assert connection.scalar(sa.select(sa.func.pg_terminate_backend(mine)))
        assert store.last_import() == 0
