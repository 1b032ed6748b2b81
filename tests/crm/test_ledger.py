"""The ledger: what was said is kept to the digit, once, and nothing that comes later changes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.importing import ImportReport
from crm.ledger import PART, Keeping, Made, Rows, Run, forget, rows_of, rows_of_deal, runs, scores_of
from crm.records import score_parts
from crm.store import Store
from crm.tables import Coded

FACTS = {"reference": 0.25}


def some_rows(n: int, seed: int = 0, prefix: str = "D") -> Rows:
    random = np.random.default_rng(seed)
    p = random.random(n)
    amount = np.where(random.random(n) < 0.2, np.nan, random.integers(1, 10**14, n).astype(np.float64))
    stage = Coded(random.integers(-1, 3, n).astype(np.int32), ("Démo", "Proposal", "Unused before", "Never"))
    return Rows(tuple(f"{prefix}{number:07d}" for number in range(n)), p, p / 2, (1 + p) / 2,
                {"amount": amount, "stage": stage, "age": random.random(n)}, ("age", "stage", "amount", "unread"),
                np.column_stack([random.normal(size=(n, 3)), np.zeros(n)]), (30, 90),
                np.column_stack([p / 3, p / 2]))  # fmt: skip


def made(as_of: int = 10, imported_at: int = 5, digest: str = "abc", version: int = 1) -> Made:
    return Made(as_of, imported_at, version, digest, False)


def keep(store: Store, rows: Rows, how: Made, at: int = 1_000) -> Run:
    keeping = Keeping(store, how)
    keeping.add(rows, FACTS)
    return keeping.finish(made_at=at)


def assert_same(found: Rows, kept: Rows) -> None:
    assert found.deal_ids == kept.deal_ids
    assert np.array_equal(found.p, kept.p), "probabilities are kept to the last bit"
    assert found.lower == pytest.approx(kept.lower, rel=1e-6)
    assert found.upper == pytest.approx(kept.upper, rel=1e-6)
    assert found.horizons == kept.horizons
    assert found.within == pytest.approx(kept.within, rel=1e-6)
    assert found.names == kept.names
    assert found.contributions == pytest.approx(kept.contributions, rel=1e-6, abs=1e-30)
    assert set(found.values) == set(kept.values)
    for name, column in kept.values.items():
        there = found.values[name]
        if isinstance(column, Coded):
            assert isinstance(there, Coded)
            assert there.strings().tolist() == column.strings().tolist()
        else:
            assert not isinstance(there, Coded)
            assert np.array_equal(there, column, equal_nan=True), "inputs are kept to the last bit"


def test_a_run_comes_back_as_it_was_kept(store: Store) -> None:
    rows = some_rows(2 * PART + 7)
    run = keep(store, rows, made())
    assert runs(store) == [run]
    assert (run.n, run.made_at, run.facts, run.made) == (len(rows), 1_000, FACTS, made())
    parts = list(rows_of(store, run))
    assert [len(part) for part in parts] == [PART, PART, 7]
    for number, part in enumerate(parts):
        assert_same(part, rows.take(np.arange(number * PART, number * PART + len(part))))
    scores = scores_of(store, run)
    assert scores.deal_ids == rows.deal_ids
    assert np.array_equal(scores.p, rows.p)
    assert scores.within == pytest.approx(rows.within, rel=1e-6)
    assert scores.values == {}


def test_scores_that_do_not_say_when_are_kept_too(store: Store) -> None:
    whole = some_rows(PART + 3)
    rows = replace(whole, horizons=(), within=np.zeros((0, 0)))
    run = keep(store, rows, made())
    assert scores_of(store, run).horizons == ()
    for found, kept in zip(rows_of(store, run), (rows.take(np.arange(PART)), rows.take(np.arange(PART, PART + 3))),
                           strict=True):  # fmt: skip
        assert_same(found, kept)


@settings(max_examples=20)
@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=20, unique=True), st.integers(0, 2**32))
def test_any_ids_and_any_batches_come_back(ids: list[str], seed: int) -> None:
    ids = sorted(text for text in ids if text.isprintable()) or ["a"]
    rows = some_rows(len(ids), seed)
    rows = replace(rows, deal_ids=tuple(ids))
    with Store.open("sqlite://") as store:
        keeping = Keeping(store, made())
        half = len(ids) // 2
        keeping.add(rows.take(np.arange(half)), FACTS)
        keeping.add(rows.take(np.arange(half, len(ids))), FACTS)
        run = keeping.finish()
        assert scores_of(store, run).deal_ids == tuple(ids)
        for row, deal in enumerate(ids):
            ((found, one),) = rows_of_deal(store, deal)
            assert found == run
            assert_same(one, rows.take(np.array([row])))


def test_a_run_without_open_deals_is_kept_too(store: Store) -> None:
    run = Keeping(store, made()).finish()
    assert (run.n, list(rows_of(store, run)), len(scores_of(store, run))) == (0, [], 0)


def test_the_very_same_run_is_kept_once(store: Store) -> None:
    first = keep(store, some_rows(3), made())
    again = keep(store, some_rows(3), made(), at=2_000)
    assert again == first
    assert len(runs(store)) == 1
    others = [made(as_of=11), made(imported_at=6), made(digest="abd")]
    for other in others:
        assert keep(store, some_rows(3), other).id != first.id
    assert len(runs(store)) == 4


def test_a_deal_is_found_in_the_runs_that_hold_it_in_order_of_their_moments(store: Store) -> None:
    keep(store, some_rows(PART + 5, seed=1), made(as_of=30))
    keep(store, some_rows(3, seed=2), made(as_of=10))
    keep(store, some_rows(PART + 5, seed=3, prefix="E"), made(as_of=20))
    keep(store, some_rows(PART + 5, seed=4), made(as_of=30, imported_at=9), at=3_000)
    assert [run.made.as_of for run, _ in rows_of_deal(store, "D0000001")] == [10, 30, 30]
    last = f"D{PART + 4:07d}"
    found = rows_of_deal(store, last)
    assert [(run.made.as_of, run.made_at) for run, _ in found] == [(30, 1_000), (30, 3_000)]
    assert_same(found[1][1], some_rows(PART + 5, seed=4).take(np.array([PART + 4])))
    assert [run.made_at for run, _ in rows_of_deal(store, last, newest=1)] == [3_000]
    assert [run.made.as_of for run, _ in rows_of_deal(store, "D0000001", until=29)] == [10]
    assert [run.made.as_of for run, _ in rows_of_deal(store, "D0000001", since=11)] == [30, 30]
    assert rows_of_deal(store, "D00000015") == rows_of_deal(store, "nobody") == []
    assert [run.made.as_of for run in runs(store, since=11, until=29)] == [20]


def test_old_runs_are_forgotten_with_all_their_parts(store: Store) -> None:
    keep(store, some_rows(5), made(as_of=1), at=100)
    kept = keep(store, some_rows(5), made(as_of=2), at=200)
    assert forget(store, 200) == 1
    assert runs(store) == [kept]
    with store.transaction() as connection:
        assert connection.execute(sa.select(score_parts.c.run_id)).scalars().all() == [kept.id]


def test_what_was_kept_is_untouched_by_a_later_import(importer: Callable[..., ImportReport], store: Store) -> None:
    head = "opportunity_id,created_at,closed_at,stage\n"
    importer({"opportunities.csv": head + "D0000000,2024-01-01,,Demo\nD0000001,2024-01-01,,Demo\n"})
    rows = some_rows(2)
    run = keep(store, rows, made())
    importer({"opportunities.csv": head + "D0000000,2023-01-01,2024-02-01,Lost\nD0000009,2024-01-01,,Demo\n"})
    assert runs(store) == [run]
    (part,) = rows_of(store, run)
    assert_same(part, rows)


def test_of_several_who_keep_the_same_run_at_once_one_is_first(url: str) -> None:
    found: list[Run] = []
    failed: list[BaseException] = []
    gate = threading.Barrier(4)

    def work(who: int) -> None:
        try:
            with Store.open(url) as mine:
                keeping = Keeping(mine, made())
                keeping.add(some_rows(50), FACTS)
                gate.wait()
                found.append(keeping.finish(made_at=who))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Store.open(url) as store:
        assert runs(store) == found[:1] == found[1:2] == found[2:3] == found[3:]
        assert len(scores_of(store, found[0])) == 50
