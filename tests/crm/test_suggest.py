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
