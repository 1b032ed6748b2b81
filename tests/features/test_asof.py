"""The as-of algebra against a plain loop over events that says what each question means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.tables import DAY, NAT, Coded, IntArray
from features.asof import Events, Seen, smoothed_rate
from features.asof_once import SeenOnce, look_back
from features.ordering import few_in_order, in_order

DAYS = st.integers(0, 12)
KEYS = st.integers(-1, 3)


@dataclass(frozen=True)
class Event:
    key: int
    day: int | None
    word: str | None
    amount: int | None
    flag: bool
    place: int


EVENTS = st.lists(
    st.builds(
        Event, KEYS, st.one_of(st.none(), DAYS), st.sampled_from(["a", "b", "c", None]),
        st.sampled_from([None, -700, 1, 10**12]), st.booleans(), st.integers(0, 2),
    ),
    max_size=14,
)  # fmt: skip
PAIRS = st.lists(st.tuples(KEYS, DAYS), max_size=6)


def arrays(events: list[Event]) -> Events:
    """The events as the algebra takes them, shuffled only by Hypothesis."""
    word = Coded.of([event.word for event in events])
    amount = np.array([np.nan if event.amount is None else event.amount for event in events], dtype=np.float64)
    flag = np.array([event.flag for event in events], dtype=bool)
    place = np.array([event.place for event in events], dtype=np.int64)
    rank = {level: number for number, level in enumerate(sorted(word.levels))}
    ranks = np.array([rank.get(event.word or "", -1) for event in events], dtype=np.int64)
    return Events(
        np.array([event.key for event in events], dtype=np.int64),
        np.array([NAT if event.day is None else event.day * DAY for event in events], dtype=np.int64),
        4,
        ties=lambda: [place, ranks, amount, flag],
        columns={"word": word, "amount": amount, "flag": flag},
    )


def seen_by(events: list[Event], key: int, day: int, since: float | None = None) -> list[Event]:
    """What a pair can see, in order of time, place, word, amount (missing last) and flag."""
    mine = [
        event for event in events
        if event.key == key >= 0 and event.day is not None and event.day < day
        and (since is None or event.day >= since)
    ]  # fmt: skip
    return sorted(mine, key=lambda e: (e.day, e.place, e.word or "", e.amount is None, e.amount or 0, e.flag))


def assert_answers(
    events: list[Event], pairs: list[tuple[int, int]], ask: Callable[[Seen], object], told: Callable[[int, int], object]
) -> None:
    key = np.array([key for key, _ in pairs], dtype=np.int32)
    as_of = np.array([day * DAY for _, day in pairs], dtype=np.int64)
    answers = np.asarray(ask(Seen(arrays(events), key, as_of)))
    np.testing.assert_array_equal(answers, np.array([told(*pair) for pair in pairs]))
    for place in range(len(pairs)):
        assert_same_alone(answers, place, ask(look_back(arrays(events), key[[place]], as_of[[place]])))


def assert_same_alone(answers: np.ndarray[tuple[int], np.dtype[np.generic]], place: int, once: object) -> None:
    """A pair asked alone gets the very bits that it gets among others."""
    alone = np.asarray(once)
    assert alone.dtype == answers.dtype
    assert alone.shape == (1,)
    assert alone.tobytes() == answers[[place]].tobytes()


def last(values: list[Event]) -> Event | None:
    return values[-1] if values else None


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(events=EVENTS, pairs=PAIRS, window=st.sampled_from([1, 3, 0.5]))
def test_questions_mean_what_a_plain_loop_says(
    events: list[Event], pairs: list[tuple[int, int]], window: float
) -> None:
    def of(key: int, day: int) -> list[Event]:
        return seen_by(events, key, day)

    def lately(key: int, day: int) -> list[Event]:
        return seen_by(events, key, day, since=day - window)

    def flagged(key: int, day: int) -> list[Event]:
        return [event for event in of(key, day) if event.flag]

    def since_last(found: list[Event], day: int) -> float:
        return day - found[-1].day if found else np.nan  # type: ignore[operator]

    levels = arrays(events).levels("word")

    def code(event: Event | None) -> int:
        return -1 if event is None or event.word is None else levels.index(event.word)

    def amount(event: Event | None) -> float:
        return np.nan if event is None or event.amount is None else event.amount

    checks: list[tuple[Callable[[Seen], object], Callable[[int, int], object]]] = [
        (lambda seen: seen.any(), lambda k, d: bool(of(k, d))),
        (lambda seen: seen.any("flag"), lambda k, d: bool(flagged(k, d))),
        (lambda seen: seen.count(), lambda k, d: len(of(k, d))),
        (lambda seen: seen.count(days=window), lambda k, d: len(lately(k, d))),
        (lambda seen: seen.count("flag"), lambda k, d: len(flagged(k, d))),
        (lambda seen: seen.count("flag", days=window), lambda k, d: sum(e.flag for e in lately(k, d))),
        (lambda seen: seen.total("amount"), lambda k, d: sum(e.amount or 0 for e in of(k, d))),
        (lambda seen: seen.total("amount", days=window), lambda k, d: sum(e.amount or 0 for e in lately(k, d))),
        (lambda seen: seen.distinct("word"), lambda k, d: len({e.word for e in of(k, d)} - {None})),
        (lambda seen: seen.last("amount"), lambda k, d: amount(last(of(k, d)))),
        (lambda seen: seen.last("amount", where="flag"), lambda k, d: amount(last(flagged(k, d)))),
        (lambda seen: seen.last_code("word"), lambda k, d: code(last(of(k, d)))),
        (lambda seen: seen.last_code("word", where="flag"), lambda k, d: code(last(flagged(k, d)))),
        (lambda seen: seen.days_since_last(), lambda k, d: since_last(of(k, d), d)),
        (lambda seen: seen.days_since_last("flag"), lambda k, d: since_last(flagged(k, d), d)),
        (lambda seen: seen.days_since_first(), lambda k, d: since_last(of(k, d)[:1], d)),
        (lambda seen: seen.last_time() / DAY, lambda k, d: d - since_last(of(k, d), d)),
        (lambda seen: seen.has_events_of_key(), lambda k, d: bool(seen_by(events, k, 99))),
        (lambda seen: seen.first_code_of_key("word"), lambda k, d: code(next(iter(seen_by(events, k, 99)), None))),
    ]
    for ask, told in checks:
        assert_answers(events, pairs, ask, told)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(events=EVENTS, pairs=PAIRS, moments=st.lists(st.one_of(st.none(), DAYS), min_size=6, max_size=6))
def test_count_since_a_moment_of_each_pair(
    events: list[Event], pairs: list[tuple[int, int]], moments: list[int | None]
) -> None:
    since = np.array([np.nan if day is None else float(day * DAY) for day in moments[: len(pairs)]])
    key, as_of = (np.array([pair[side] for pair in pairs], dtype=np.int64) for side in (0, 1))
    told = [
        np.nan if day is None else len(seen_by(events, *pair, since=day))
        for pair, day in zip(pairs, moments, strict=False)
    ]
    seen = Seen(arrays(events), key, as_of * DAY)
    answers = seen.count_since(since)
    np.testing.assert_array_equal(answers, np.array(told, dtype=float))
    for place in range(len(pairs)):
        alone = look_back(arrays(events), key[[place]], as_of[[place]] * DAY)
        assert_same_alone(answers, place, alone.count_since(since[[place]]))


def test_no_keys_at_all() -> None:
    none = np.zeros(0, dtype=np.int64)
    events = Events(none, none, 0, columns={"word": Coded.of([]), "n": np.zeros(0), "flag": np.zeros(0, dtype=bool)})
    ask_all(Seen(events, np.array([-1]), np.array([5])))
    ask_all(look_back(events, np.array([-1]), np.array([5])))


def ask_all(seen: Seen) -> None:
    assert seen.count().tolist() == [0]
    assert seen.count(days=3).tolist() == [0]
    assert seen.total("n").tolist() == [0]
    assert seen.distinct("word").tolist() == [0]
    assert seen.last_code("word").tolist() == [-1]
    assert seen.first_code_of_key("word").tolist() == [-1]
    assert seen.any("flag").tolist() == [False]
    assert seen.has_events_of_key().tolist() == [False]
    assert np.isnan(seen.last("n")).all()
    assert np.isnan(seen.days_since_last("flag")).all()
    assert np.isnan(seen.days_since_first()).all()
    assert seen.count_since(np.array([1.0])).tolist() == [0]


@pytest.mark.parametrize("when", [3, 700, 1999])
def test_a_pair_alone_in_a_long_history_gets_the_same_bits(when: int) -> None:
    """Of long histories the prefix sums are read, of short ones the events themselves."""
    random = np.random.default_rng(5)
    n = 4000
    flag, amount = random.random(n) < 0.1, np.where(random.random(n) < 0.1, np.nan, random.integers(-9, 10**9, n))
    word = Coded(random.integers(-1, 40, n).astype(np.int32), tuple(f"w{code:02}" for code in range(40)))
    events = Events(random.integers(0, 2, n), np.arange(n) // 2 * DAY, 2,
                    columns={"flag": flag, "amount": amount, "word": word})  # fmt: skip
    both = Seen(events, np.array([0, 1]), np.array([when, when]) * DAY)
    for key in range(2):
        alone = look_back(events, np.array([key]), np.array([when * DAY]))
        assert isinstance(alone, SeenOnce)
        for ask in (
            lambda seen: seen.count("flag"), lambda seen: seen.count("flag", days=300),
            lambda seen: seen.total("amount"), lambda seen: seen.total("amount", days=40),
            lambda seen: seen.distinct("word"), lambda seen: seen.days_since_last("flag"),
            lambda seen: seen.last("amount", where="flag"), lambda seen: seen.last_code("word"),
        ):  # fmt: skip
            assert_same_alone(ask(both), key, ask(alone))


def test_money_is_summed_without_rounding_whatever_other_keys_hold() -> None:
    amounts = np.array([2.0**53 - 1, 1.0, 3.0])
    events = Events(np.array([0, 1, 1]), np.array([1, 1, 2]), 2, columns={"amount": amounts})
    seen = Seen(events, np.array([1]), np.array([9]))
    assert seen.total("amount").tolist() == [4.0]  # a float prefix sum over both keys would give 5 or 3


def in_one_instant(old: IntArray, new: IntArray) -> list[float]:
    """New values of changes of one key and time, in the order that is found for them."""
    zero = np.zeros(len(old), dtype=np.int64)
    events = Events(zero, zero, 1, ties=lambda: [zero, new], links=lambda: (old, new), columns={"new": new})
    return list(events.numbers("new"))


def test_changes_of_one_instant_follow_from_each_other() -> None:
    """Written in any order, without ids: 100 to 300, 300 to 200, 200 to 400 ends at 400, and began at 100."""
    old, new = np.array([300, 100, 200]), np.array([200, 300, 400])
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]):
        assert in_one_instant(old[order], new[order]) == [300, 200, 400]


def test_a_circle_of_changes_begins_with_what_stood() -> None:
    time, old, new = np.array([0, 5, 5]), np.array([7, 1, 2]), np.array([2, 2, 1])
    events = Events(np.zeros(3, dtype=np.int64), time, 1, ties=lambda: [np.array([0, 0, 0]), new],
                    links=lambda: (old, new), columns={"new": new})  # fmt: skip
    assert events.numbers("new").tolist() == [2, 1, 2]


def test_a_sequence_outranks_what_changes_say() -> None:
    zero = np.zeros(2, dtype=np.int64)
    old, new = np.array([1, 2]), np.array([2, 3])
    events = Events(zero, zero, 1, ties=lambda: [np.array([2.0, 1.0])], links=lambda: (old, new), columns={"new": new})
    assert events.numbers("new").tolist() == [3, 2]


def test_smoothed_rate_starts_at_the_overall_rate() -> None:
    rates = smoothed_rate(np.array([0.0, 3.0]), np.array([0.0, 4.0]), np.array([0.25, 0.25]), strength=4.0)
    assert rates.tolist() == [0.25, 0.5]


@given(st.lists(st.tuples(st.integers(-1, 2), st.sampled_from([NAT, 0, 1, 2, 3]))), st.booleans())
def test_few_events_are_ordered_like_many(events: list[tuple[int, int]], as_exported: bool) -> None:
    events = sorted(events) if as_exported else events
    key = np.array([key for key, _ in events], dtype=np.int32)
    time = np.array([when for _, when in events], dtype=np.int64)
    dated = np.flatnonzero((key >= 0) & (time != NAT))

    def ties() -> list[IntArray]:
        return [np.arange(len(key), dtype=np.int64)[::-1]]

    rows, keys, times = few_in_order(key, time, ties, None)
    many = in_order(key, time, dated, ties, None)
    assert (list(range(len(key))) if rows is None else rows.tolist()) == many[0].tolist()
    assert keys.tolist() == many[1].tolist()
    assert times.tolist() == many[2].tolist()
