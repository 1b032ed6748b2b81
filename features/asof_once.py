"""Questions about a single pair, as a request asks them: the answers of `Seen`, without its work on whole arrays.

`Seen` answers many pairs from prefix sums and running maxima over all events. For one pair that is mostly overhead: its
few events are a short span of the sorted arrays, and plain numbers suffice. The features on top are the same.
"""

from __future__ import annotations

import numpy as np

from crm.tables import DAY, CodeArray, Coded, FloatArray, IntArray
from features.asof import BoolArray, Events, Seen, Value

_SHORT = 512
"""Spans up to this are added up where they lie; longer ones, of a whole company, have prefix sums at hand."""


def look_back(events: Events, key: CodeArray | IntArray, as_of: IntArray) -> Seen:
    """The events that each pair can see; see `Seen`."""
    return SeenOnce(events, key, as_of) if len(as_of) == 1 else Seen(events, key, as_of)


class SeenOnce(Seen):
    """The events that one pair can see; every answer has shape (1,) and the bits that `Seen` gives.

    Args:
        events: The events.
        key: Code of the pair's key, shape (1,); a negative code sees nothing.
        as_of: Microseconds, shape (1,).
    """

    def __init__(self, events: Events, key: CodeArray | IntArray, as_of: IntArray) -> None:
        self.events = events
        self._moment: int = as_of.item()
        code: int = key.item()
        self._first = self._end = self._behind = 0
        if code >= 0 and events.n_keys:
            self._first, self._end = events.starts[code : code + 2].tolist()
            self._times = events.time[self._first : self._end]
            self._behind = self._before(self._moment)
        self._since: dict[float | None, int] = {None: self._first}

    def _before(self, moment: int) -> int:
        """Index just behind the last event of the key before a moment."""
        return self._first + self._times.searchsorted(moment).item() if self._end > self._first else self._first

    def _window(self, days: float | None) -> int:
        start = self._since.get(days)
        if start is None:
            assert days is not None
            start = self._since[days] = self._before(self._moment - int(days * DAY))
        return start

    def any(self, where: str | None = None) -> BoolArray:
        """See `Seen.any`."""
        return np.array([self._index(where) >= 0])

    def count(self, where: str | None = None, *, days: float | None = None) -> FloatArray:
        """See `Seen.count`."""
        if where is not None:
            return self.total(where, days=days)
        return np.array([float(self._behind - self._window(days))])

    def count_since(self, moments: FloatArray) -> FloatArray:
        """See `Seen.count_since`."""
        moment = float(moments[0])
        if moment != moment:
            return np.array([np.nan])
        return np.array([float(max(self._behind - self._before(int(moment)), 0))])

    def total(self, column: str, *, days: float | None = None) -> FloatArray:
        """See `Seen.total`."""
        start = self._window(days)
        if self._behind - start > _SHORT:
            sums = self.events.prefix(column)
            return np.array([float(sums[self._behind] - sums[start])])
        values = self.events.plain(column)[start : self._behind]
        if values.dtype == np.bool_:
            return np.array([float(np.count_nonzero(values))])
        if values.dtype == np.float64:
            values = values[values == values].astype(np.int64)
        return np.array([float(values.sum())])

    def distinct(self, column: str) -> FloatArray:
        """See `Seen.distinct`."""
        if self._behind - self._first > _SHORT:
            firsts = self.events.firsts(column)
            return np.array([float(firsts[self._behind] - firsts[self._first])])
        codes = set(self.events.codes(column)[self._first : self._behind].tolist())
        codes.discard(-1)
        return np.array([float(len(codes))])

    def _index(self, where: str | None) -> int:
        """Index of the last event seen (with its flag set), -1 where there is none."""
        if self._behind == self._first:
            return -1
        if where is None:
            return self._behind - 1
        flags = self.events.plain(where)[self._first : self._behind]
        back = int(flags[::-1].argmax())
        return self._behind - 1 - back if flags[len(flags) - 1 - back] else -1

    def last(self, column: str, *, where: str | None = None) -> FloatArray:
        """See `Seen.last`."""
        index = self._index(where)
        return np.array([float(self.events.plain(column)[index]) if index >= 0 else np.nan])

    def last_code(self, column: str, *, where: str | None = None) -> CodeArray:
        """See `Seen.last_code`."""
        return self._code(column, self._index(where))

    def first_code_of_key(self, column: str) -> CodeArray:
        """See `Seen.first_code_of_key`."""
        return self._code(column, self._first if self._end > self._first else -1)

    def stood(self, current: Value, *, trust_old: bool) -> Value:
        """See `Seen.stood`."""
        if self._behind > self._first:
            column, index = "new", self._behind - 1
        elif trust_old and self._end > self._first:
            column, index = "old", self._first
        else:
            return current
        values = self.events.values(column)
        kept = values.codes if isinstance(values, Coded) else values
        return np.array([kept[index]], dtype=current.dtype)

    def _code(self, column: str, index: int) -> CodeArray:
        return np.array([self.events.codes(column)[index] if index >= 0 else -1], dtype=np.int32)

    def has_events_of_key(self) -> BoolArray:
        """See `Seen.has_events_of_key`."""
        return np.array([self._end > self._first])

    def last_time(self, where: str | None = None) -> FloatArray:
        """See `Seen.last_time`."""
        return self._time(self._index(where))

    def days_since_last(self, where: str | None = None) -> FloatArray:
        """See `Seen.days_since_last`."""
        return self._days_since(self._index(where))

    def days_since_first(self) -> FloatArray:
        """See `Seen.days_since_first`."""
        return self._days_since(self._first if self._behind > self._first else -1)

    def _time(self, index: int) -> FloatArray:
        return np.array([float(self.events.time[index]) if index >= 0 else np.nan])

    def _days_since(self, index: int) -> FloatArray:
        if index < 0:
            return np.array([np.nan])
        return np.array([(float(self._moment) - float(self.events.time[index])) / DAY])
