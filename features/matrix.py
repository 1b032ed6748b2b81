"""The feature matrix: one row per (deal, as_of), ordered by deal id and moment."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm.tables import DAY, NAT, Coded, CrmData, FloatArray, IntArray
from features.history import History
from features.moments import Moments
from features.records import NEVER
from features.registry import Feature

WEEK = 7 * DAY
UNDATED = 0
"""The as_of of rows of an export without dates: there is one moment only, the deal's entry."""
_AT_ONCE = 1 << 15
"""Pairs that are worked on together: few enough that their numbers stay in the processor's cache."""
_THREADS = 2
"""Parts that are worked on at a time."""


@dataclass(frozen=True)
class Snapshots:
    """Pairs (deal, as_of), ordered by deal and moment.

    Attributes:
        deal: Code of the deal in its `History`, shape (n_pairs,).
        as_of: Microseconds, shape (n_pairs,).
    """

    deal: IntArray
    as_of: IntArray

    def __len__(self) -> int:
        return len(self.deal)

    def take(self, rows: IntArray | NDArray[np.bool_]) -> Snapshots:
        """The chosen pairs."""
        return Snapshots(self.deal[rows], self.as_of[rows])


@dataclass(frozen=True)
class FeatureMatrix:
    """Features of pairs, by column.

    Attributes:
        columns: Values by feature name, shape (n_pairs,): float64, or `Coded` for categories.
        n_rows: Number of pairs.
    """

    columns: dict[str, FloatArray | Coded]
    n_rows: int

    def take(self, rows: IntArray | NDArray[np.bool_]) -> FeatureMatrix:
        """The chosen rows."""
        taken = {
            name: values.take(rows) if isinstance(values, Coded) else values[rows]
            for name, values in self.columns.items()
        }
        return FeatureMatrix(taken, int(rows.sum()) if rows.dtype == bool else len(rows))

    def followed_by(self, other: FeatureMatrix) -> FeatureMatrix:
        """These rows and then those of another matrix of the same history, which has the same columns and levels."""
        columns: dict[str, FloatArray | Coded] = {}
        for name, values in self.columns.items():
            more = other.columns[name]
            if isinstance(values, Coded) and isinstance(more, Coded):
                if values.levels != more.levels:
                    raise ValueError(f"feature {name!r} has other levels in the other matrix")
                columns[name] = Coded(np.concatenate([values.codes, more.codes]), values.levels)
            else:
                assert not isinstance(values, Coded)
                assert not isinstance(more, Coded)
                columns[name] = np.concatenate([values, more])
        return FeatureMatrix(columns, self.n_rows + other.n_rows)

    def frame(self) -> pd.DataFrame:
        """As a DataFrame: float64 columns, and text columns as plain strings with None for missing."""
        data: dict[str, object] = {}
        for name, values in self.columns.items():
            if isinstance(values, Coded):
                data[name] = pd.Series(np.array([*values.levels, None], dtype=object)[values.codes], dtype=object)
            else:
                data[name] = values
        return pd.DataFrame(data, index=range(self.n_rows))

    @classmethod
    def of_frame(cls, frame: pd.DataFrame) -> FeatureMatrix:
        """From a DataFrame such as `frame()` gives; columns of any other type than numbers are read as text."""
        columns: dict[str, FloatArray | Coded] = {}
        for name in frame.columns:
            series = frame[name]
            if pd.api.types.is_numeric_dtype(series):
                columns[str(name)] = series.to_numpy(dtype=np.float64)
            else:
                columns[str(name)] = Coded.of([None if pd.isna(value) else str(value) for value in series])
        return cls(columns, len(frame))


def build_matrix(history: History, features: Sequence[Feature], pairs: Snapshots) -> FeatureMatrix:
    """Values of features at pairs.

    Args:
        history: The deals.
        features: What to compute; one whose needs the data lack is all missing.
        pairs: Where.
    """
    sources = history.sources

    def answers(part: slice) -> Iterator[tuple[str, FloatArray | Coded]]:
        moments = Moments(history, pairs.deal[part], pairs.as_of[part])
        for item in features:
            yield item.name, item.compute(moments) if sources.issuperset(item.needs) else _missing(item, moments)

    if len(pairs) <= _AT_ONCE:
        return FeatureMatrix(dict(answers(slice(None))), len(pairs))
    columns: dict[str, FloatArray | Coded] = {}

    def fill(start: int) -> None:
        part = slice(start, start + _AT_ONCE)
        for name, values in answers(part):
            if name not in columns:
                columns[name] = _room(values, len(pairs))
            whole = columns[name]
            if isinstance(values, Coded) and isinstance(whole, Coded):
                whole.codes[part] = values.codes
            elif not isinstance(values, Coded) and not isinstance(whole, Coded):
                whole[part] = values

    fill(0)  # sorts the events and sums them up, so that the threads find that done
    with ThreadPoolExecutor(_THREADS) as pool:  # NumPy lets others work while it is busy with an array
        list(pool.map(fill, range(_AT_ONCE, len(pairs), _AT_ONCE)))
    return FeatureMatrix(columns, len(pairs))


def _missing(item: Feature, moments: Moments) -> FloatArray | Coded:
    if item.is_category:
        return Coded(np.full(len(moments), -1, dtype=np.int32), ())
    return np.full(len(moments), np.nan)


def _room(values: FloatArray | Coded, n_rows: int) -> FloatArray | Coded:
    """A column of the same form; the levels of a category are the same in all parts."""
    if isinstance(values, Coded):
        return Coded(np.empty(n_rows, dtype=np.int32), values.levels)
    return np.empty(n_rows, dtype=np.float64)


def open_at(history: History, as_of: int) -> Snapshots:
    """Every deal open at a moment: entered before it, and not closed before it, or reopened since.

    Where snapshots are taken at entry, each is seen as it was entered, as in training. Of an export without dates,
    every open deal.
    """
    if history.crm.process.time_basis == "dates":
        everyone = np.arange(history.n_deals, dtype=np.int64)
        deals = everyone[history.is_open(everyone, np.full(history.n_deals, as_of, dtype=np.int64))]
        if history.crm.process.snapshots == "entry":
            return Snapshots(deals, history.created[deals])
        return Snapshots(deals, np.full(len(deals), as_of, dtype=np.int64))
    deals = np.flatnonzero(history.closed == NEVER).astype(np.int64)
    return Snapshots(deals, np.full(len(deals), UNDATED, dtype=np.int64))


def pair_of(history: History, deal: int, as_of: int) -> Snapshots:
    """One deal at a moment, as its features want it: see `open_at`."""
    process = history.crm.process
    when = UNDATED if process.time_basis != "dates" else as_of
    if process.time_basis == "dates" and process.snapshots == "entry":
        when = int(history.created[deal])
    return Snapshots(np.array([deal], dtype=np.int64), np.array([when], dtype=np.int64))


def mondays(start: int, end: int) -> IntArray:
    """Mondays 00:00 UTC in [start, end), in microseconds."""
    first = start - (start - 4 * DAY) % WEEK  # 1970-01-05 was a Monday
    first += WEEK if first < start else 0
    return np.arange(first, end, WEEK, dtype=np.int64)


def grid(history: History, end: int, *, start: int | None = None) -> Snapshots:
    """Training snapshots: each deal on every Monday of its open life in [start, end), strictly before its close.

    That is the population a rep sees on a random Monday, so each row counts once. With `snapshots = "entry"` in the
    mapping, and for exports without dates, each deal once: as it was entered.

    Args:
        history: The deals.
        end: Microseconds; no row lies at or after it.
        start: Microseconds; by default from the first deal on.
    """
    if history.crm.process.time_basis != "dates":
        deals = np.arange(history.n_deals, dtype=np.int64)
        return Snapshots(deals, np.full(len(deals), UNDATED, dtype=np.int64))
    born = np.where(history.created == NAT, NEVER, history.created)
    if history.crm.process.snapshots == "entry":
        inside = (born < end) & (born >= (start if start is not None else NAT))
        deals = np.flatnonzero(inside).astype(np.int64)
        return Snapshots(deals, born[deals])
    if not np.any(born < end):
        return Snapshots(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    days = mondays(int(born.min()) if start is None else start, end)
    first = np.searchsorted(days, born, side="right")  # a Monday strictly after entry: entered *before* it
    last = np.searchsorted(days, history.closed, side="left")  # and strictly before the close
    n = np.maximum(last - first, 0)
    deals = np.repeat(np.arange(history.n_deals, dtype=np.int64), n)
    within = np.arange(len(deals)) - np.repeat(np.cumsum(n) - n, n)
    pairs = Snapshots(deals, days[np.repeat(first, n) + within])
    return pairs.take(history.is_open(pairs.deal, pairs.as_of)) if len(history.lapses) else pairs


def default_as_of(crm: CrmData) -> int:
    """The day by which everything imported is known: the first 00:00 UTC after the newest event not after the import.

    An export without dates knows no such day: the time of import stands for it.
    """
    newest = crm.newest_event()
    return crm.imported_at if newest == NAT else (newest // DAY + 1) * DAY
