"""Rows of one of a company's tables, or some of them, whose columns are brought together only when asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from crm.schema import TABLES, Kind
from crm.tables import NAT, Coded, Columns, FloatArray, IntArray, RowColumns, Values, n_rows
from features.fields import compact, ranks

TEXT = (Kind.ID, Kind.TEXT, Kind.CATEGORY)
"""Kinds of columns that are held as codes."""


class Rows:
    """Some rows of a table; a column of the schema that the export lacks is missing throughout.

    Args:
        table: Name of the table.
        columns: All its columns at hand.
        chosen: Places of the rows, shape (n_rows,); all by default.
    """

    def __init__(self, table: str, columns: Columns, chosen: IntArray | None = None) -> None:
        self.table = table
        self._columns = columns
        self._chosen = chosen
        self._taken: dict[str, Values] = {}

    def __len__(self) -> int:
        return n_rows(self._columns) if self._chosen is None else len(self._chosen)

    def take(self, places: NDArray[np.intp]) -> Rows:
        """The chosen ones of these rows."""
        if isinstance(self._columns, RowColumns):
            return Rows(self.table, self._columns.take(places))
        chosen = places.astype(np.int64, copy=False) if self._chosen is None else self._chosen[places]
        return Rows(self.table, self._columns, chosen)

    def compacted(self, *columns: str) -> Rows:
        """These rows, with text columns that lack the levels which no row has."""
        if not isinstance(self._columns, RowColumns):  # those are made of these rows alone
            for name in columns:
                self._taken[name] = compact(self.text(name))
        return self

    def values(self, name: str) -> Values:
        """A column, shape (n_rows,)."""
        if name not in self._taken:
            values = self._columns.get(name)
            if values is None:
                values = missing(TABLES[self.table].columns()[name].kind, len(self))
            elif self._chosen is not None:
                values = take(values, self._chosen)
            self._taken[name] = values
        return self._taken[name]

    def text(self, name: str) -> Coded:
        """A text column."""
        values = self.values(name)
        assert isinstance(values, Coded), name
        return values

    def times(self, name: str) -> IntArray:
        """A column of times in microseconds."""
        values = self.values(name)
        assert not isinstance(values, Coded), name
        return values.astype(np.int64, copy=False)

    def ties(self, *but: str) -> Iterator[NDArray[np.generic]]:
        """What orders rows of one instant: every column but some, numbers (such as a sequence) before text by rank."""
        found = [self.values(name) for name in TABLES[self.table].columns() if name not in but]
        yield from (values for values in found if not isinstance(values, Coded) and values.dtype == np.float64)
        for values in found:
            if isinstance(values, Coded):
                if values.levels:
                    yield ranks(values)
            elif values.dtype != np.float64:
                yield values


def take(values: Values, rows: IntArray) -> Values:
    """The chosen rows of a column."""
    return values.take(rows) if isinstance(values, Coded) else values[rows]


def missing(kind: Kind, size: int) -> Values:
    """A column without any value, as the store holds its kind."""
    if kind in TEXT:
        return Coded(np.full(size, -1, dtype=np.int32), ())
    return np.full(size, NAT, dtype=np.int64) if kind is Kind.TIME else np.full(size, np.nan)


def among(column: Coded, names: Collection[str]) -> NDArray[np.bool_]:
    """Whether each value is one of some."""
    found = [code for code, level in enumerate(column.levels) if level in names]
    if len(found) < 2:
        return np.equal(column.codes, found[0]) if found else np.zeros(len(column), dtype=bool)
    table = np.zeros(len(column.levels) + 1, dtype=bool)
    table[found] = True
    return table[column.codes]


def lookup(column: Coded, numbers: Mapping[str, int]) -> FloatArray:
    """The number of each value; NaN where it has none."""
    table = np.array([*(numbers.get(level, np.nan) for level in column.levels), np.nan])
    return table[column.codes]
