"""How an export tells won from lost: stages with their pipeline, and true/false columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crm.errors import InputError, MappingError
from crm.importing import ImportReport
from crm.mapping import parse_mapping
from crm.store import Store

Importer = Callable[..., ImportReport]
Rows = Callable[..., list[dict[str, Any]]]
HUBSPOT = "Record ID,Create Date,Close Date,Deal Stage"
FLAGS = """
name = "flags"
[tables.opportunities.columns]
opportunity_id = "Id"
created_at = "Created"
closed_at = "Closed on"
outcome = { won = "Won?", lost = "Lost?", closed = "Closed?" }
"""


def hubspot(headers: str, *cells: str) -> dict[str, str]:
    rows = [f"{number},2024-01-01,2024-03-01,{row}\n" for number, row in enumerate(cells)]
    return {"all-deals.csv": f"{HUBSPOT}{headers}\n{''.join(rows)}"}


def test_closing_stages_of_any_pipeline_are_read(importer: Importer, rows: Rows, store: Store) -> None:
    stages = ("Closed won (Sales Pipeline)", "Closed Lost (Partner pipeline)", "Closed won", "Demo (Sales Pipeline)")
    importer(hubspot("", *stages), "hubspot")
    assert [row.get("outcome") for row in rows()] == ["won", "lost", "won", None]
    process = store.load().process
    assert process.won_stages == ("Closed won", "Closed won (Sales Pipeline)")
    assert process.lost_stages == ("Closed Lost (Partner pipeline)", "Closed lost")


@pytest.mark.parametrize(
    ("headers", "won", "lost", "still_open"),
    [
        (",Is Closed Won,Is deal closed?", "true,true", "false,true", "false,false"),
        (",Is Closed Won,Is Closed (numeric)", "true,1", "false,1", ",0"),
        (",Is Closed Lost,Is Closed (numeric)", "0,1", "1,1.0", "0,0.0"),
        (",Is Closed Won,Is Closed Lost", "TRUE,FALSE", "FALSE,TRUE", "FALSE,FALSE"),
        (",hs_is_closed_won,hs_is_closed_lost,hs_is_closed_count", "true,false,1", "false,true,1", "false,false,0"),
    ],
)
def test_flags_tell_the_outcome_of_deals_in_stages_of_any_name(
    headers: str, won: str, lost: str, still_open: str, importer: Importer, rows: Rows
) -> None:
    report = importer(hubspot(headers, f"Signed,{won}", f"Dead,{lost}", f"Demo,{still_open}"), "hubspot")
    assert [row.get("outcome") for row in rows()] == ["won", "lost", None]
    assert not any(file.left_out for file in report.files)


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ("1,1,1", "column 'Closed?', value '1': 'Closed?' and 'Won?' and 'Lost?' contradict each other"),
        ("1,0,0", "column 'Closed?', value '0': 'Closed?' and 'Won?' and 'Lost?' contradict each other"),
        ("0,0,1", "column 'Closed?', value '1': 'Closed?' and 'Won?' and 'Lost?' contradict each other"),
        (",,1", "column 'Closed?', value '1': 'Closed?' and 'Won?' and 'Lost?' each need true or false"),
        ("2,0,0", "column 'Won?', value '2': neither true nor false (true, false, yes, no, 1, 0)"),
    ],
)
def test_flags_that_tell_nothing_are_refused_by_their_headers(cells: str, error: str, importer: Importer) -> None:
    text = f"Id,Created,Closed on,Won?,Lost?,Closed?\na,2024-01-01,2024-02-01,{cells}\n"
    with pytest.raises(InputError) as caught:
        importer({"opportunities.csv": text}, FLAGS)
    assert str(caught.value) == f"opportunities.csv, row 2, {error}"


def test_one_flag_alone_is_refused_in_a_mapping() -> None:
    with pytest.raises(MappingError, match="one flag cannot tell: give two of won, lost and closed"):
        parse_mapping(FLAGS.replace('won = "Won?", lost = "Lost?", ', ""), "x")


def test_a_value_that_is_written_out_counts_before_one_with_a_star() -> None:
    text = 'name = "x"\n[process]\nwon = ["Closed*"]\nlost = ["Closed - lost"]\nopen = ["Re[*]"]\n'
    meaning = parse_mapping(text, "x").process.meaning
    assert [meaning(value) for value in ("closed_won", "Closed-Lost", "re[1]", "", "Rex", "Not closed")] == [
        "won", "lost", "open", "open", None, None,
    ]  # fmt: skip
