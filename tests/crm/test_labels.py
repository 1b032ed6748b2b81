"""What people answered to notes: kept whatever comes after, and read under today's names."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import crm.store
from crm.errors import AnswerError
from crm.importing import ImportReport
from crm.labels import Label, add_label, history, labels
from crm.notes import Note, NoteKey, closed_notes, text_digest
from crm.store import Store
from crm.tables import micros

DEALS = (
    "opportunity_id,created_at,closed_at,stage,loss_reason,win_reason\n"
    "a,2024-01-01,2024-02-01,Lost,Price,\nb,2024-01-01,2024-02-01,Won,,Trust\n"
    "c,2024-01-01,,Demo,,\nd,2024-01-01,2024-03-01,Lost,,\n"
)
NOTES = (
    "opportunity_id,written_at,kind,text\n"
    'd,2024-03-02,,"second, later"\nd,2024-03-01,,went dark\na,2024-02-01,loss,too dear\n'
    "a,2024-02-02,loss,too dear\nb,2024-01-20,loss,lost at first\nb,2024-02-01,win,they trust us\n"
    "c,2024-02-01,,still open\n"
)
NOTE = NoteKey("a", "loss", text_digest("too dear"))


def answer(store: Store, note: NoteKey, *reasons: str, by: str = "Ada", at: int | None = None) -> Label:
    return add_label(store, note, reasons, by=by, taxonomy="t1", at=at)


def by_deal(found: list[Note]) -> list[tuple[str, str, str, str]]:
    return [(note.key.opportunity_id, note.key.kind, note.text, note.picklist) for note in found]


def test_notes_of_closed_deals_with_kind_and_picklist(importer: Callable[..., ImportReport], store: Store) -> None:
    importer({"opportunities.csv": DEALS, "notes.csv": NOTES})
    found = closed_notes(store.load())
    assert by_deal(found) == [
        ("a", "loss", "too dear", "Price"),
        ("b", "win", "they trust us", "Trust"),
        ("d", "loss", "went dark", ""),
        ("d", "loss", "second, later", ""),
    ]
    assert found[0].written_at == micros("2024-02-01")
    assert found[0].key == NOTE
    assert len({note.key.id for note in found}) == 4


def test_a_crm_without_notes_or_picklists_has_none(importer: Callable[..., ImportReport], store: Store) -> None:
    head = "opportunity_id,created_at,closed_at,stage\na,2024-01-01,2024-02-01,Lost\n"
    importer({"opportunities.csv": head})
    assert closed_notes(store.load()) == []
    importer({"opportunities.csv": head, "notes.csv": "opportunity_id,text\na,why\n"})
    assert by_deal(closed_notes(store.load())) == [("a", "loss", "why", "")]


def test_the_newest_answer_counts_and_all_stay_readable(store: Store) -> None:
    first = answer(store, NOTE, "price_value", "budget", at=100)
    second = answer(store, NOTE, "budget", by="Bea", at=200)
    other = answer(store, NoteKey("a", "loss", text_digest("edited")), "no_need")
    assert labels(store) == {NOTE: second, other.note: other}
    assert history(store, NOTE) == [first, second]
    assert (first.reasons, first.by, first.at, first.taxonomy, first.source) == (
        ("price_value", "budget"), "Ada", 100, "t1", "review")  # fmt: skip


def test_of_two_answers_at_the_same_moment_the_one_stored_last_counts(store: Store) -> None:
    answer(store, NOTE, "budget", at=100)
    last = answer(store, NOTE, "no_need", at=100)
    assert labels(store)[NOTE] == last


def test_an_answer_that_comes_in_late_does_not_displace_a_newer_one(store: Store) -> None:
    newer = answer(store, NOTE, "budget", at=200)
    answer(store, NOTE, "no_need", at=100)
    assert labels(store)[NOTE] == newer


def test_kinds_are_read_apart(store: Store) -> None:
    win = NoteKey("a", "win", NOTE.digest)
    answer(store, NOTE, "budget")
    answer(store, win, "price")
    assert list(labels(store, "win")) == [win]
    assert len(labels(store)) == 2


def test_reasons_are_read_under_their_present_ids(store: Store) -> None:
    stored = answer(store, NOTE, "too_dear", "costs", "gone", "no_need")
    now = {"too_dear": "price_value", "costs": "price_value", "no_need": "no_need"}
    assert labels(store, renaming=now.get)[NOTE].reasons == ("price_value", "no_need")
    assert labels(store) == {NOTE: stored}
    assert history(store, NOTE) == [stored]


def test_an_answer_whose_primary_reason_is_gone_needs_another_look(store: Store) -> None:
    answer(store, NOTE, "budget", at=100)
    answer(store, NOTE, "gone", "budget", at=200)
    now = {"budget": "budget"}
    assert labels(store, renaming=now.get) == {}
    again = answer(store, NOTE, "budget", at=300)
    assert labels(store, renaming=now.get) == {NOTE: again}


@pytest.mark.parametrize(
    ("reasons", "by", "message"),
    [
        ((), "Ada", "at least one reason"),
        (("",), "Ada", "at least one reason"),
        (("budget", "budget"), "Ada", "names a reason twice: budget, budget"),
        (("budget",), "  ", "the name of who gave it"),
    ],
)
def test_an_answer_that_says_too_little_is_refused(
    store: Store, reasons: tuple[str, ...], by: str, message: str
) -> None:
    with pytest.raises(AnswerError, match=message):
        answer(store, NOTE, *reasons, by=by)
    assert labels(store) == {}


def test_answers_survive_another_import_and_hold_no_text(
    importer: Callable[..., ImportReport], store: Store, url: str
) -> None:
    importer({"opportunities.csv": DEALS, "notes.csv": NOTES})
    answer(store, closed_notes(store.load())[0].key, "price_value")
    importer({"opportunities.csv": DEALS, "notes.csv": NOTES + "d,2024-03-03,,new one\n"})
    answered = labels(store)
    assert [note.text for note in closed_notes(store.load()) if note.key in answered] == ["too dear"]
    with store.transaction() as connection:
        kept = connection.execute(sa.text("SELECT * FROM labels")).all()
    assert "too dear" not in str(kept)


def test_two_people_answering_at_once_lose_nothing(url: str) -> None:
    each, people = 25, ("Ada", "Bea", "Cyd")
    failed: list[BaseException] = []

    def work(who: str) -> None:
        try:
            with Store.open(url) as mine:
                for number in range(each):
                    answer(mine, NOTE, f"reason_{number}", by=who)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    with Store.open(url) as store:
        found = history(store, NOTE)
    assert sorted((label.by, label.reasons[0]) for label in found) == sorted(
        (who, f"reason_{number}") for who in people for number in range(each)
    )


def test_a_store_of_the_first_version_is_upgraded_with_its_data(new_url: str) -> None:
    engine = sa.create_engine(new_url)
    config = Config()
    config.set_main_option("script_location", str(Path(crm.store.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        assert "labels" not in sa.inspect(connection).get_table_names()
        connection.exec_driver_sql("INSERT INTO opportunities (opportunity_id, name) VALUES ('a', 'kept')")
    engine.dispose()
    with Store.open(new_url) as store:
        with store.transaction() as connection:
            assert connection.execute(sa.text("SELECT name FROM opportunities")).scalars().all() == ["kept"]
        assert labels(store) == {}
        stored = answer(store, NOTE, "budget")
        assert labels(store) == {NOTE: stored}
