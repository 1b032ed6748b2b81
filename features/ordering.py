"""The one order of events: by key and time, and within an instant the order in which they must have come.

Exports often carry dates without times, so that several changes of a deal share one. Which of them came last decides
what a rep saw, and which came first decides what stood before, so their order must not rest on that of the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from operator import lt

import numpy as np
from numpy.typing import NDArray

from crm.tables import NAT, CodeArray, IntArray

Array = NDArray[np.generic]
Ties = Callable[[], Iterable[Array]]
"""Gives the arrays that order events of the same key and time, the most significant first."""
Links = Callable[[], tuple[IntArray, IntArray]]
"""Gives what each event starts from and leads to (codes of the old and the new value, or of two stages)."""


def in_order(
    key: CodeArray | IntArray, time: IntArray, rows: NDArray[np.intp], ties: Ties | None, links: Links | None
) -> tuple[CodeArray, CodeArray, IntArray]:
    """Rows in order of key and time; ties and links are looked at only where key and time are equal.

    Links have their say among events that the first of the ties leaves equal: there, each event takes up where the one
    before left off, as far as that can be; the other ties decide what links leave open.

    Args:
        key: Code of each event's key, shape (n_events,).
        time: Microseconds, shape (n_events,).
        rows: The events to order.
        ties: See `Ties`.
        links: See `Links`.

    Returns:
        The rows, and their keys and times.
    """
    if len(rows) < len(key):
        key, time = key[rows], time[rows]
    k, t = key.astype(np.int64), time
    if _are_in_order(k, t):
        order = np.arange(len(k))  # an export often is
    else:
        order, k = _by_key_and_time(k, time)
        t = time[order]
    if ties is not None:
        same = (t[1:] == t[:-1]) & (k[1:] == k[:-1])
        if same.any():
            tied = np.zeros(len(order), dtype=bool)
            tied[1:] |= same
            tied[:-1] |= same
            places = np.flatnonzero(tied)
            within = order[places]
            arrays = [np.asarray(tie)[rows][within] for tie in ties()]
            better = np.lexsort((*reversed(arrays), time[within], key[within]))
            order[places] = within[better]
            if links is not None:
                new_group = np.ones(len(places), dtype=bool)
                first = arrays[0][better]
                next_to = same[places[1:] - 1] & (places[1:] == places[:-1] + 1)
                new_group[1:] = ~(next_to & _equal(first[1:], first[:-1]))
                old, new = (link[rows] for link in links())
                _link(order, k, places, new_group, old, new)
    return rows[order].astype(np.int32), k.astype(np.int32), t


def few_in_order(
    key: CodeArray | IntArray, time: IntArray, ties: Ties | None, links: Links | None
) -> tuple[CodeArray | None, CodeArray, IntArray]:  # fmt: skip
    """What `in_order` gives of all dated events of known keys: for few of them, plain lists are the faster ones.

    The rows are None where all are in order as they are.
    """
    times = time.tolist()
    at = list(zip(key.tolist(), times, strict=True))
    if all(map(lt, at, at[1:])) and not (at and at[0][0] < 0) and NAT not in times:
        return None, key.astype(np.int32, copy=False), time  # in order as they are, and no two at once
    rows = sorted((row for row, (code, when) in enumerate(at) if code >= 0 and when != NAT), key=at.__getitem__)
    if ties is not None and len({at[row] for row in rows}) < len(rows):
        if links is not None:
            return in_order(key, time, np.array(rows), ties, links)
        told: list[tuple[object, ...]] = [(event,) for event in at]
        for tie in ties():  # each is worked out only where those before it leave a tie
            values = ((value != value, 0 if value != value else value) for value in np.asarray(tie).tolist())
            told = [(*before, value) for before, value in zip(told, values, strict=True)]
            if len({told[row] for row in rows}) == len(rows):
                break
        rows.sort(key=told.__getitem__)
    if rows == list(range(len(at))):
        return None, key.astype(np.int32, copy=False), time
    chosen = np.array(rows, dtype=np.int32)
    return chosen, key[chosen].astype(np.int32, copy=False), time[chosen]


def _are_in_order(key: IntArray, time: IntArray) -> bool:
    if not np.all(key[1:] >= key[:-1]):
        return False
    return bool(np.all((key[1:] > key[:-1]) | (time[1:] >= time[:-1])))


def _by_key_and_time(key: IntArray, time: IntArray) -> tuple[NDArray[np.intp], IntArray]:
    """What `lexsort((time, key))` gives, but for ties, and the sorted keys; faster, as plain numbers sort quickly."""
    by_time = None if np.all(time[1:] >= time[:-1]) else np.argsort(time)
    packed = (key if by_time is None else key[by_time]) << 32
    packed |= np.arange(len(key))
    packed.sort()
    place = packed & 0xFFFFFFFF
    return place if by_time is None else by_time[place], packed >> 32


def joint_codes(key: CodeArray, code: CodeArray, n_codes: int) -> IntArray:
    """One number for each pair of a key and a code (-1 among them), in the order of such pairs, shape (n_events,)."""
    pairs = key.astype(np.int64)
    pairs *= n_codes + 1
    pairs += code
    pairs += 1
    return pairs


def first_places(values: IntArray) -> IntArray:
    """Where each different value comes first, in order of value; values are not negative."""
    bits = len(values).bit_length()
    if not len(values) or int(values.max()).bit_length() + bits > 63:
        return np.unique(values, return_index=True)[1].astype(np.int64)
    packed = values << bits
    packed |= np.arange(len(values))
    packed.sort()
    first = np.ones(len(values), dtype=bool)
    np.greater_equal(packed[1:] ^ packed[:-1], 1 << bits, out=first[1:])  # another value, not just another place
    places = packed[first]
    places &= (1 << bits) - 1
    return places


def _equal(one: Array, other: Array) -> NDArray[np.bool_]:
    """Equality in which missing numbers equal each other."""
    both_missing = (one != one) & (other != other)
    return np.asarray((one == other) | both_missing)


def _link(
    order: NDArray[np.intp], key: Array, places: NDArray[np.intp], new_group: NDArray[np.bool_], old: Array, new: Array
) -> None:
    """Reorder, in place, each group of tied events in which one does not take up where the one before left off."""
    within = order[places]
    broken = np.zeros(len(places), dtype=bool)
    broken[1:] = ~new_group[1:] & (new[within[:-1]] != old[within[1:]])
    group = np.cumsum(new_group) - 1
    starts = np.append(np.flatnonzero(new_group), len(places))
    for number in np.unique(group[broken]).tolist():
        span = places[starts[number] : starts[number + 1]]
        rows = order[span]
        before = span[0] - 1
        known = before >= 0 and key[before] == key[span[0]]
        standing = int(new[order[before]]) if known else None
        order[span] = rows[_chain(old[rows].tolist(), new[rows].tolist(), standing)]


def _chain(old: list[int], new: list[int], standing: int | None) -> list[int]:
    """Places of events such that each starts from what the one before led to, the first from what stood, if known."""
    left, chain, at = list(range(len(old))), list[int](), standing
    while left:
        surplus = Counter(old[place] for place in left)
        surplus.subtract(new[place] for place in left)
        # Where nothing follows on, begin where more changes start than end; a plain circle begins anywhere.
        follows = [place for place in left if old[place] == at]
        begins = [place for place in left if surplus[old[place]] > 0]
        here = (follows or begins or left)[0]
        chain.append(here)
        left.remove(here)
        at = new[here]
    return chain
