"""Importing an export: what goes in, and what the store holds then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from crm.importing import ImportReport, import_export
from crm.mapping import load_mapping, parse_mapping, recognise
from crm.schema import TABLES, Known
from crm.store import Store
from crm.tables import Coded, CrmData

Importer = Callable[..., ImportReport]
Rows = Callable[..., list[dict[str, Any]]]

DEALS = """opportunity_id,created_at,closed_at,stage,amount
b,2024-01-02T10:00:00Z,2024-03-02,Closed Lost,
a,2024-01-01T10:00:00+02:00,2024-03-01,Closed Won,1200.50
c,2024-01-03,2024-09-30,Proposal,3
"""
CUSTOM = """
name = "mine"
[process]
stages = ["Proposal"]
won = ["Closed Won"]
lost = ["Closed Lost"]
[tables.opportunities]
[tables.opportunities.columns]
opportunity_id = "opportunity_id"
created_at = "created_at"
closed_at = "closed_at"
stage = "stage"
{columns}
[tables.opportunities.custom]
{custom}
{more}
"""


def custom(columns: str = "", custom: str = "", more: str = "") -> str:
    return CUSTOM.format(columns=columns, custom=custom, more=more)


def same(left: CrmData, right: CrmData) -> bool:
    def parts(data: CrmData) -> list[object]:
        found: list[object] = [data.attributes, data.process, data.imported_at]
        for table, columns in data.tables.items():
            for name, values in columns.items():
                arrays = (values.codes.tobytes(), values.levels) if isinstance(values, Coded) else (values.tobytes(),)
                found.append((table, name, *arrays))
        return found

    return parts(left) == parts(right)


def test_deals_ordered_by_id_with_close_date_meaning_what_it_means(importer: Importer, rows: Rows) -> None:
    report = importer({"opportunities.csv": DEALS})
    assert rows() == [
        {
            "opportunity_id": "a", "created_at": "2024-01-01T08:00:00+00:00", "closed_at": "2024-03-01T00:00:00+00:00",
            "outcome": "won", "stage": "Closed Won", "amount": 1200.5,
        },
        {
            "opportunity_id": "b", "created_at": "2024-01-02T10:00:00+00:00", "closed_at": "2024-03-02T00:00:00+00:00",
            "outcome": "lost", "stage": "Closed Lost",
        },
        {
            "opportunity_id": "c", "created_at": "2024-01-03T00:00:00+00:00", "stage": "Proposal", "amount": 3.0,
            "expected_close_at": "2024-09-30T00:00:00+00:00",
        },
    ]  # fmt: skip
    assert (report.open, report.won, report.lost) == (1, 1, 1)
    assert (report.new, report.changed, report.without_created_at) == (3, 0, 0)
    assert report.first == pd.Timestamp("2024-01-01T08:00Z").value // 1000
    assert report.last == pd.Timestamp("2024-03-02").value // 1000


def test_the_expected_close_of_a_closed_deal_is_not_kept(importer: Importer, rows: Rows) -> None:
    header = "opportunity_id,created_at,closed_at,expected_close_at,outcome\n"
    importer({"opportunities.csv": header + "a,2024-01-01,2024-03-01,2024-02-01,won\nb,2024-01-01,,2024-08-01,\n"})
    assert [row.get("expected_close_at") for row in rows()] == [None, "2024-08-01T00:00:00+00:00"]


def test_a_deal_closed_on_the_day_it_was_created(importer: Importer, rows: Rows) -> None:
    importer({"opportunities.csv": "opportunity_id,created_at,closed_at,stage\na,2024-01-01T10:00Z,2024-01-01,Won\n"})
    assert rows()[0]["closed_at"] == "2024-01-01T10:00:00+00:00"


def test_same_export_twice_changes_nothing(importer: Importer, store: Store) -> None:
    files: dict[str, str | bytes] = {
        "opportunities.csv": DEALS,
        "activities.csv": "opportunity_id,occurred_at,type\na,2024-01-05,call\na,2024-01-05,call\nb,2024-01-05,call\n",
    }
    importer(files)
    before = store.load()
    report = importer(files, at=datetime(2024, 7, 1, tzinfo=UTC))
    assert (report.unchanged, report.new, report.changed, store.last_import()) == (True, 0, 0, 1)
    assert same(before, store.load())


def test_a_later_export_updates_and_touches_only_mapped_columns(importer: Importer, rows: Rows) -> None:
    importer({"opportunities.csv": DEALS})
    header = "opportunity_id,created_at,closed_at,stage\n"
    later = (
        header
        + "c,2024-01-03,2024-05-01,Closed Won\nd,2024-04-01,,Proposal\nb,2024-01-02T10:00Z,2024-03-02,Closed Lost\n"
    )
    report = importer({"opportunities.csv": later})
    table = report.tables[0]
    assert (table.rows, table.new, table.changed, table.unchanged) == (3, 1, 1, 1)
    deals = {row["opportunity_id"]: row for row in rows()}
    assert set(deals) == {"a", "b", "c", "d"}
    assert deals["c"]["amount"] == 3.0
    assert deals["c"]["closed_at"] == "2024-05-01T00:00:00+00:00"
    assert "expected_close_at" not in deals["c"]


def test_equal_events_stay_apart_and_come_once(importer: Importer, rows: Rows) -> None:
    head = "opportunity_id,occurred_at,type\n"
    call = "a,2024-01-05,call\n"
    importer({"opportunities.csv": DEALS, "activities.csv": head + call + call})
    assert len(rows("activities")) == 2
    report = importer({"opportunities.csv": DEALS, "activities.csv": head + call * 3})
    assert [(t.table, t.new, t.changed, t.unchanged) for t in report.tables][1] == ("activities", 1, 0, 2)
    assert (
        rows("activities") == [{"opportunity_id": "a", "occurred_at": "2024-01-05T00:00:00+00:00", "type": "call"}] * 3
    )


def test_events_with_an_id_are_updated(importer: Importer, rows: Rows) -> None:
    head = "activity_id,opportunity_id,occurred_at,type\n"
    importer({"opportunities.csv": DEALS, "activities.csv": head + "1,a,2024-09-05,call\n"})
    report = importer({"activities.csv": head + "1,a,2024-09-06,meeting\n"})
    assert (report.new, report.changed) == (0, 1)
    assert (
        rows("activities")[0] | {"type": "meeting", "occurred_at": "2024-09-06T00:00:00+00:00"} == rows("activities")[0]
    )


def test_the_order_of_rows_changes_nothing(importer: Importer, store: Store, tmp_path: Path) -> None:
    head, *lines = DEALS.splitlines(keepends=True)
    acts = [f"{deal},2024-01-0{day},call\n" for deal in "abc" for day in (4, 4, 5)]
    importer({"opportunities.csv": DEALS, "activities.csv": "opportunity_id,occurred_at,type\n" + "".join(acts)})
    with Store.open(f"sqlite:///{tmp_path}/other.db") as other:
        folder = tmp_path / "shuffled"
        folder.mkdir()
        (folder / "opportunities.csv").write_text(head + "".join(reversed(lines)))
        (folder / "activities.csv").write_text("opportunity_id,occurred_at,type\n" + "".join(reversed(acts)))
        import_export([folder], load_mapping("wonlost"), other, imported_at=datetime(2024, 6, 1, tzinfo=UTC))
        assert same(store.load(), other.load())


def test_own_columns_are_typed_and_undeclared_ones_reported(importer: Importer, rows: Rows, store: Store) -> None:
    mapping = custom(
        custom="""
partner = { from = "Partner?", kind = "boolean", known = "created" }
seats = { from = "Seats", kind = "number" }
budget = { from = "Budget", kind = "money", known = "created" }
asked_at = { from = "Asked", kind = "time", known = "created" }
region = { from = "Region", kind = "category", known = "created" }
"""
    )
    text = (
        "opportunity_id,created_at,closed_at,stage,Partner?,Seats,Budget,Asked,Region,Mood\n"
        "a,2024-01-01,2024-03-01,Closed Won,yes,12.5,99.999,2023-12-24,Süd,happy\n"
        "b,2024-01-01,2024-03-01,Closed Lost,,,,,,sad\n"
    )
    report = importer({"opportunities.csv": text}, mapping)
    assert report.files[0].left_out == ("Mood",)
    assert "opportunities.csv: left out, not declared in the mapping: Mood." in report.warnings
    first, second = rows()
    assert {k: first[k] for k in ("partner", "seats", "budget", "asked_at", "region")} == {
        "partner": 1.0, "seats": 12.5, "budget": 100.0, "asked_at": "2023-12-24T00:00:00+00:00", "region": "Süd",
    }  # fmt: skip
    assert set(second) == {"opportunity_id", "created_at", "closed_at", "outcome", "stage"}
    columns = store.load().tables["opportunities"]
    assert columns["budget"].dtype == np.float64  # type: ignore[union-attr]
    assert columns["asked_at"].dtype == np.int64  # type: ignore[union-attr]
    assert store.load().known("opportunities", "seats") == Known.CLOSED
    assert store.load().known("opportunities", "partner") == Known.CREATED


def test_own_columns_of_an_earlier_export_stay_and_cleared_cells_go(importer: Importer, rows: Rows) -> None:
    head = "opportunity_id,created_at,closed_at,stage,x,y\n"
    both = custom(custom='x = { from = "x" }\ny = { from = "y" }')
    importer({"opportunities.csv": head + "a,2024-01-01,2024-03-01,Closed Won,1,2\n"}, both)
    report = importer({"opportunities.csv": head + "a,2024-01-01,2024-03-01,Closed Won,,9\n"}, custom(custom='x = "x"'))
    assert (report.new, report.changed) == (0, 1)
    assert "x" not in rows()[0]
    assert rows()[0]["y"] == "2"


def test_known_follows_the_changes_at_hand(importer: Importer, store: Store) -> None:
    head = "opportunity_id,created_at,closed_at,stage,amount,owner_id,Next Step,Budget\n"
    deal = "a,2024-01-01,2024-03-01,Closed Won,5,u,call,yes\n"
    mapping = custom(
        columns='amount = "amount"\nowner_id = { from = "owner_id", known = "created" }',
        custom='next_step = "Next Step"\nbudget = { from = "Budget", kind = "boolean", known = "history" }',
        more='[tables.field_changes.columns]\nopportunity_id = "id"\nchanged_at = "at"\nfield = "f"\nnew_value = "v"\n'
        '[tables.stage_changes.columns]\nopportunity_id = "id"\nchanged_at = "at"\nto_stage = "s"\n',
    )
    report = importer({"opportunities.csv": head + deal}, mapping)
    known = store.load().known
    names = ("amount", "owner_id", "next_step", "budget", "stage")
    assert [known("opportunities", n) for n in names] == ["closed", "created", "closed", "closed", "closed"]
    text = "opportunities.budget: the mapping says that it is known from its history, but there are no changes of it;"
    assert any(warning.startswith(text) for warning in report.warnings)
    changes = (
        "id,at,f,v\na,2024-01-05,Amount,7\na,2024-01-06,Next Step,x\na,2024-01-06,owner_id,w\na,2024-01-07,budget,Yes\n"
    )
    importer({"field_changes.csv": changes, "stage_changes.csv": "id,at,s\na,2024-01-02,Demo\n"}, mapping)
    known = store.load().known
    assert [known("opportunities", n) for n in names] == ["history", "created", "history", "history", "history"]
    assert known("field_changes", "new_value") == Known.EVENT


def test_changes_are_written_in_one_notation(importer: Importer, rows: Rows) -> None:
    mapping = custom(
        columns='amount = "Betrag"',
        more='[format]\ndates = ["%d.%m.%Y", "ISO"]\ndecimal = ","\nthousands = "."\n'
        '[tables.field_changes.columns]\nopportunity_id = "id"\nchanged_at = "at"\nfield = "f"\n'
        'old_value = "o"\nnew_value = "v"\n',
    )
    head = "opportunity_id;created_at;closed_at;stage;Betrag\n"
    changes = "id;at;f;o;v\na;02.01.2024;Betrag;;1.200,50\na;03.01.2024;closed_at;1.2.2024;1.3.2024\n"
    changes += 'a;04.01.2024;Laune;gut;"1,5"\n'
    importer(
        {"opportunities.csv": head + "a;01.01.2024;01.03.2024;Closed Won;-3.000,5\n", "field_changes.csv": changes},
        mapping,
    )
    assert rows()[0]["amount"] == -3000.5
    found = sorted((row["field"], row.get("old_value", ""), row["new_value"]) for row in rows("field_changes"))
    assert found == [
        ("Laune", "gut", "1,5"),
        ("amount", "", "1200.50"),
        ("expected_close_at", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
    ]


def test_an_ordering_column_stands_for_dates(importer: Importer, rows: Rows, store: Store) -> None:
    mapping = """
name = "ordered"
[process]
time_basis = "sequence"
won = ["Won"]
lost = ["Loss"]
[tables.opportunities.columns]
opportunity_id = "No"
sequence = "No"
outcome = "Result"
"""
    importer({"opportunities.csv": "No,Result\n2,Loss\n10,Won\n11,\n"}, mapping)
    assert rows() == [
        {"opportunity_id": "10", "sequence": 10.0, "outcome": "won"},
        {"opportunity_id": "11", "sequence": 11.0},
        {"opportunity_id": "2", "sequence": 2.0, "outcome": "lost"},
    ]
    assert store.load().process.time_basis == "sequence"


def test_exports_without_id_are_numbered_and_repeats_kept(importer: Importer, rows: Rows) -> None:
    mapping = """
name = "bare"
[process]
time_basis = "none"
won = ["Won"]
lost = ["Lost"]
[tables.opportunities.columns]
opportunity_id = { generate = "row" }
outcome = "Status"
"""
    report = importer({"opportunities.csv": "Status\nWon\nWon\nLost\n"}, mapping)
    assert [row["opportunity_id"] for row in rows()] == ["0000001", "0000002", "0000003"]
    assert (report.won, report.lost) == (2, 1)


def test_words_of_activities_are_brought_to_ours_and_others_counted(importer: Importer, rows: Rows) -> None:
    mapping = custom(
        more='[tables.activities.columns]\nopportunity_id = "id"\noccurred_at = "at"\ntype = "t"\ndirection = "d"\n'
        '[tables.activities.values.type]\n"Phone Call" = "call"\n'
    )
    deal = "opportunity_id,created_at,closed_at,stage\na,2024-01-01,2024-03-01,Closed Won\n"
    acts = "id,at,t,d\na,2024-01-01,phone call,INBOUND\na,2024-01-02,Email,out\na,2031-01-03,Webinar,\n"
    report = importer({"opportunities.csv": deal, "activities.csv": acts}, mapping)
    found = sorted((row["occurred_at"][:10], row["type"], row.get("direction")) for row in rows("activities"))
    assert found == [("2024-01-01", "call", "inbound"), ("2024-01-02", "email", None), ("2031-01-03", "other", None)]
    assert "activities.type: 1 rows with 'Webinar' are taken as other." in report.warnings


def test_repeated_states_are_no_stage_changes(importer: Importer, rows: Rows) -> None:
    mapping = custom(
        more='[tables.stage_changes]\nrepeats = "leave_out"\n'
        '[tables.stage_changes.columns]\nopportunity_id = "id"\nchanged_at = "at"\nto_stage = "s"\n'
    )
    deal = "opportunity_id,created_at,closed_at,stage\na,2024-01-01,2024-03-01,Closed Won\n"
    states = "id,at,s\n" + "".join(f"a,2024-01-0{day},{stage}\n" for day, stage in zip("31245", "DQQDQ", strict=True))
    importer({"opportunities.csv": deal, "stage_changes.csv": states}, mapping)
    found = sorted((row["changed_at"][:10], row.get("from_stage"), row["to_stage"]) for row in rows("stage_changes"))
    assert found == [
        ("2024-01-01", None, "Q"), ("2024-01-03", "Q", "D"), ("2024-01-05", "D", "Q"),
    ]  # fmt: skip


def test_open_deals_without_creation_date_are_kept_and_counted(importer: Importer, rows: Rows) -> None:
    report = importer({"opportunities.csv": "opportunity_id,created_at,closed_at,stage\na,,,Prospecting\n"})
    assert (report.without_created_at, report.open) == (1, 1)
    assert rows() == [{"opportunity_id": "a", "stage": "Prospecting"}]
    assert "1 open deals have no creation date: they are kept, but not scored." in report.warnings


def test_times_without_offset_are_read_in_the_export_timezone(importer: Importer, rows: Rows) -> None:
    mapping = custom(more='[format]\ntimezone = "Europe/Berlin"\n')
    text = "opportunity_id,created_at,closed_at,stage\na,2024-01-01 10:00,2024-04-01,Closed Won\n"
    importer({"opportunities.csv": text}, mapping)
    assert rows()[0]["created_at"] == "2024-01-01T09:00:00+00:00"
    assert rows()[0]["closed_at"] == "2024-03-31T22:00:00+00:00"


def test_the_outcome_column_tells_and_only_named_or_usual_stages_close(importer: Importer, store: Store) -> None:
    head = "opportunity_id,created_at,closed_at,stage,outcome\n"
    closed = [("a", "Closed Won", "won"), ("b", "Dead", "lost"), ("c", "Demo", "lost")]
    deals = "".join(f"{deal},2024-01-01,2024-03-01,{stage},{end}\n" for deal, stage, end in closed)
    deals += "d,2024-01-01,,Demo,\n"
    importer({"opportunities.csv": head + deals})
    process = store.load().process
    assert (process.won_stages, process.lost_stages) == (("Closed Won",), ())


def test_stages_are_spelt_as_the_data_have_them(importer: Importer, store: Store) -> None:
    importer({"opportunities.csv": "opportunity_id,created_at,closed_at,stage\na,2024-01-01,2024-03-01,closed_won\n"})
    assert store.load().process.won_stages == ("closed_won", "won", "Closed Won")


def test_lines_of_white_space_are_no_records(importer: Importer, rows: Rows) -> None:
    lines = DEALS.splitlines(keepends=True)
    report = importer({"opportunities.csv": "".join([*lines[:2], "  \n", *lines[2:], "\t\n", " , ,,, \n", " "])})
    assert (len(rows()), report.files[0].rows) == (3, 3)


def test_a_file_with_another_name_is_recognised_by_its_headers(importer: Importer, rows: Rows) -> None:
    importer({"report1700000000.csv": DEALS})
    assert len(rows()) == 3


def test_a_folder_that_carries_its_own_mapping_is_read_with_it(folder: Callable[..., Path]) -> None:
    path = folder({"opportunities.csv": DEALS, "mapping.toml": custom()})
    assert recognise(path) == parse_mapping(custom(), "x")


def test_the_report_and_log_name_what_was_read(importer: Importer, store: Store) -> None:
    report = importer({"opportunities.csv": DEALS, "junk.csv": "x\n1\n"})
    assert report.files_left_out == ("junk.csv",)
    logged = store.imports()[0]
    assert (logged.id, logged.mapping, logged.files[0]["rows"]) == (1, "wonlost", 3)
    assert logged.files[0]["sha256"] == report.files[0].sha256
    assert logged.report["new" if "new" in logged.report else "won"] == 1
    used = {(column.name, column.known) for column in report.columns}
    assert {("amount", "closed"), ("created_at", "created"), ("expected_close_at", "closed")} <= used


def test_the_built_in_schema_mapping_names_every_column() -> None:
    rules = load_mapping("wonlost").tables
    assert {t: list(rule.columns) for t, rule in rules.items()} == {t: list(s.columns()) for t, s in TABLES.items()}
