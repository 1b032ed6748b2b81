"""Marks on lost deals: kept with their history, the newest counts; and random draws that are never drawn again."""

from __future__ import annotations

import pytest

from crm.errors import MarkError
from crm.marks import add_mark, all_marks, draw, draws, is_held_out, mark_history, marks_by_deal
from crm.store import Store
from crm.tables import DAY, micros

NOW = micros("2026-05-01")


def test_the_newest_mark_counts_and_all_are_kept(store: Store) -> None:
    add_mark(store, "d1", "contacted", by="Nina", at=NOW)
    add_mark(store, "d1", "snoozed", by="Omar", until=NOW + 30 * DAY, at=NOW + DAY)
    add_mark(store, "d2", "dismissed", by="Nina", at=NOW)
    found = marks_by_deal(store)
    assert {deal: (mark.kind, mark.by) for deal, mark in found.items()} == {
        "d1": ("snoozed", "Omar"), "d2": ("dismissed", "Nina"),
    }  # fmt: skip
    assert [mark.kind for mark in mark_history(store, "d1")] == ["contacted", "snoozed"]
    assert [mark.opportunity_id for mark in all_marks(store)] == ["d1", "d2", "d1"]
    assert mark_history(store, "nobody") == []


def test_of_one_moment_the_one_stored_last_counts(store: Store) -> None:
    for kind in ("dismissed", "contacted"):
        add_mark(store, "d1", kind, by="Nina", at=NOW)
    assert marks_by_deal(store)["d1"].kind == "contacted"


def test_a_snoozed_deal_comes_back_the_others_do_not(store: Store) -> None:
    until = NOW + 30 * DAY
    snoozed = add_mark(store, "d1", "snoozed", by="Nina", until=until, at=NOW)
    assert snoozed.hides(until - 1)
    assert not snoozed.hides(until)
    assert add_mark(store, "d2", "contacted", by="Nina", at=NOW).hides(until + 1000 * DAY)


@pytest.mark.parametrize(("kind", "by", "until", "message"), [
    ("called", "Nina", None, "'called' is not a mark; there are contacted, snoozed, dismissed"),
    ("contacted", "  ", None, "name of who"),
    ("contacted", "x" * 201, None, "200"),
    ("contacted", "a\nb", None, "printable"),
    ("snoozed", "Nina", None, "needs the day until"),
    ("dismissed", "Nina", NOW + DAY, "has no day until"),
    ("snoozed", "Nina", NOW, "must lie ahead"),
])  # fmt: skip
def test_what_a_mark_lacks_is_said_and_nothing_is_stored(
    store: Store, kind: str, by: str, until: int | None, message: str
) -> None:
    with pytest.raises(MarkError, match=message):
        add_mark(store, "d1", kind, by=by, until=until, at=NOW)
    assert all_marks(store) == []


def test_marks_survive_a_new_opening_of_the_store(tmp_path) -> None:  # type: ignore[no-untyped-def]
    url = f"sqlite:///{tmp_path / 'store.db'}"
    with Store.open(url) as store:
        add_mark(store, "d1", "contacted", by="Nina", at=NOW)
    with Store.open(url) as store:
        assert marks_by_deal(store)["d1"].by == "Nina"


def test_a_draw_holds_out_about_its_share_and_is_never_drawn_again(store: Store) -> None:
    deals = [(f"d{number}", f"A{number}") for number in range(2000)]
    found = draw(store, deals, share=0.3, seed=1, as_of=NOW, at=NOW)
    held = {deal for deal, item in found.items() if item.held_out}
    assert 0.26 < len(held) / len(deals) < 0.34
    again = draw(store, [*deals, ("new", "A1")], share=0.9, seed=2, as_of=NOW + DAY)
    assert {deal for deal, item in again.items() if item.held_out} - {"new"} == held
    assert again["new"].held_out == found["d1"].held_out  # another deal of an account that was drawn before
    assert len(draws(store)) == 2001
    assert set(draws(store, ["d1", "nobody"])) == {"d1"}


def test_a_draw_rests_on_account_and_seed_alone() -> None:
    accounts = [f"A{number}" for number in range(300)]
    one, other = ([is_held_out(account, 0.5, seed) for account in accounts] for seed in (1, 2))
    assert one == [is_held_out(account, 0.5, 1) for account in accounts]
    assert one != other
    wider = [is_held_out(account, 0.8, 1) for account in accounts]
    assert all(late or not early for early, late in zip(one, wider, strict=True))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, 2.0, float("nan")])
def test_a_share_that_is_none_is_refused(store: Store, share: float) -> None:
    with pytest.raises(MarkError, match="between 0 and 1"):
        draw(store, [("d", "A")], share=share, seed=1, as_of=NOW)
    assert draws(store) == {}
