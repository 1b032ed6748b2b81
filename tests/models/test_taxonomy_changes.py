"""Collisions within a taxonomy, what a change means for labels, labels from a file, and the starter made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.errors import InputError
from models.taxonomy import BUILT_IN, Reason, Taxonomy, default_taxonomy, parse_taxonomy
from models.taxonomy.checking import Change, added, changes, collisions
from models.taxonomy.labels import Labels, read_labels
from models.taxonomy.starting import starter


def reason(id: str, *formerly: str, group: str = "A", seeds: tuple[str, ...] = ("x",), **more: str) -> Reason:
    return Reason(id, group, more.get("name", id), more.get("definition", 4 * id), seeds, formerly=formerly)


def made_of(*reasons: Reason) -> Taxonomy:
    return Taxonomy("own", "t", tuple(dict.fromkeys(r.group for r in reasons)), reasons)


@pytest.mark.parametrize("kind", BUILT_IN)
def test_built_in_reasons_do_not_collide(kind: str) -> None:
    assert collisions(default_taxonomy(kind)) == ()


def test_nearly_the_same_texts_of_two_reasons_collide() -> None:
    found = collisions(made_of(
        reason("price", seeds=("much too expensive", "no discount"), definition="Far too high a price for them."),
        reason("budget", seeds=("Much too expensive!", "budget was cut"), definition="The money was spent elsewhere."),
        reason("cost", seeds=("their board said no",), definition="Far too high prices for them."),
    ))  # fmt: skip
    assert [(c.what, c.first, c.second) for c in found] == [
        ("seeds", "price", "budget"), ("definitions", "price", "cost")]  # fmt: skip
    assert found[0].similarity == pytest.approx(1.0)
    assert (found[0].first_text, found[0].second_text) == ("much too expensive", "Much too expensive!")


def test_the_same_seed_within_one_reason_is_no_collision() -> None:
    assert collisions(made_of(reason("a", seeds=("went dark", "went dark.")), reason("b", seeds=("price",)))) == ()


def test_a_seed_that_is_the_name_of_another_reason_collides() -> None:
    found = collisions(made_of(reason("a", seeds=("no budget",)), reason("b", name="No Budget", seeds=("cut",))))
    assert [(c.what, c.first, c.first_text, c.second, c.second_text) for c in found] == [
        ("synonym", "a", "no budget", "b", "No Budget")]  # fmt: skip


def test_every_fate_of_a_label() -> None:
    old = made_of(*map(reason, ("same", "home", "was", "one", "two", "three", "big", "lost")))
    new = made_of(
        reason("same"), reason("home", group="B"), reason("is", "was", group="B"), reason("pair", "one", "two"),
        reason("host", "three"), reason("part1", "big"), reason("part2", "big"), reason("fresh"),
    )  # fmt: skip
    labels = {"same": 5, "was": 2, "big": 7, "lost": 1, "typo": 3}
    assert changes(new, old, labels) == (
        Change("same", "kept", ("same",), 5),
        Change("home", "moved", ("home",), 0, ("A", "B")),
        Change("was", "renamed", ("is",), 2, ("A", "B")),
        Change("one", "merged", ("pair",), 0),
        Change("two", "merged", ("pair",), 0),
        Change("three", "renamed", ("host",), 0),
        Change("big", "split", ("part1", "part2"), 7),
        Change("lost", "gone", (), 1),
        Change("typo", "gone", (), 3),
    )
    assert [c.id for c in changes(new, old, labels) if c.needs_a_look] == ["big", "lost", "typo"]
    assert added(new, old) == ("fresh",)


def test_a_reason_that_takes_in_another_keeps_its_own_labels() -> None:
    new = made_of(reason("price", "value"))
    fates = {c.id: c.fate for c in changes(new, made_of(reason("price"), reason("value")))}
    assert fates == {"price": "kept", "value": "merged"}


def test_labels_alone_tell_what_there_was() -> None:
    new = made_of(reason("price", "value", "cost"), reason("other"))
    assert changes(new, labels={"value": 4, "gone": 1}) == (
        Change("value", "renamed", ("price",), 4), Change("gone", "gone", (), 1))  # fmt: skip


def labels_of(folder: Path, text: str) -> Labels:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return read_labels(path)


def test_labels_are_read_with_several_reasons_in_order(tmp_path: Path) -> None:
    text = '\ufeffid;Reason;text\n1;price;"too dear; really"\n2;;later\n3; budget | price |budget;"two\nlines"\n'
    labels = labels_of(tmp_path, text)
    assert labels.texts == ("too dear; really", "two\nlines")
    assert labels.reasons == (("price",), ("budget", "price"))
    assert labels.rows == (2, 4)
    assert labels.unlabelled == 1
    assert labels.counts == {"price": 2, "budget": 1}


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("text,label\na,b\n", "row 1, column 'reason', value 'text, label': this column is missing; labels have"),
        ("text,reason,Text\na,b,c\n", "row 1, column 'text', value 'text, reason, Text': this column is there more"),
        ("text,reason\na,x\n ,price\n", "row 3, column 'text', value ' ': is empty, but has the reason 'price'"),
        ("text,reason\na,x||y\n", "row 2, column 'reason', value 'x||y': has nothing on one side of a '|'"),
        ('text,reason\na,"x\ny"\n', "row 2, column 'reason', value 'x\\ny': a reason is short printable text"),
        ("text,reason\na,b,c\n", "row 2: has 3 cells, the header has 2"),
        ("text,reason\na,\n", "column 'reason': there is no labelled text in it"),
        ("", "the file is empty"),
    ],
)
def test_a_wrong_label_is_told_with_row_column_and_value(tmp_path: Path, text: str, error: str) -> None:
    with pytest.raises(InputError) as caught:
        labels_of(tmp_path, text)
    assert str(caught.value).startswith("labels.csv")
    assert error in str(caught.value)


def test_labels_in_another_encoding_are_told_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"text,reason\nzu \xfcber,price\n")
    with pytest.raises(InputError, match=r"row 2, column 'text', .* is not utf-8; save it as UTF-8$"):
        read_labels(path)


def test_the_starter_has_a_reason_for_each_label_and_none_of_their_texts(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, "text,reason\nsecret one,Can't Tell\nsecret two,card_not_working\n"
                                 "secret three,card_not_working|lateFlight?\n")  # fmt: skip
    text = starter(labels)
    assert "secret" not in text
    taxonomy = parse_taxonomy(text, "starter.toml")
    assert [(r.id, r.name, r.definition, r.seeds) for r in taxonomy.reasons] == [
        ("card_not_working", "Card not working", "Card not working.", ("card not working",)),
        ("Can't Tell", "Can't Tell", "Can't Tell.", ("can't tell",)),
        ("lateFlight?", "Late Flight?", "Late Flight?", ("late flight?",)),
    ]
    assert "[reasons.card_not_working]  # 2 labels" in text
    assert all(change.fate == "kept" for change in changes(taxonomy, labels=labels.counts))


def test_a_label_spelled_in_two_ways_is_told(tmp_path: Path) -> None:
    labels = labels_of(tmp_path, "text,reason\na,late flight\nb,late flight\nc,Late-Flight\n")
    with pytest.raises(InputError, match=r"row 4, column 'reason', value 'Late-Flight': differs only in case or"):
        starter(labels)
