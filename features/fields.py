"""A column of a deal as it stood at any past moment, rebuilt from its changes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from crm.schema import Kind
from crm.tables import NAT, CodeArray, Coded, FloatArray, IntArray, micros
from features.asof import Events
from features.asof_once import look_back

_FEW = 64
"""Up to so many values are gone through one by one: those of the deal of a request."""


_TRUTH = {"true": 1.0, "1": 1.0, "yes": 1.0, "false": 0.0, "0": 0.0, "no": 0.0}


@dataclass(frozen=True)
class Field:
    """One column of all deals, with its changes where they are known.

    The value at as_of is the last new value strictly before it; where no change lies before, the old value of the
    first change; where the column never changed, the value as it stands. An expected close date is special: a CRM
    overwrites it with the closing time when the deal closes, so it counts only from recorded changes on (`current`
    all missing, `trust_old` False), the same for open and closed deals.

    Attributes:
        kind: What the column holds.
        current: Value by deal as it stands, shape (n_deals,): codes for text, float64 for all else.
        levels: Levels of the codes; () for numbers.
        changes: Its changes by deal with columns `old` and `new` of the same form; None where it is fixed at entry.
        trust_old: Whether the old value of the first change tells the value before it.
    """

    kind: Kind
    current: CodeArray | FloatArray
    levels: tuple[str, ...]
    changes: Events | None = None
    trust_old: bool = True

    @property
    def is_category(self) -> bool:
        """Whether the values are codes into `levels`."""
        return self.kind in (Kind.ID, Kind.TEXT, Kind.CATEGORY)

    def numbers(self, deal: IntArray, as_of: IntArray) -> FloatArray:
        """Values of a number column at the pairs, shape (n_pairs,), NaN where missing; times in microseconds."""
        values: FloatArray = self.current[deal].astype(np.float64, copy=False)
        if self.changes is None or not len(self.changes):
            return values
        return look_back(self.changes, deal, as_of).stood(values, trust_old=self.trust_old)

    def codes(self, deal: IntArray, as_of: IntArray) -> CodeArray:
        """Codes of a text column at the pairs, shape (n_pairs,), -1 where missing."""
        values: CodeArray = self.current[deal].astype(np.int32, copy=False)
        if self.changes is None or not len(self.changes):
            return values
        return look_back(self.changes, deal, as_of).stood(values, trust_old=self.trust_old)


def union(*columns: Coded) -> tuple[tuple[str, ...], list[CodeArray]]:
    """Codes of several text columns in one common, sorted list of levels."""
    levels = tuple(sorted(set().union(*(column.levels for column in columns))))
    index = {level: code for code, level in enumerate(levels)}
    return levels, [translated(column.codes, column.levels, index) for column in columns]


def linked(old: Coded, new: Coded) -> tuple[IntArray, IntArray]:
    """Codes of what changes start from and lead to, in common levels; -1 where there was no value."""
    _, (before, after) = union(old, new)
    return before.astype(np.int64), after.astype(np.int64)


def recode(column: Coded, levels: Iterable[str]) -> CodeArray:
    """Codes of a text column in other levels; a value that those lack becomes missing."""
    levels = tuple(levels)
    if column.levels == levels:
        return column.codes
    return translated(column.codes, column.levels, {level: code for code, level in enumerate(levels)})


def translated(codes: CodeArray, levels: tuple[str, ...], index: Mapping[str, int]) -> CodeArray:
    """Codes of some levels as other codes; -1 where missing, or where a level has none."""
    table = np.array([*(index.get(level, -1) for level in levels), -1], dtype=np.int32)
    return table[codes]


def ranks(column: Coded) -> IntArray:
    """Rank of each value in string order (-1 where missing): the same however the levels are ordered."""
    order = {level: rank for rank, level in enumerate(sorted(column.levels))}
    table = np.array([*(order[level] for level in column.levels), -1], dtype=np.int64)
    return table[column.codes]


def compact(column: Coded) -> Coded:
    """The same values without the levels that none of them has: those of other fields, in a column of changes."""
    if len(column) <= _FEW:
        return Coded.of([column.levels[code] if code >= 0 else None for code in column.codes.tolist()])
    used = np.flatnonzero(np.bincount(column.codes[column.codes >= 0], minlength=1))
    if not len(used) or len(used) == len(column.levels):
        return column if len(used) else Coded(column.codes, ())
    table = np.full(len(column.levels) + 1, -1, dtype=np.int32)
    table[used] = np.arange(len(used))
    return Coded(table[column.codes], tuple(column.levels[code] for code in used.tolist()))


def parse(kind: Kind, text: Coded) -> FloatArray:
    """Numbers of a text column of changes: hundredths for money, microseconds for times, NaN where unreadable."""
    if not text.levels:
        return np.full(len(text), np.nan)
    if kind is Kind.TIME or kind is Kind.BOOLEAN:
        numbers = [_number(kind, level) for level in text.levels]
    else:
        try:
            numbers = list(map(float, text.levels))
        except ValueError:
            numbers = [_number(kind, level) for level in text.levels]
    table = np.array([*numbers, np.nan])
    if kind is Kind.MONEY:
        table = np.where(np.isfinite(table), np.rint(table * 100), np.nan)
    return table[text.codes]


def readable(kind: Kind, text: str) -> bool:
    """Whether `parse` finds a number in a text."""
    number = _number(kind, text)
    return math.isfinite(number) if kind is Kind.MONEY else number == number


def _number(kind: Kind, text: str) -> float:
    try:
        if kind is Kind.TIME:
            return float(micros(text))
        if kind is Kind.BOOLEAN:
            return _TRUTH.get(text.lower(), np.nan)
        return float(text)
    except (ValueError, OverflowError):
        return float("nan")


def as_floats(values: FloatArray | IntArray) -> FloatArray:
    """Numbers as float64; times as float64 microseconds, NaN where missing."""
    if values.dtype == np.int64:
        return np.where(values == NAT, np.nan, values.astype(np.float64))
    return values.astype(np.float64)
