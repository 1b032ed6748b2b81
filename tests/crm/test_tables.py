from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.schema import Kind
from crm.tables import NAT, Coded, RowColumns, encode, n_rows

KINDS = {"id": Kind.ID, "at": Kind.TIME, "amount": Kind.MONEY, "note": Kind.TEXT}
ROWS = [{"id": "a", "at": 5, "amount": 100}, {"id": "b", "at": None, "amount": None}, {"id": None, "at": 7}]


@given(st.lists(st.sampled_from(["x", "y", "", None])))
def test_text_comes_back_as_it_was(values: list[str | None]) -> None:
    coded = Coded.of(values)
    assert coded.strings().tolist() == [value or "" for value in values]
    assert set(coded.levels) == {value for value in values if value}
    assert len(set(coded.levels)) == len(coded.levels)
    assert coded.codes.dtype == np.int32


def test_rows_become_the_columns_that_they_fill() -> None:
    columns = RowColumns(KINDS, ROWS)
    assert list(columns) == ["id", "at", "amount"]
    assert len(columns) == 3
    assert n_rows(columns) == 3
    ids = columns["id"]
    assert isinstance(ids, Coded)
    assert ids.strings().tolist() == ["a", "b", ""]
    np.testing.assert_array_equal(columns["at"], np.array([5, NAT, 7]))
    np.testing.assert_array_equal(columns["amount"], encode(Kind.MONEY, [100, None, None]))
    assert columns["at"] is columns["at"]  # worked out once


@pytest.mark.parametrize("name", ["note", "nowhere"])
def test_a_column_that_no_row_fills_is_absent(name: str) -> None:
    columns = RowColumns(KINDS, ROWS)
    assert name not in columns
    assert columns.get(name) is None
    with pytest.raises(KeyError, match=name):
        columns[name]


def test_chosen_rows_have_only_their_own_levels() -> None:
    columns = RowColumns(KINDS, ROWS).take(np.array([1]))
    ids = columns["id"]
    assert isinstance(ids, Coded)
    assert ids.levels == ("b",)
    assert list(columns) == ["id"]
    assert n_rows(RowColumns(KINDS, [])) == 0
    assert list(RowColumns(KINDS, [])) == []
