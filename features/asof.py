"""The as-of algebra: questions about events, asked at many pairs (key, as_of) at once, that cannot see the future.

Events are kept as arrays sorted by (key, time). A question about a pair looks only at the events of its key with a time
strictly before its as_of; their end is found by binary search, and counts, sums and last values come from prefix sums
and running maxima over the sorted arrays. What lies at or after as_of is never touched, so leak safety is a property of
these primitives and not of the care of whoever writes a feature.

Strict, because exports often carry dates without times: an event dated on a day counts from the next day's 00:00 on.

Everything that is summed is a whole number (money in hundredths, counts, flags): a float prefix sum over all keys would
change its last bits for one key when the future of another is cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from crm.tables import DAY, NAT, CodeArray, Coded, FloatArray, IntArray, Values
from features.ordering import Links, Ties, few_in_order, first_places, in_order, joint_codes

BoolArray = NDArray[np.bool_]
Value = TypeVar("Value", CodeArray, FloatArray)
Column = Values | BoolArray | Callable[["Events"], BoolArray]
_FEW = 4
"""Up to so many pairs are searched for one by one: the deal of a request."""
_SHORT = 128
"""Up to so many events are put in order one by one: those of the deal of a request."""


class Events:
    """Dated events of one kind, sorted by (key, time), ready for questions.

    Args:
        key: Code of the deal, owner, account, ... that an event belongs to, shape (n_events,); events with a negative
            code are dropped.
        time: When it happened, in microseconds, shape (n_events,); events without a time are dropped.
        n_keys: Number of keys; every code is below it.
        ties: Gives the arrays that order events of the same key and time, the most significant first; called only if
            there are any. Whatever is left tied must be equal in every column, or the order of input rows would show.
        columns: Values of the events, each of shape (n_events,); a flag may come as a function
            that tells it from the other columns in sorted order.
    """

    def __init__(
        self,
        key: CodeArray | IntArray,
        time: IntArray,
        n_keys: int,
        *,
        ties: Ties | None = None,
        links: Links | None = None,
        columns: Mapping[str, Column] | None = None,
    ) -> None:
        self.n_keys = n_keys
        self.key: CodeArray
        self.time: IntArray
        self.starts: IntArray
        self._rows: CodeArray | None
        if len(key) <= _SHORT:
            self._rows, self.key, self.time = few_in_order(key, time, ties, links)
        else:
            keep = (key >= 0) & (time != NAT)
            self._rows, self.key, self.time = in_order(key, time, np.flatnonzero(keep), ties, links)
        self._given = dict(columns or {})
        self._columns: dict[str, Values | BoolArray] = {}
        if n_keys == 1:
            self.starts = np.array([0, len(self.key)])
        else:
            self.starts = np.zeros(n_keys + 1, dtype=np.int64)
            np.cumsum(np.bincount(self.key, minlength=n_keys), out=self.starts[1:])
        self._prefix: dict[str, IntArray | CodeArray] = {}
        self._previous: dict[str, CodeArray] = {}
        self._firsts: dict[str, CodeArray] = {}

    def __len__(self) -> int:
        return len(self.time)

    def __contains__(self, column: str) -> bool:
        return column in self._columns or column in self._given

    def values(self, column: str) -> Values | BoolArray:
        """A column in sorted order, shape (n_events,); brought to that order when it is first asked for."""
        ordered = self._columns.get(column)
        if ordered is None:
            given, rows = self._given.get(column), self._rows
            if given is None:  # another thread has just brought it to that order
                return self._columns[column]
            if callable(given):
                ordered = given(self)
            elif rows is None:
                ordered = given
            else:
                ordered = Coded(given.codes[rows], given.levels) if isinstance(given, Coded) else given[rows]
            self._columns[column] = ordered
            self._given.pop(column, None)  # after it is there: another thread may be asking for it
        return ordered

    def plain(self, column: str) -> FloatArray | IntArray | BoolArray:
        """A column of numbers or flags in sorted order, as it is held."""
        values = self.values(column)
        assert not isinstance(values, Coded), column
        return values

    def numbers(self, column: str) -> FloatArray:
        """A column of numbers in sorted order, as float64."""
        return self.plain(column).astype(np.float64, copy=False)

    def text(self, column: str) -> Coded:
        """A text column in sorted order."""
        values = self.values(column)
        assert isinstance(values, Coded), column
        return values

    def codes(self, column: str) -> CodeArray:
        """The codes of a text column in sorted order."""
        return self.text(column).codes

    def levels(self, column: str) -> tuple[str, ...]:
        """The levels of a text column."""
        return self.text(column).levels

    def flag(self, column: str, level: str) -> str:
        """Name of a flag column that tells where a text column has a value; none where no event has it."""
        name = f"{column}={level}"
        if name not in self:
            text = self.text(column)
            code = text.levels.index(level) if level in text.levels else len(text.levels)
            self._columns[name] = text.codes == code
        return name

    def before(self, key: IntArray, when: IntArray) -> IntArray:
        """Index just behind the last event of each key with time < when; the key's start where there is none.

        Args:
            key: Codes, shape (n_pairs,), none negative.
            when: Microseconds, shape (n_pairs,).
        """
        if self.n_keys == 1:
            return self.time.searchsorted(when, side="left").astype(np.int64, copy=False)
        if len(key) <= _FEW:
            spans = zip(self.starts[key].tolist(), self.starts[key + 1].tolist(), when.tolist(), strict=True)
            places = [start + self.time[start:stop].searchsorted(moment) for start, stop, moment in spans]
            return np.array(places, dtype=np.int64)
        place = self.starts[key]
        size = self.starts[key + 1] - place
        longest = int(size.max(initial=0))
        if not longest:
            return place
        # A binary search of all pairs at once: each step halves the span of events that is left to every pair.
        half, probe, time = np.empty_like(place), np.empty_like(place), np.empty_like(place)
        for _ in range((longest - 1).bit_length()):
            np.right_shift(size, 1, out=half)
            np.add(place, half, out=probe)
            probe -= 1
            self.time.take(probe, out=time, mode="clip")
            size -= half
            half *= time < when  # of a span of one or none, half is 0: it stays
            place += half
        place += (size > 0) & (self.time.take(place, mode="clip") < when)
        return place

    def prefix(self, column: str) -> IntArray | CodeArray:
        """Sums of a whole-number column over the first i events, shape (n_events + 1,); missing values count as 0."""
        if column not in self._prefix:
            values = self.plain(column)
            if values.dtype == np.float64:
                values = np.nan_to_num(values, nan=0.0).astype(np.int64)
            flag = values.dtype == np.bool_
            sums: IntArray | CodeArray
            sums = np.zeros(len(values) + 1, np.int32) if flag else np.zeros(len(values) + 1, np.int64)
            np.cumsum(values, dtype=sums.dtype, out=sums[1:])
            self._prefix[column] = sums
        return self._prefix[column]

    def previous(self, where: str) -> CodeArray:
        """Index of the last event at or before i whose flag is set, -1 where there is none, shape (n_events,)."""
        if where not in self._previous:
            flags = np.asarray(self.values(where), dtype=bool)
            index = np.where(flags, np.arange(len(flags), dtype=np.int32), np.int32(-1))
            self._previous[where] = np.maximum.accumulate(index) if len(index) else index
        return self._previous[where]

    def firsts(self, column: str) -> CodeArray:
        """Number of first sights of a value within its key, over the first i events, shape (n_events + 1,)."""
        if column not in self._firsts:
            codes = self.codes(column)
            index = first_places(joint_codes(self.key, codes, len(self.levels(column))))
            new = np.zeros(len(codes) + 1, dtype=np.int32)
            new[index[codes[index] >= 0] + 1] = 1
            self._firsts[column] = np.cumsum(new, dtype=np.int32)
        return self._firsts[column]


class Seen:
    """The events that each pair can see: those of its key strictly before its as_of.

    Args:
        events: The events.
        key: Code of each pair's key, shape (n_pairs,); a negative code sees nothing.
        as_of: Microseconds, shape (n_pairs,).
    """

    def __init__(self, events: Events, key: CodeArray | IntArray, as_of: IntArray) -> None:
        self.events = events
        self._as_of = as_of
        self._absent = key < 0
        self._all_present = not self._absent.any()
        self._key = (key if self._all_present else np.where(self._absent, 0, key)).astype(np.int64, copy=False)
        if events.n_keys == 0:
            self._start = self._stop = np.zeros(len(as_of), dtype=np.int64)
        else:
            self._start = events.starts[self._key]
            self._stop = self._shut(events.before(self._key, as_of))
        self._windows: dict[float, IntArray] = {}
        self._last: dict[str | None, IntArray] = {}

    def _shut(self, position: IntArray) -> IntArray:
        return position if self._all_present else np.where(self._absent, self._start, position)

    def _from(self, days: float | None) -> IntArray:
        """First event within the window: of the last `days` days, or of all time."""
        if days is None or self.events.n_keys == 0:
            return self._start
        if days not in self._windows:
            self._windows[days] = self._shut(self.events.before(self._key, self._as_of - int(days * DAY)))
        return self._windows[days]

    def any(self, where: str | None = None) -> BoolArray:
        """Whether there is any such event."""
        return self._last_index(where) >= 0

    def count(self, where: str | None = None, *, days: float | None = None) -> FloatArray:
        """How many events, or how many with the flag `where` set; with `days`, in [as_of - days, as_of) only."""
        if where is not None:
            return self.total(where, days=days)
        return (self._stop - self._from(days)).astype(np.float64)

    def count_since(self, moments: FloatArray) -> FloatArray:
        """How many events in [moment, as_of), for a moment of each pair in microseconds; NaN where that is missing."""
        if self.events.n_keys == 0:
            return np.where(np.isnan(moments), np.nan, 0.0)
        since = np.where(np.isnan(moments), 0, moments).astype(np.int64)
        start = self._shut(self.events.before(self._key, since))
        return np.where(np.isnan(moments), np.nan, np.maximum(self._stop - start, 0))

    def total(self, column: str, *, days: float | None = None) -> FloatArray:
        """Sum of a whole-number column (hundredths for money); with `days`, in [as_of - days, as_of) only."""
        sums = self.events.prefix(column)
        return (sums[self._stop] - sums[self._from(days)]).astype(np.float64)

    def distinct(self, column: str) -> FloatArray:
        """How many different values of a text column; missing values do not count."""
        firsts = self.events.firsts(column)
        return (firsts[self._stop] - firsts[self._start]).astype(np.float64)

    def _last_index(self, where: str | None) -> IntArray:
        """Index of the last event seen (with its flag set), -1 where there is none."""
        if where not in self._last:
            index: IntArray | CodeArray = self._stop - 1
            if where is not None and len(self.events):
                index = self.events.previous(where)[index]  # index -1 wraps around, and is masked by the next line
            self._last[where] = np.where((self._stop > self._start) & (index >= self._start), index, -1)
        return self._last[where]

    def last(self, column: str, *, where: str | None = None) -> FloatArray:
        """The last value of a number column; NaN where there is none."""
        return self._pick(self.events.numbers(column), self._last_index(where))

    def last_code(self, column: str, *, where: str | None = None) -> CodeArray:
        """The code of the last value of a text column; -1 where there is none."""
        return _pick_codes(self.events.codes(column), self._last_index(where))

    def first_code_of_key(self, column: str) -> CodeArray:
        """The code of the very first value of the key, *whether seen or not*; -1 where the key has no events.

        Only for what an event's first row says of the time before it (the old value of a change).
        """
        if self.events.n_keys == 0:
            return np.full(len(self._as_of), -1, dtype=np.int32)
        some = (self.events.starts[self._key + 1] > self._start) & ~self._absent
        return _pick_codes(self.events.codes(column), np.where(some, self._start, -1))

    def has_events_of_key(self) -> BoolArray:
        """Whether the key has any event, seen or not; see `first_code_of_key` for the only good use."""
        if self.events.n_keys == 0:
            return np.zeros(len(self._as_of), dtype=bool)
        return (self.events.starts[self._key + 1] > self._start) & ~self._absent

    def stood(self, current: Value, *, trust_old: bool) -> Value:
        """A column as it stood, of events that are its changes from `old` to `new`.

        The last new value; where there is none, the old value of the key's very first change, if that tells the value
        before it; else the value as it stands.

        Args:
            current: The value as it stands: codes, or numbers, shape (n_pairs,).
            trust_old: Whether the old value of the first change tells the value before it.
        """
        if isinstance(self.events.values("new"), Coded):
            if trust_old:
                current = np.where(self.has_events_of_key(), self.first_code_of_key("old"), current)
            return np.where(self.any(), self.last_code("new"), current)
        if trust_old:
            first = self.events.numbers("old")[np.minimum(self._start, len(self.events) - 1)]
            current = np.where(self.has_events_of_key(), first, current)
        return np.where(self.any(), self.last("new"), current)

    def last_time(self, where: str | None = None) -> FloatArray:
        """Time of the last such event in microseconds; NaN where there is none."""
        return self._pick(self.events.time, self._last_index(where))

    def days_since_last(self, where: str | None = None) -> FloatArray:
        """Days from the last such event to as_of; NaN where there is none."""
        return (self._as_of - self.last_time(where)) / DAY

    def days_since_first(self) -> FloatArray:
        """Days from the first event to as_of; NaN where there is none."""
        index = np.where(self._stop > self._start, self._start, -1)
        return (self._as_of - self._pick(self.events.time, index)) / DAY

    @staticmethod
    def _pick(values: FloatArray | IntArray, index: IntArray) -> FloatArray:
        if not len(values):
            return np.full(len(index), np.nan)
        return np.where(index >= 0, values[index].astype(np.float64, copy=False), np.nan)


def _pick_codes(codes: CodeArray, index: IntArray) -> CodeArray:
    if not len(codes):
        return np.full(len(index), -1, dtype=np.int32)
    return np.where(index >= 0, codes[index], -1).astype(np.int32)


def smoothed_rate(wins: FloatArray, n: FloatArray, overall: FloatArray, strength: float = 20.0) -> FloatArray:
    """Share of wins of a group, drawn towards the overall rate: (wins + strength x overall) / (n + strength).

    Args:
        wins: Wins of the group so far, shape (n_pairs,).
        n: Closed deals of the group so far, shape (n_pairs,).
        overall: Win rate over all groups at the same moment, shape (n_pairs,).
        strength: How many deals at the overall rate a group starts with (the mean of a beta prior).
    """
    return (wins + strength * overall) / (n + strength)
