"""The simulated CRM: the same seed gives the same bytes, and its records hold together as a CRM's would."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm.schema import ACTIVITY_TYPES, DIRECTIONS, TABLES, Kind, Known
from crm.simulate import SimulatedCrm, simulate, write

UNTIL = pd.Timestamp("2026-09-30", tz="UTC")


@pytest.fixture(scope="module", params=[(1, 3), (1200, 7)], ids=["1 deal", "1200 deals"])
def crm(request: pytest.FixtureRequest) -> SimulatedCrm:
    n_deals, seed = request.param
    return simulate(n_deals, seed)


@pytest.fixture(scope="module")
def exported() -> SimulatedCrm:
    return simulate(300, 5, years=1.0)


@pytest.fixture(scope="module")
def folder(exported: SimulatedCrm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("export")
    write(exported, target)
    return target


def _with_life(crm: SimulatedCrm, table: str) -> pd.DataFrame:
    """A table of events with the created_at and closed_at of each event's deal."""
    lives = crm.tables["opportunities"][["opportunity_id", "created_at", "closed_at"]]
    events = crm.tables[table].astype({"opportunity_id": "str"})
    return events.merge(lives.astype({"opportunity_id": "str"}), on="opportunity_id", validate="m:1", how="left")


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("first", 4), ("second", 4), ("other", 5)):
        write(simulate(80, seed, years=1.0), tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert files == sorted([*(f"{table}.csv" for table in TABLES), "mapping.toml", "README.md"])
    for file in files:
        first = (tmp_path / "first" / file).read_bytes()
        assert first == (tmp_path / "second" / file).read_bytes()
        if file != "mapping.toml":
            assert first != (tmp_path / "other" / file).read_bytes()


def test_every_column_is_of_the_schema_or_declared_in_the_mapping(folder: Path) -> None:
    mapping = tomllib.loads((folder / "mapping.toml").read_text(encoding="utf-8"))
    assert mapping["process"]["simulated"] is True
    assert set(mapping["tables"]) == set(TABLES)
    for name, table in TABLES.items():
        entry = mapping["tables"][name]
        header = (folder / f"{name}.csv").read_text(encoding="utf-8").split("\n", 1)[0].split(",")
        declared = [*entry["columns"], *entry.get("custom", {})]
        assert header == declared
        assert set(entry["columns"]) <= set(table.columns())
        assert {column for column, spec in table.columns().items() if spec.required} <= set(header)
        for spec in entry.get("custom", {}).values():
            assert Kind(spec["kind"])
            assert Known(spec["known"])
    custom = mapping["tables"]["opportunities"]["custom"]
    assert {name: spec["known"] for name, spec in custom.items()} == {
        "region": "created", "partner_involved": "created", "budget_confirmed": "history", "close_plan_score": "closed",
    }  # fmt: skip


def test_what_is_hidden_is_not_written(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        header = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert "quality" not in header
        assert "fit" not in header


def test_csv_files_hold_the_frames(folder: Path, exported: SimulatedCrm) -> None:
    for name, frame in exported.tables.items():
        read = pd.read_csv(folder / f"{name}.csv", dtype=str, keep_default_na=False, encoding="utf-8")
        assert len(read) == len(frame)
        for column in frame.columns:
            cells, values = read[column], frame[column]
            kind = TABLES[name].columns().get(column)
            if isinstance(values.dtype, pd.DatetimeTZDtype):
                filled = cells[cells != ""]
                assert filled.str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00").all()
                assert ((cells == "") == values.isna()).all()
                assert (pd.to_datetime(filled, utc=True) == values[cells != ""]).all()
            elif kind is not None and kind.kind is Kind.MONEY:
                assert cells.str.fullmatch(r"\d+\.\d\d").all()
                assert np.array_equal(cells.astype(float), values)
            elif values.dtype == np.bool_:
                assert (cells == values.map({True: "true", False: "false"})).all()
            else:
                assert (cells == values.astype("object").where(values.notna(), "").astype(str)).all()


def test_ids_are_unique_and_references_resolve(crm: SimulatedCrm) -> None:
    tables = crm.tables
    for name, table in TABLES.items():
        frame = tables[name]
        for column, spec in table.columns().items():
            if spec.required:
                assert frame[column].notna().all(), (name, column)
        for own in {table.key, "change_id", "activity_id", "line_id", "note_id"} & set(frame.columns):
            assert frame[own].is_unique, (name, own)
        if "opportunity_id" in frame:
            assert frame["opportunity_id"].isin(tables["opportunities"]["opportunity_id"]).all()
        for column in ("owner_id", "user_id", "manager_id"):
            if column in frame:
                assert frame[column].dropna().isin(tables["users"]["user_id"]).all()
    assert tables["opportunities"]["account_id"].isin(tables["accounts"]["account_id"]).all()
    assert set(tables["activities"]["type"].unique()) <= set(ACTIVITY_TYPES)
    assert set(tables["activities"]["direction"].dropna().unique()) <= set(DIRECTIONS)


@pytest.mark.parametrize(
    ("table", "clock"),
    [("stage_changes", "changed_at"), ("field_changes", "changed_at"), ("activities", "occurred_at"),
     ("contact_roles", "added_at"), ("deal_products", "added_at")],
)  # fmt: skip
def test_events_lie_within_the_life_of_their_deal(crm: SimulatedCrm, table: str, clock: str) -> None:
    events = _with_life(crm, table)
    is_open = events["closed_at"].isna()
    assert (events[clock] >= events["created_at"]).all()
    after = events[(events[clock] > events["closed_at"]) & ~is_open]
    if table in ("activities", "contact_roles"):  # a new champion of an account writes on the deal that was lost
        stage = crm.tables["opportunities"].astype({"opportunity_id": "str"}).set_index("opportunity_id")["stage"]
        assert (stage[after["opportunity_id"]] == "Closed Lost").all()
        assert (after["direction"] == "inbound").all() if table == "activities" else (after["role"] == "Champion").all()
        assert len(after) < 0.1 * len(events)
    else:
        assert not len(after)
    planned = is_open & (events[clock] >= UNTIL)
    assert (events.loc[planned, "type"] == "meeting").all() if table == "activities" else not planned.any()


def test_deals_enter_and_close_within_the_period(crm: SimulatedCrm) -> None:
    deals = crm.tables["opportunities"]
    assert (deals["created_at"] >= UNTIL - pd.Timedelta(days=914)).all()
    assert (deals["created_at"] < UNTIL).all()
    assert deals["created_at"].is_monotonic_increasing
    closed = deals["closed_at"].notna()
    assert (deals["closed_at"] < UNTIL)[closed].all()
    assert (deals["closed_at"] > deals["created_at"])[closed].all()
    assert (closed == deals["stage"].isin(["Closed Won", "Closed Lost"])).all()
    assert (deals["expected_close_at"].isna() == closed).all()
    assert deals["loss_reason"][deals["stage"] != "Closed Lost"].isna().all()
    assert deals["win_reason"][deals["stage"] != "Closed Won"].isna().all()


def test_stage_changes_are_one_chain_from_entry_to_where_the_deal_stands(crm: SimulatedCrm) -> None:
    changes, deals = _with_life(crm, "stage_changes"), crm.tables["opportunities"]
    changes = changes.astype({"from_stage": "str", "to_stage": "str"})
    grouped = changes.groupby("opportunity_id", sort=True)
    first, last = grouped.head(1), grouped.tail(1).sort_values("opportunity_id")
    assert len(first) == len(deals)
    assert first["from_stage"].isna().all()
    assert (first["changed_at"] == first["created_at"]).all()
    assert changes["from_stage"].isna().sum() == len(deals)
    later = changes["from_stage"].notna()
    assert (grouped["to_stage"].shift()[later] == changes["from_stage"][later]).all()
    assert (changes["from_stage"] != changes["to_stage"])[later].all()
    assert (last["to_stage"].to_numpy() == deals["stage"].astype("str").to_numpy()).all()
    closing = changes["to_stage"].str.startswith("Closed")
    assert (changes["changed_at"] == changes["closed_at"])[closing].all()
    assert (closing.groupby(changes["opportunity_id"]).sum() <= 1).all()


@pytest.mark.parametrize("field", ["amount", "owner_id", "expected_close_at", "competitor", "budget_confirmed"])
def test_field_changes_are_one_chain_that_ends_in_the_column(crm: SimulatedCrm, field: str) -> None:
    deals = crm.tables["opportunities"].astype({"opportunity_id": "str"}).set_index("opportunity_id")
    changes = _with_life(crm, "field_changes").query("field == @field")
    grouped = changes.groupby("opportunity_id")
    previous = grouped["new_value"].shift().fillna("")
    assert (previous == changes["old_value"]).all()
    assert (changes["old_value"] != changes["new_value"]).all()
    last = grouped["new_value"].last().reindex(deals.index)
    if field == "competitor":
        assert (last.fillna("") == deals["competitor"].astype("object").fillna("")).all()
        return
    first = changes[changes["old_value"] == ""]
    assert len(first) == len(deals)
    assert (first["changed_at"] == first["created_at"]).all()
    if field == "amount":
        assert np.array_equal(last.astype(float), deals["amount"])
    elif field == "owner_id":
        assert (last == deals["owner_id"].astype("str")).all()
    elif field == "budget_confirmed":
        assert ((last == "true") == deals["budget_confirmed"]).all()
    else:
        is_open = deals["closed_at"].isna()
        assert (pd.to_datetime(last, utc=True) == deals["expected_close_at"])[is_open].all()


def test_notes_are_on_closed_deals_only_and_come_after_the_close(crm: SimulatedCrm) -> None:
    notes = _with_life(crm, "notes")
    stage = crm.tables["opportunities"].set_index("opportunity_id")["stage"]
    assert notes["closed_at"].notna().all()
    assert (notes["written_at"] >= notes["closed_at"]).all()
    assert (notes["written_at"] < UNTIL).all()
    assert (notes["text"].str.strip() != "").all()
    expected = notes["opportunity_id"].map(stage.astype("str")).map({"Closed Won": "win", "Closed Lost": "loss"})
    assert (notes["kind"].astype("str") == expected).all()


def test_contacts_of_a_deal_belong_to_its_account(crm: SimulatedCrm) -> None:
    roles = crm.tables["contact_roles"].astype("object")
    account = crm.tables["opportunities"].astype("object").set_index("opportunity_id")["account_id"]
    accounts_per_contact = roles.assign(account=roles["opportunity_id"].map(account)).groupby("contact_id")["account"]
    assert (accounts_per_contact.nunique() == 1).all()


def test_the_period_is_as_asked() -> None:
    deals = simulate(200, 1, until=date(2024, 3, 15), years=0.5).tables["opportunities"]
    end = pd.Timestamp("2024-03-15", tz="UTC")
    assert deals["created_at"].min() >= end - pd.Timedelta(days=184)
    assert deals["created_at"].max() < end
    assert deals["closed_at"].max() < end


@pytest.mark.parametrize(("n_deals", "years", "text"), [(0, 2.5, "at least 1"), (10, 0.01, "two weeks")])
def test_nothing_to_simulate_is_an_error(n_deals: int, years: float, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        simulate(n_deals, 1, years=years)
