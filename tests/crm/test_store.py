"""The store: opening, upgrading, refusing, and giving back what it holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import crm.store
from crm.errors import NothingImportedError, StoreError
from crm.importing import ImportReport, import_export
from crm.mapping import load_mapping
from crm.records import imports, metadata
from crm.store import SCHEMA_VERSION, Store, lock_imports
from crm.tables import NAT, Attribute, Coded, Columns, CrmData


def test_migrations_make_the_tables_that_the_code_expects(store: Store) -> None:
    with store.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []


def test_the_version_in_the_code_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(crm.store.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_opening_brings_an_older_store_up_to_date(new_url: str) -> None:
    old = sa.create_engine(new_url)
    with old.begin() as connection:  # as it stood before the first version
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    old.dispose()
    with Store.open(new_url) as opened, opened.engine.connect() as connection:
        assert set(sa.inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
        assert connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == SCHEMA_VERSION


def test_opening_makes_the_folder_and_opening_again_finds_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a/b/crm.db"
    for _ in range(2):
        with Store.open(url) as opened:
            assert opened.last_import() == 0


def test_threads_may_open_a_new_store_at_once(new_url: str) -> None:
    def opened(_: int) -> set[str]:
        with Store.open(new_url) as store:
            return set(sa.inspect(store.engine).get_table_names())

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(opened, range(16)))
    assert all(names == {*metadata.tables, "alembic_version"} for names in found)


OPEN = "import sys; from crm.store import Store; Store.open(sys.argv[1]).close()"


@pytest.mark.slow
def test_processes_may_open_a_new_store_at_once(new_url: str) -> None:
    root = Path(__file__).parents[2]
    opening = [
        subprocess.Popen([sys.executable, "-c", OPEN, new_url], cwd=root, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert [(process.communicate()[1], process.returncode) for process in opening] == [("", 0)] * 4


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    with pytest.raises(NothingImportedError, match=r"holds no opportunities yet: import an export first"):
        store.load()
    assert store.imports() == []


def test_a_store_of_a_newer_version_is_refused(url: str) -> None:
    with Store.open(url) as opened, opened.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match=r"written by a newer version of wonlost \(its schema is 9999"):
        Store.open(url)


def test_a_database_of_something_else_is_refused(new_url: str) -> None:
    other = sa.create_engine(new_url)
    with other.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE opportunities (x INTEGER)")
    other.dispose()
    with pytest.raises(StoreError, match="holds tables that are not wonlost's"):
        Store.open(new_url)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("crm.db", "store 'crm.db' is not a URL: write for instance sqlite:///var/wonlost.db"),
        ("oracle+nothing://host/name", "no driver for 'oracle\\+nothing'; use sqlite:/// or postgresql\\+psycopg://"),
        ("sqlite:////proc/nowhere/crm.db", "the folder /proc/nowhere for the store cannot be made"),
        ("sqlite:////", "store sqlite://// cannot be used: the file cannot be opened"),
    ],
)
def test_a_store_that_cannot_be_opened_says_why(url: str, reason: str) -> None:
    with pytest.raises(StoreError, match=reason):
        Store.open(url)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text("not a database at all, just some text that is long enough to be read\n" * 20)
    with pytest.raises(StoreError, match="the file is not a SQLite database"):
        Store.open(f"sqlite:///{tmp_path}/x.db")


def test_a_password_is_never_shown() -> None:
    with pytest.raises(StoreError) as caught:
        Store.open("oracle+nothing://me:geheim@host/name")
    assert "geheim" not in str(caught.value)


def test_what_is_loaded_is_typed(importer: Callable[..., ImportReport], store: Store) -> None:
    head = "opportunity_id,created_at,closed_at,stage,amount,owner_id\n"
    importer(
        {
            "opportunities.csv": head
            + "b,2024-01-01,2024-02-01,Won,1.5,u\na,2024-01-01,,Demo,,\nc,2024-01-01,,Won?,2,u\n"
        }
    )
    data = store.load()
    table = data.tables["opportunities"]
    ids, owners, stages = table["opportunity_id"], table["owner_id"], table["stage"]
    assert isinstance(ids, Coded)
    assert isinstance(owners, Coded)
    assert isinstance(stages, Coded)
    assert ids.levels == ("a", "b", "c")
    assert owners.codes.tolist() == [-1, 0, 0]
    assert owners.levels == ("u",)
    assert owners.codes.dtype == np.int32
    assert list(stages.strings()) == ["Demo", "Won", "Won?"]
    assert table["closed_at"].tolist()[::2] == [NAT, NAT]  # type: ignore[union-attr]
    assert np.array_equal(table["amount"], [np.nan, 150.0, 200.0], equal_nan=True)  # type: ignore[arg-type]
    assert data.imported_at == int(datetime(2024, 6, 1, tzinfo=UTC).timestamp() * 1_000_000)
    assert set(data.tables) == {"opportunities"}


HEAD = "opportunity_id,created_at,closed_at,stage,amount\n"


def _export(folder: Path, *deals: str) -> Path:
    folder.mkdir()
    lines = [f"{deal},2024-01-01,2024-02-01,Won,5\n" for deal in deals]
    (folder / "opportunities.csv").write_text(HEAD + "".join(lines))
    calls = [f"{deal},2024-01-05,call\n" for deal in deals]
    (folder / "activities.csv").write_text("opportunity_id,occurred_at,type\n" + "".join(calls))
    return folder


def _deals(data: CrmData, table: str = "opportunities") -> list[str]:
    column = data.tables[table]["opportunity_id"]
    assert isinstance(column, Coded)
    return sorted(str(deal) for deal in column.strings())


def test_another_import_under_way_is_said_plainly(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crm.store, "_PATIENCE", 0.01)
    export, mapping = _export(tmp_path / "export", "a"), load_mapping("wonlost")
    with Store.open(url) as first, Store.open(url) as second:
        with first.transaction() as connection:
            lock_imports(connection)
            connection.execute(imports.delete())
            with pytest.raises(StoreError, match="another import is writing to it; try again when that is done"):
                import_export([export], mapping, second)
        assert import_export([export], mapping, second).import_id == 1


def test_imports_at_once_wait_for_each_other(url: str, tmp_path: Path) -> None:
    exports = [_export(tmp_path / f"export{number}", "shared", f"deal{number}") for number in range(6)]

    def run(export: Path) -> int:
        with Store.open(url) as store:
            return import_export([export], load_mapping("wonlost"), store).import_id

    with ThreadPoolExecutor(3) as pool:
        assert sorted(pool.map(run, exports)) == [1, 2, 3, 4, 5, 6]
    with Store.open(url) as store:
        assert _deals(store.load()) == ["deal0", "deal1", "deal2", "deal3", "deal4", "deal5", "shared"]


def test_what_is_loaded_is_of_one_moment(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = crm.store._read_table
    with Store.open(url) as store, Store.open(url) as other:
        import_export([_export(tmp_path / "first", "a")], load_mapping("wonlost"), other)
        later = [_export(tmp_path / "later", "a", "b")]

        def interrupted(connection: sa.Connection, table: str, mine: list[Attribute]) -> Columns:
            if later:
                import_export([later.pop()], load_mapping("wonlost"), other)
            return read(connection, table, mine)

        monkeypatch.setattr(crm.store, "_read_table", interrupted)
        before, after = store.load(), store.load()
    assert (_deals(before), _deals(before, "activities")) == (["a"], ["a"])
    assert (_deals(after), _deals(after, "activities")) == (["a", "b"], ["a", "b"])
