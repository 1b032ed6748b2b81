"""Exports that cannot be right: each is refused with one clear error, and nothing of it is kept."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from crm.errors import CrmError, InputError, MappingError, NothingImportedError
from crm.importing import ImportReport, import_export
from crm.mapping import load_mapping
from crm.store import Store

Importer = Callable[..., ImportReport]
HEAD = "opportunity_id,created_at,closed_at,stage,amount\n"
GOOD = HEAD + "a,2024-01-01,2024-03-01,Closed Won,5\n"
STRICT = """
name = "strict"
[process]
won = ["Won"]
lost = ["Lost"]
open = ["Pending"]
[tables.opportunities.columns]
opportunity_id = "Id"
created_at = "Entered"
closed_at = "Closed on"
outcome = "Result"
"""


def deal(created: str = "2024-01-01", closed: str = "2024-03-01", stage: str = "Closed Won", amount: str = "5") -> str:
    return f"{HEAD}x,2024-01-01,2024-03-01,Closed Won,1\na,{created},{closed},{stage},{amount}\n"


SIGN = "an amount with a currency sign; where that is meant, set currency_signs = true under [format]"
BRACKETS = "brackets around an amount; where they mean a minus, set currency_signs = true under [format]"
MARKS = "not a number as the mapping expects it; where it is one, set {} under [format]"
DATES = (
    "not a date or time as the mapping expects it (ISO 8601 (2024-03-31 or 2024-03-31T17:05:00Z)); "
    "set dates under [format]"
)
FUTURE = "after the time of this import; is the timezone under [format] that of the export?"
NUL = (
    "holds a NUL byte, which no text does; the file may be damaged, or in UTF-16: then set encoding under [format] of "
    "the mapping"
)
ROW = "opportunities.csv, row 3, column "

CELLS = [
    (deal(created="31/12/2023"), f"{ROW}'created_at', value '31/12/2023': {DATES}"),
    (deal(created="2024-02-30"), f"{ROW}'created_at', value '2024-02-30': {DATES}"),
    (deal(amount="$5"), f"{ROW}'amount', value '$5': {SIGN}"),
    (deal(amount="EUR 5"), f"{ROW}'amount', value 'EUR 5': {SIGN}"),
    (deal(amount="1.200.000"), f"{ROW}'amount', value '1.200.000': " + MARKS.format('decimal = ",", thousands = "."')),
    (deal(amount='"1,200.50"'), f"{ROW}'amount', value '1,200.50': " + MARKS.format('thousands = ","')),
    (deal(amount="(5)"), f"{ROW}'amount', value '(5)': {BRACKETS}"),
    (
        deal(amount='"(1.200,50)"'),
        f"{ROW}'amount', value '(1.200,50)': " + MARKS.format('decimal = ",", thousands = "."'),
    ),
    (deal(amount="a lot"), f"{ROW}'amount', value 'a lot': not a number"),
    (deal(amount="9" * 17), f"{ROW}'amount', value '{'9' * 17}': an amount too large to be one"),
    (deal(closed=""), f"{ROW}'closed_at': a won or lost deal needs the date it was closed"),
    (deal(created=""), f"{ROW}'created_at': a won or lost deal needs the date it was created"),
    (deal(closed="2023-12-30"), f"{ROW}'closed_at', value '2023-12-30': closed before it was created (2024-01-01)"),
    (deal(created="2024-06-02", stage="Demo"), f"{ROW}'created_at', value '2024-06-02': created {FUTURE}"),
    (deal(closed="2025-01-01"), f"{ROW}'closed_at', value '2025-01-01': closed {FUTURE}"),
    (
        deal(created="2024-01-01T10:00:00Z") + "b,2024-01-02T10:00:00,,Demo,1\n",
        "opportunities.csv, row 4, column 'created_at', value '2024-01-02T10:00:00': a time without an offset from UTC "
        "in a column that has times with one; write all of them in one way (those without are read in the timezone "
        "under [format])",
    ),
    (
        HEAD + ",2024-01-01,,Demo,\n",
        "opportunities.csv, row 2, column 'opportunity_id': empty, but every row needs one",
    ),
    (
        deal() + "x,2024-01-01,,Demo,1\n",
        "opportunities.csv, row 4, column 'opportunity_id', value 'x': the same id as row 2",
    ),
    (
        HEAD + "a,2024-01-01,,Demo\n",
        "opportunities.csv, row 2: has 4 cells, the header has 5; a cell that holds the separator must be quoted",
    ),
    (
        HEAD + '"a,2024-01-01,,Demo,1\nb,2024-01-01,,Demo,1\n',
        "opportunities.csv, row 2: the quotes of this record do not match (unexpected end of data)",
    ),
    (deal() + "b,2024-01-01,,De\0mo,1\n", f"opportunities.csv, row 4: {NUL}"),
    (HEAD.replace("stage", "st\0age"), f"opportunities.csv, row 1: {NUL}"),
    (
        deal() + " \t\nb,2024-01-01,,Demo,much\n",
        "opportunities.csv, row 5, column 'amount', value 'much': not a number",
    ),
    ("", "opportunities.csv: the file is empty: a header and records are needed"),
    (HEAD, "opportunities.csv: the file has a header but no records"),
]


@pytest.mark.parametrize(("text", "error"), CELLS, ids=[error.split(": ", 1)[1][:30] for _, error in CELLS])
def test_a_bad_value_is_named_and_nothing_kept(text: str, error: str, importer: Importer, store: Store) -> None:
    with pytest.raises(InputError) as caught:
        importer({"opportunities.csv": text})
    assert str(caught.value) == error
    with pytest.raises(NothingImportedError):
        store.load()
    assert store.last_import() == 0


def test_values_are_read_where_the_mapping_says_so(importer: Importer, store: Store) -> None:
    mapping = STRICT + 'amount = "Sum"\n[format]\nthousands = ","\ncurrency_signs = true\n'
    rows = ["$ 1,200.50", "-€5", "1200.505", "USD 1,000,000", "3 €", "1200.515"]
    text = "Id,Entered,Closed on,Result,Sum\n" + "".join(f'{n},2024-01-01,,,"{row}"\n' for n, row in enumerate(rows))
    importer({"opportunities.csv": text}, mapping)
    amounts = store.load().tables["opportunities"]["amount"]
    assert list(amounts) == [120050, -500, 120050, 100000000, 300, 120052]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("table", "text", "error"),
    [
        (
            "stage_changes",
            "opportunity_id,changed_at,to_stage\na,2024-01-01,Demo\nzz,2024-01-01,Demo\n",
            "opportunity_id",
        ),
        (
            "field_changes",
            "opportunity_id,changed_at,field\na,2024-01-01,amount\nzz,2024-01-01,amount\n",
            "opportunity_id",
        ),
        ("activities", "opportunity_id,occurred_at,type\na,2024-01-01,call\nzz,2024-01-01,call\n", "opportunity_id"),
        ("contact_roles", "opportunity_id,contact_id\na,c\nzz,c\n", "opportunity_id"),
        ("deal_products", "opportunity_id,product\na,p\nzz,p\n", "opportunity_id"),
        ("notes", "opportunity_id,text\na,t\nzz,t\n", "opportunity_id"),
    ],
)
def test_rows_of_unknown_deals_are_refused(table: str, text: str, error: str, importer: Importer) -> None:
    with pytest.raises(InputError) as caught:
        importer({"opportunities.csv": GOOD, f"{table}.csv": text})
    expected = f"{table}.csv, row 3, column '{error}', value 'zz': neither this export nor the store holds such a deal"
    assert str(caught.value) == expected


def test_rows_of_deals_imported_earlier_are_welcome(importer: Importer, store: Store) -> None:
    importer({"opportunities.csv": GOOD})
    importer({"notes.csv": "opportunity_id,text\na,too dear\n"})
    assert store.load().tables["notes"]["text"].levels == ("too dear",)  # type: ignore[union-attr]


def test_rows_of_unknown_deals_are_left_out_where_the_mapping_says_so(importer: Importer) -> None:
    mapping = STRICT + '[tables.notes]\nunknown_deals = "leave_out"\nwhere = { "Kind" = ["lo*"] }\n'
    mapping += '[tables.notes.columns]\nopportunity_id = "Deal"\ntext = "Text"\n'
    files = {
        "opportunities.csv": "Id,Entered,Closed on,Result\na,2024-01-01,,pending\n",
        "notes.csv": "Deal,Text,Kind\na,x,Loss\nzz,x,Loss\na,x,Win\n",
    }
    report = importer(files, mapping)
    assert [(table.rows, table.left_out) for table in report.tables] == [(1, 0), (1, 2)]
    assert "notes: 2 rows left out, as the mapping says." in report.warnings


@pytest.mark.parametrize("table", ["stage_changes", "field_changes", "notes"])
def test_events_after_the_import_are_refused(table: str, importer: Importer) -> None:
    text = {
        "stage_changes": "opportunity_id,changed_at,to_stage\na,2025-01-01,Demo\n",
        "field_changes": "opportunity_id,changed_at,field\na,2025-01-01,amount\n",
        "notes": "opportunity_id,written_at,text\na,2025-01-01,x\n",
    }[table]
    with pytest.raises(InputError, match=r"value '2025-01-01': dated after the time of this import"):
        importer({"opportunities.csv": GOOD, f"{table}.csv": text})


def test_an_unreadable_value_of_a_change_is_named(importer: Importer) -> None:
    text = "opportunity_id,changed_at,field,new_value\na,2024-01-01,stage,x\na,2024-01-01,amount,much\n"
    with pytest.raises(InputError) as caught:
        importer({"opportunities.csv": GOOD, "field_changes.csv": text})
    assert str(caught.value) == "field_changes.csv, row 3, column 'new_value', value 'much': not a number"


def test_an_unknown_outcome_is_refused(importer: Importer) -> None:
    with pytest.raises(InputError) as caught:
        importer({"opportunities.csv": "Id,Entered,Closed on,Result\na,2024-01-01,2024-02-01,Maybe\n"}, STRICT)
    assert str(caught.value) == (
        "opportunities.csv, row 2, column 'Result', value 'Maybe': not one of the outcomes under [process] of the "
        "mapping: won = 'Won'; lost = 'Lost'; open = 'Pending', '(empty)'"
    )


def test_a_missing_header_is_named_with_the_nearest(importer: Importer) -> None:
    with pytest.raises(InputError) as caught:
        importer({"opportunities.csv": "Id,Entered,Closing,Result\na,2024-01-01,,\n"}, STRICT)
    assert str(caught.value) == (
        "opportunities.csv, row 1: no header 'Closed on' (for opportunities.closed_at); nearest present: 'Closing'"
    )


def test_no_file_that_fits_is_an_error_of_the_mapping(importer: Importer) -> None:
    with pytest.raises(MappingError) as caught:
        importer({"whatever.csv": "Id,Entered,Result\na,2024-01-01,\n"}, STRICT)
    assert "whatever.csv: no header 'Closed on' (for closed_at); nearest present:" in str(caught.value)


def test_a_header_that_comes_twice_is_refused(importer: Importer) -> None:
    with pytest.raises(InputError, match="column 'Id': this header occurs more than once"):
        importer({"opportunities.csv": "Id,Entered,Closed on,Result,Id\na,2024-01-01,,,b\n"}, STRICT)


def test_duplicate_ids_across_files_name_both(importer: Importer) -> None:
    mapping = STRICT.replace(
        "[tables.opportunities.columns]", '[tables.opportunities]\nfiles = ["part*"]\n[tables.opportunities.columns]'
    )
    text = "Id,Entered,Closed on,Result\na,2024-01-01,,\n"
    with pytest.raises(InputError) as caught:
        importer({"part1.csv": text, "part2.csv": text}, mapping)
    assert str(caught.value) == "part2.csv, row 2, column 'Id', value 'a': the same id as row 2 of part1.csv"


@pytest.mark.parametrize("compressed", [False, True])
def test_another_encoding_names_byte_row_and_setting(compressed: bool, importer: Importer, store: Store) -> None:
    content = (deal() + "b,2024-01-01,,Vorschläge,1\n").encode("cp1252")
    offset = content.index(b"\xe4")
    name = "opportunities.csv.gz" if compressed else "opportunities.csv"
    with pytest.raises(InputError) as caught:
        importer({name: gzip.compress(content) if compressed else content})
    assert str(caught.value) == (
        f"{name}, row 4, column 'stage', value 'Vorschl\ufffdge': byte {offset} is not utf-8; "
        "set encoding under [format] of the mapping (cp1252 is usual for exports of Excel)"
    )
    text = 'encoding = "cp1252"'
    mapping = STRICT + f"[format]\n{text}\n"
    importer({"opportunities.csv": "Id,Entered,Closed on,Result\nä,2024-01-01,,\n".encode("cp1252")}, mapping)
    assert store.load().tables["opportunities"]["opportunity_id"].levels == ("ä",)  # type: ignore[union-attr]


def test_utf_16_is_recognised_and_named(importer: Importer) -> None:
    with pytest.raises(InputError, match=r"byte 0 is not utf-8; set encoding .* \(it begins like utf-16\)"):
        importer({"opportunities.csv": GOOD.encode("utf-16")})


def test_a_nul_in_a_parquet_file_is_named(folder: Callable[..., Path], store: Store) -> None:
    path = folder({}) / "opportunities.parquet"
    cells = {"opportunity_id": ["a", "b"], "created_at": ["2024-01-01"] * 2, "closed_at": ["", ""]}
    pd.DataFrame({**cells, "stage": ["Demo", "De\0mo"]}).to_parquet(path)
    with pytest.raises(InputError) as caught:
        import_export([path], load_mapping("wonlost"), store)
    assert str(caught.value) == f"opportunities.parquet, row 3, column 'stage': {NUL}"


def test_a_damaged_file_is_refused(importer: Importer) -> None:
    whole = gzip.compress((GOOD + "b,2024-01-01,,Demo,1\n" * 1000).encode())
    with pytest.raises(InputError, match=r"opportunities\.csv\.gz: the file cannot be read"):
        importer({"opportunities.csv.gz": whole[:-20]})


def test_problems_beyond_the_first_twenty_are_counted(importer: Importer) -> None:
    rows = "".join(f"d{n},2024-01-01,,Closed Won,x\n" for n in range(40))
    with pytest.raises(InputError) as caught:
        importer({"opportunities.csv": HEAD + rows})
    error = caught.value
    assert (len(error.problems), error.total) == (20, 80)
    assert [problem.row for problem in error.problems] == sorted(problem.row or 0 for problem in error.problems)
    assert str(error).endswith("... and 60 more of this import")


def test_a_bad_later_export_leaves_the_store_as_it_was(importer: Importer, store: Store) -> None:
    importer({"opportunities.csv": GOOD})
    before = store.load()
    with pytest.raises(InputError):
        importer({"opportunities.csv": GOOD.replace("Closed Won", "Demo") + "b,never,,Demo,1\n"})
    after = store.load()
    assert (after.attributes, after.imported_at, store.last_import()) == (before.attributes, before.imported_at, 1)
    assert after.frame("opportunities").equals(before.frame("opportunities"))


def test_paths_that_hold_nothing_are_refused(store: Store, tmp_path: Path) -> None:
    rules = load_mapping("wonlost")
    (tmp_path / "empty").mkdir()
    (tmp_path / "deals.xlsx").write_bytes(b"x")
    for path, reason in (
        (tmp_path / "nowhere", "there is no such file or folder"),
        (tmp_path / "empty", "no .csv, .csv.gz, .parquet file in this folder"),
        (tmp_path / "deals.xlsx", "not a .csv, .csv.gz, .parquet file"),
    ):
        with pytest.raises(CrmError) as caught:
            import_export([path], rules, store)
        assert str(caught.value) == f"{path}: {reason}"
