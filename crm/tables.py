"""What a store holds, in memory: typed columns, ready for sorting and searching.

Text columns are held as codes into a list of distinct values (`Coded`); times are microseconds since 1970 in UTC as
int64 (`NAT` where missing); money is float64 holding whole hundredths, numbers and booleans float64 (NaN for missing).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from crm.schema import TABLES, Kind, Known

if TYPE_CHECKING:
    import pandas as pd

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
CodeArray = NDArray[np.int32]

NAT = int(np.iinfo(np.int64).min)
"""A missing time."""
DAY = 86_400_000_000
"""One day, in microseconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLAIN_EPOCH = datetime(1970, 1, 1)


def micros(moment: datetime | date | str) -> int:
    """Microseconds since 1970 of a moment; a date means its 00:00 UTC, a time without a zone is taken as UTC."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    elif not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    delta = moment - (_EPOCH if moment.tzinfo else _PLAIN_EPOCH)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def moment(value: int) -> datetime:
    """The moment in UTC of a number of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


@dataclass(slots=True)  # not frozen, which takes twice as long to make: a request makes a hundred
class Coded:
    """A text column: `levels[codes[i]]` is the i-th value; code -1 is a missing one.

    Attributes:
        codes: int32, shape (n_rows,).
        levels: The distinct values, in any order; a level need not occur.
    """

    codes: CodeArray
    levels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    @classmethod
    def of(cls, values: Sequence[str | None]) -> Coded:
        """Encode values; None and the empty string are missing."""
        if values and values[0] and values.count(values[0]) == len(values):  # as of one row, or the deal of a table
            return cls(np.zeros(len(values), dtype=np.int32), (values[0],))
        index: dict[str, int] = {}
        codes = [index.setdefault(value, len(index)) if value else -1 for value in values]
        return cls(np.asarray(codes, dtype=np.int32), tuple(index))

    def strings(self) -> NDArray[np.object_]:
        """The values as strings, "" where missing, shape (n_rows,)."""
        lookup = np.array([*self.levels, ""], dtype=object)
        return lookup[self.codes]

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Coded:
        """The chosen rows, with the same levels."""
        return Coded(self.codes[rows], self.levels)


Values = Coded | FloatArray | IntArray
Columns = Mapping[str, Values]


def n_rows(columns: Columns) -> int:
    """Number of rows of a table."""
    if isinstance(columns, RowColumns):
        return columns.n_rows
    for values in columns.values():
        return len(values)
    return 0


_CODED = (Kind.ID, Kind.TEXT, Kind.CATEGORY)


def encode(kind: Kind, values: Sequence[object]) -> Values:
    """Typed array of plain values (str, microseconds, hundredths, float, bool, None) as the store holds them."""
    if kind in _CODED:
        return Coded.of(values)  # type: ignore[arg-type]
    if kind is Kind.TIME:
        if None in values:
            values = [NAT if value is None else value for value in values]
        return np.array(values, dtype=np.int64)
    return np.array(values, dtype=np.float64)  # None becomes NaN


class RowColumns(Mapping[str, Values]):
    """Columns of a table that is at hand as rows: each is brought to an array when it is first asked for.

    A column that no row fills is absent, as of an export that lacks it.

    Args:
        kinds: What each column holds.
        rows: Plain values by column, see `encode`; a column that a row lacks is missing there.
    """

    def __init__(self, kinds: Mapping[str, Kind], rows: Sequence[Mapping[str, object]]) -> None:
        self._kinds = kinds
        self._rows = rows
        self._encoded: dict[str, Values | None] = {}

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def take(self, rows: NDArray[np.int64]) -> RowColumns:
        """The chosen rows."""
        return RowColumns(self._kinds, [self._rows[row] for row in rows.tolist()])

    def get(self, name: str, default: Any = None) -> Any:
        """A column, or something else where it is absent."""
        if name not in self._encoded:
            try:
                values = [row[name] for row in self._rows]
            except KeyError:  # a custom column, that not all rows have
                values = [row.get(name) for row in self._rows]
            filled = name in self._kinds and values.count(None) < len(values)
            self._encoded[name] = encode(self._kinds[name], values) if filled else None
        found = self._encoded[name]
        return default if found is None else found

    def __getitem__(self, name: str) -> Values:
        found: Values | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._kinds if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True)
class Attribute:
    """A column of this company's data, standard or custom, and when it is known.

    Attributes:
        table: Table that it belongs to.
        name: Its name: a column of the schema, or a custom one.
        kind: What it holds.
        known: When it is known, as the mapping and the data at hand decide.
        custom: Whether it is the company's own.
        source: Header in the export, for people to recognise.
    """

    table: str
    name: str
    kind: Kind
    known: Known
    custom: bool
    source: str


TimeBasis = Literal["dates", "sequence", "none"]


@dataclass(frozen=True)
class Process:
    """How this company's sales process is read.

    Attributes:
        time_basis: `dates` (the usual), `sequence` (an ordering column instead of dates) or `none`.
        stages: Open stages in their order, where declared; () where not.
        won_stages: Stages that mean won.
        lost_stages: Stages that mean lost.
        snapshots: `weekly` (each Monday of a deal's open life) or `entry` (each deal once, as it was entered).
        simulated: Whether the data come from the simulator; said wherever they are shown.
    """

    time_basis: TimeBasis = "dates"
    stages: tuple[str, ...] = ()
    won_stages: tuple[str, ...] = ()
    lost_stages: tuple[str, ...] = ()
    snapshots: Literal["weekly", "entry"] = "weekly"
    simulated: bool = False

    @property
    def weekly(self) -> bool:
        """Whether deals are seen on every Monday of their open life, and not once; never without dates."""
        return self.time_basis == "dates" and self.snapshots == "weekly"


@dataclass(frozen=True)
class CrmData:
    """All that a store holds, in memory.

    Attributes:
        tables: Columns by table; a table that the company does not export is absent. Every present table has all
            columns of the schema that were mapped, and `opportunities` and `accounts` their custom ones.
        attributes: Every column at hand and when it is known.
        process: How the sales process is read.
        imported_at: Microseconds since 1970 of the last import.
    """

    tables: Mapping[str, Columns]
    attributes: tuple[Attribute, ...]
    process: Process = field(default_factory=Process)
    imported_at: int = NAT

    def known(self, table: str, name: str) -> Known | None:
        """When a column is known; None where the company does not have it."""
        for attribute in self.attributes:
            if attribute.table == table and attribute.name == name:
                return attribute.known
        return None

    def newest_event(self) -> int:
        """Time of the newest event that is not after the import, in microseconds; NAT where nothing is dated."""
        newest = NAT
        limit = self.imported_at if self.imported_at != NAT else np.iinfo(np.int64).max
        clocks = [("opportunities", "created_at"), ("opportunities", "closed_at")]
        clocks += [(name, table.clock) for name, table in TABLES.items() if table.clock and name != "notes"]
        for table, clock in clocks:
            times = self.tables.get(table, {}).get(clock)
            if isinstance(times, np.ndarray) and len(times):
                seen = times[times <= limit]
                newest = max(newest, int(seen.max())) if len(seen) else newest
        return newest

    def frame(self, table: str) -> pd.DataFrame:
        """One table as a DataFrame: strings, UTC times, amounts in currency units; for people and notebooks."""
        import pandas as pd  # takes a second, which commands that need no table save

        data: dict[str, object] = {}
        kinds = {a.name: a.kind for a in self.attributes if a.table == table}
        for name, values in self.tables[table].items():
            if isinstance(values, Coded):
                data[name] = pd.array(np.array([*values.levels, None], dtype=object)[values.codes], dtype="string")
            elif values.dtype == np.int64:
                data[name] = pd.to_datetime(pd.Series(values.view("M8[us]"))).dt.tz_localize("UTC")
            else:
                data[name] = values / 100 if kinds.get(name) is Kind.MONEY else values
        return pd.DataFrame(data)
