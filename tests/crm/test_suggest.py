"""Suggested mappings: they load as they stand, and say what was left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm.importing import import_export
from crm.mapping import parse_mapping
from crm.store import Store
from crm.suggest import suggest

Folder = Callable[[dict[str, str | bytes]], Path]

GERMAN = (
    "Deal ID;Creation Date;Closing Date;Sales Stage;Deal Value;Sales Rep;Branche;Aktiv;Plätze;Größe\n"
    "1;31.12.2023 10:00;01.03.2024 09:00;Gewonnen;1.200,50 €;Ann;Energie;ja;12;a b\n"
    "2;02.01.2024 11:30;02.03.2024 09:00;Verloren;3.000,00 €;Bob;Energie;nein;7;\n"
    "3;03.01.2024 11:30;;Angebot;;Bob;Bau;nein;;\n"
)


def test_a_suggestion_imports_the_export_that_it_was_made_for(folder: Folder, store: Store) -> None:
    path = folder({"pipeline.csv": GERMAN.encode("cp1252"), "prices.csv": "sku;price\n1;2\n"})
    text = suggest(path)
    rules = parse_mapping(text, "suggested.toml")
    assert (rules.process.won, rules.process.lost, rules.process.stages) == (("Gewonnen",), ("Verloren",), ("Angebot",))
    form = rules.format
    assert (form.encoding, form.decimal, form.thousands, form.currency_signs) == ("cp1252", ",", ".", True)
    assert form.dates == ("%d.%m.%Y %H:%M",)
    columns = {name: rule.sources[0] for name, rule in rules.tables["opportunities"].columns.items()}
    assert columns == {
        "opportunity_id": "Deal ID", "created_at": "Creation Date", "closed_at": "Closing Date", "stage": "Sales Stage",
        "amount": "Deal Value", "owner_id": "Sales Rep",
    }  # fmt: skip
    assert '# branche = { from = "Branche", kind = "category", known = "closed" }  # Energie, Bau' in text
    assert '# pl_tze = { from = "Plätze", kind = "number", known = "closed" }  # 12, 7' in text
    assert "#   prices.csv: sku, price" in text
    report = import_export([path], rules, store, imported_at=datetime(2024, 6, 1, tzinfo=UTC))
    assert (report.won, report.lost, report.open) == (1, 1, 1)
    assert store.load().tables["opportunities"]["amount"].tolist()[:2] == [120050, 300000]  # type: ignore[union-attr]


def test_taking_the_marks_off_custom_columns_gives_a_mapping_too(folder: Folder) -> None:
    text = suggest(folder({"deals.csv": GERMAN}))
    lines = [line.removeprefix("# ") if "{ from" in line else line for line in text.splitlines()]
    assert set(parse_mapping("\n".join(lines), "x").tables["opportunities"].custom) == {
        "branche", "aktiv", "pl_tze", "gr_sse",
    }  # fmt: skip


FOREIGN = (
    "Nummer;Kunde;Angelegt am;Ergebnis;Privat\n"
    "1;A;01.02.2024;Gewonnen;1\n2;B;01.02.2024;Verloren;0\n3;B;02.02.2024;In Arbeit;\n4;C;02.02.2024;;1\n"
)


def test_a_file_that_nothing_names_is_taken_for_the_deals_by_its_outcomes(folder: Folder, store: Store) -> None:
    path = folder({"export_2024.csv": FOREIGN})
    text = suggest(path / "export_2024.csv")
    rules = parse_mapping(text, "suggested.toml")
    deals = rules.tables["opportunities"]
    assert (deals.files, deals.columns["outcome"].sources) == (("export_2024",), ("Ergebnis",))
    assert rules.process.model_dump(include={"won", "lost", "open"}) == {
        "won": ("Gewonnen",), "lost": ("Verloren",), "open": ("In Arbeit",),
    }  # fmt: skip
    assert "# export_2024.csv is taken for the opportunities by the values of one of its columns" in text
    report = import_export([path], rules, store, imported_at=datetime(2024, 6, 1, tzinfo=UTC))
    assert (report.won, report.lost, report.open) == (1, 1, 2)


def test_among_several_columns_the_one_with_both_outcomes_is_taken(folder: Folder) -> None:
    text = "Art,Ergebnis,Zahlung\nPerson,Gewonnen,failed\nFirma,Verloren,done\n"
    deals = parse_mapping(suggest(folder({"x.csv": text})), "x").tables["opportunities"]
    assert deals.columns["outcome"].sources == ("Ergebnis",)


@pytest.mark.parametrize(
    "cells",
    ["Firma,Person", "1,0", "wonder,lasting", "gewonnen,gewonnen", "won,lost,c,d"],
)
def test_other_values_make_no_file_the_deals(cells: str, folder: Folder) -> None:
    text = suggest(folder({"x.csv": "\n".join(["Foo", *cells.split(",")]) + "\n"}))
    assert "# No file looks like the opportunities" in text
    assert "#   x.csv: Foo" in text


def test_the_outcome_of_a_file_of_deals_is_found_by_its_values(folder: Folder) -> None:
    text = suggest(folder({"deals.csv": "id,amount,owner,Ergebnis\n1,2,a,Gewonnen\n2,3,b,Verloren\n"}))
    assert parse_mapping(text, "x").tables["opportunities"].columns["outcome"].sources == ("Ergebnis",)


@pytest.mark.parametrize(
    "files",
    [
        {"opportunities.csv": "Status\nWon\nLost\n"},
        {"opportunities.csv": 'a,"b ""c""",\n1,2,3\n'},
        {"other.csv": "x\n1\n"},
        {"deals.csv": "id,created,closed,stage\n"},
        {"deals.csv": "id,created,closed,stage\n1,13/01/2024,soon,x\n"},
    ],
)
def test_every_suggestion_loads(files: dict[str, str | bytes], folder: Folder) -> None:
    parse_mapping(suggest(folder(files)), "suggested.toml")


def test_dates_that_could_be_read_both_ways_are_pointed_out(folder: Folder) -> None:
    text = suggest(folder({"deals.csv": "id,created,closed,stage\n1,03/04/2024,05/06/2024,Won\n"}))
    assert "# the month may also come second: then write %d/%m/%Y" in text
