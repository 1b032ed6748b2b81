from __future__ import annotations

import csv
import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.tables import Coded
from features.matrix import FeatureMatrix
from models.scoring import Scores
from wonlost.csv_cells import neutral, neutral_frame
from wonlost.scores_file import write_scores


def make_scores(ids: list[str]) -> Scores:
    """Scores of deals by a model without features."""
    n = len(ids)
    p = np.full(n, 0.5)
    band = Coded(np.zeros(n, np.int32), ("low",))
    model = SimpleNamespace(described={}, features=())
    none = np.zeros((n, 0))
    return Scores(tuple(ids), None, p, p, p, band, False, FeatureMatrix({}, n), none, np.ones(n), 0.0, 0.5, 0.0, model)


@pytest.mark.parametrize(
    "cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\uff1d1", "-"]
)
def test_a_formula_is_no_formula_any_more(cell: str) -> None:
    assert neutral(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "price", "-5.2", "+3", "-1e-7", "a=b", "3 - 2", "'=1", "006-=1"])
def test_other_cells_stay(cell: str) -> None:
    assert neutral(cell) == cell


@given(st.text(alphabet="=+-@\t\r\n ab1.'\"|\uff1d", max_size=20))
def test_what_a_spreadsheet_reads_begins_with_no_sign_unless_it_is_a_number(cell: str) -> None:
    begins = neutral(cell).strip(" ")[:1]
    assert begins not in {"=", "@", "\t", "\r", "\n", "\uff1d"}
    if begins in {"+", "-"}:
        float(neutral(cell))
    assert neutral(neutral(cell)) == neutral(cell)


def test_a_table_keeps_numbers_missing_cells_and_its_dtypes() -> None:
    frame = pd.DataFrame({"id": ["=1", "b", None], "p": [-0.5, 0.1, float("nan")], "n": [-1, 2, 3]})
    made = neutral_frame(frame)
    written = io.StringIO()
    made.to_csv(written, index=False)
    assert list(csv.reader(io.StringIO(written.getvalue())))[1:] == [
        ["'=1", "-0.5", "-1"],
        ["b", "0.1", "2"],
        ["", "", "3"],
    ]
    assert made["p"].dtype == frame["p"].dtype
    assert list(made.columns) == list(frame.columns)


def test_scores_written_as_csv_run_nothing_and_as_parquet_stay_as_they_are(tmp_path: Path) -> None:
    one = make_scores(["=HYPERLINK(1)", "plain"])
    write_scores([one], 1, tmp_path / "scores.csv", 1, timed=False)
    write_scores([one], 1, tmp_path / "scores.parquet", 1, timed=False)
    assert list(pd.read_csv(tmp_path / "scores.csv")["opportunity_id"]) == ["'=HYPERLINK(1)", "plain"]
    assert list(pd.read_parquet(tmp_path / "scores.parquet")["opportunity_id"]) == ["=HYPERLINK(1)", "plain"]
