"""What an import says loudly: that no deal has an outcome, and that nothing is known before the close."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crm.importing import ImportReport

Importer = Callable[..., ImportReport]
HEAD = "opportunity_id,created_at,closed_at,stage\n"
MINE = """
name = "mine"
[process]
won = ["Won"]
lost = ["Lost", "Dead"]
open = ["Pending"]
[tables.opportunities.columns]
opportunity_id = "Id"
created_at = "Created"
closed_at = "Closed on"
{outcome}
"""
OUTCOME = MINE.format(outcome='outcome = "Result"')
LOUD = "NO DEAL IS WON AND NONE IS LOST"
UNKNOWN = "NO COLUMN THAT DESCRIBES A DEAL IS KNOWN BEFORE IT CLOSES"


def loud(report: ImportReport, start: str) -> list[str]:
    return [warning for warning in report.warnings if warning.startswith(start)]


def deals(head: str, *stages: str) -> dict[str, str]:
    return {"opportunities.csv": head + "".join(f"{n},2024-01-01,2024-03-01,{s}\n" for n, s in enumerate(stages))}


def test_no_outcome_names_what_the_mapping_looks_for_and_what_the_export_has(importer: Importer) -> None:
    report = importer(deals(HEAD, *["Signed"] * 3, *["Lapsed"] * 2, "", *"abcd"))
    assert report.warnings[0] == (
        "NO DEAL IS WON AND NONE IS LOST, so there is nothing to learn from. Mapping 'wonlost' takes 'won' or "
        "'Closed Won' in column 'stage' as won, and 'lost' or 'Closed Lost' as lost; the export has 'Signed' (3), "
        "'Lapsed' (2), (empty) (1), 'a' (1), 'b' (1), 'c' (1) and 1 more. Unless all its deals are open, write the "
        "values that mean won and lost under [process] of the mapping, or map another column, and import again."
    )


def test_no_outcome_in_an_outcome_column_and_in_flags(importer: Importer) -> None:
    found = loud(importer(deals("Id,Created,Closed on,Result\n", "Pending", "pending", ""), OUTCOME), LOUD)
    assert "takes 'Won' in column 'Result' as won, and 'Lost' or 'Dead' as lost" in found[0]
    assert "the export has 'Pending' (1), 'pending' (1), (empty) (1)." in found[0]
    flags = MINE.format(outcome='outcome = { won = "IsWon", closed = "IsClosed" }')
    found = loud(importer(deals("Id,Created,Closed on,IsWon,IsClosed\n", "0,0", ",0", "0,0"), flags), LOUD)
    assert "reads the outcome from 'IsClosed' and 'IsWon'; the export has IsClosed 0 with IsWon 0 (2), " in found[0]
    assert "IsClosed 0 with IsWon (empty) (1). Unless all its deals are open, see outcome = {" in found[0]


def test_one_outcome_is_enough_and_so_is_one_of_an_earlier_import(importer: Importer) -> None:
    assert not loud(importer(deals(HEAD, "Closed Won", "Demo")), LOUD)
    later = {"opportunities.csv": HEAD + "new,2024-04-01,,Demo\n"}
    assert not loud(importer(later), LOUD)


def test_columns_known_only_at_the_close_are_named_with_what_is_left(importer: Importer) -> None:
    text = "opportunity_id,created_at,closed_at,stage,account_id,amount,loss_reason,Region\n"
    files = {
        "opportunities.csv": text + "a,2024-01-01,2024-03-01,Closed Won,k,5,,North\n",
        "activities.csv": "opportunity_id,occurred_at,type\na,2024-01-02,call\n",
    }
    assert loud(importer(files), UNKNOWN) == [
        "NO COLUMN THAT DESCRIBES A DEAL IS KNOWN BEFORE IT CLOSES. amount: known only at the close, so no feature of "
        "an open deal. What is left to learn from: its dates, its account, activities. Where a column is fixed when "
        'the deal is entered, write known = "created" in the mapping; columns that it does not declare (left out: '
        "Region) can be taken in as custom ones, for which `wonlost mapping suggest` writes commented lines."
    ]


@pytest.mark.parametrize(
    ("custom", "expected"),
    [
        ("", 1),
        ('region = "Region"', 1),
        ('region = { from = "Region", known = "closed" }', 1),
        ('region = { from = "Region", known = "created" }', 0),
    ],
)
def test_one_column_known_at_entry_is_enough(custom: str, expected: int, importer: Importer) -> None:
    mapping = f"{OUTCOME}[tables.opportunities.custom]\n{custom}\n"
    report = importer(deals("Id,Created,Closed on,Result,Region\n", "Won,North", "Lost,South"), mapping)
    assert len(loud(report, UNKNOWN)) == expected


def test_a_column_with_its_history_is_enough(importer: Importer) -> None:
    head = "opportunity_id,created_at,closed_at,stage,amount\n"
    files = deals(head, "Closed Won,5")
    assert len(loud(importer(files), UNKNOWN)) == 1
    changes = "opportunity_id,changed_at,field,new_value\n0,2024-01-05,amount,5\n"
    assert not loud(importer({**files, "field_changes.csv": changes}), UNKNOWN)
