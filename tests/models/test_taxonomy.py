"""Taxonomy files: what they say, how ids and picklist values lead to a reason, and the errors with their lines."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.simulation.reasons import LOSS_PICKLIST, LOSS_REASONS, WIN_PICKLIST, WIN_REASONS
from models.errors import TaxonomyError
from models.taxonomy import BUILT_IN, Reason, Taxonomy, default_taxonomy, load_taxonomy, parse_taxonomy, plain, to_toml

BASE = """\
kind = "loss"
name = "ours"
groups = ["Commercial", "Decision"]

[reasons.price]
group = "Commercial"
name = "Price"
definition = "It cost too much."
seeds = ["too expensive"]
synonyms = ["Too costly"]

[reasons."No need"]
group = "Decision"
name = "No need"
definition = "They need nothing."
seeds = [
    "nice to have",
    "no pain",
]
"""


def error_of(text: str) -> str:
    with pytest.raises(TaxonomyError) as caught:
        parse_taxonomy(text, "my.toml")
    return str(caught.value)


@pytest.mark.parametrize(("kind", "ids"), [("loss", LOSS_REASONS), ("win", (*WIN_REASONS, "unclear"))])
def test_built_in_reasons_are_those_of_the_design_in_its_order(kind: str, ids: tuple[str, ...]) -> None:
    taxonomy = default_taxonomy(kind)
    assert taxonomy.kind == kind
    assert taxonomy.ids == ids
    for reason in taxonomy.reasons:
        assert len(reason.seeds) >= 32, reason.id
        assert reason.hint, reason.id


def test_what_is_no_reason_does_not_count() -> None:
    not_counted = [reason.id for reason in default_taxonomy("loss").reasons if not reason.counts]
    assert not_counted == ["unqualified", "invalid_duplicate", "unclear"]


@pytest.mark.parametrize(
    ("value", "id"),
    [
        *zip(LOSS_PICKLIST, ("price_value", "competitor", "indecision", "budget", "timing_deferred", "product_misfit",
                             "unresponsive", "unqualified", "invalid_duplicate", None), strict=True),
        ("No Budget / Lost Funding", "budget"), ("Out-Sold", "competitor"), ("Canceled", "project_cancelled"),
        ("LOST TO COMPETITOR", "competitor"), ("closed lost - price", "price_value"), ("03. Price", "price_value"),
        ("price_value", "price_value"), ("Went silent", "unresponsive"), ("Kein Budget", "budget"),
        ("No Decision / Non-Responsive", None), ("", None), ("-", None), ("Closed Lost", None),
    ],
)  # fmt: skip
def test_a_picklist_value_leads_to_its_reason_where_it_is_clear(value: str, id: str | None) -> None:
    assert default_taxonomy("loss").of_picklist(value) == id


def test_win_picklist_values() -> None:
    taxonomy = default_taxonomy("win")
    assert [taxonomy.of_picklist(value) for value in WIN_PICKLIST] == [
        None, "price", "trust_relationship", "customer_focus", "incumbent_or_expansion", None]  # fmt: skip


def test_other_letters_and_signs_that_matter_are_kept_apart() -> None:
    assert plain("Préis  zu_hoch!") == "preis zu hoch"
    assert len({plain("C"), plain("C++"), plain("C#")}) == 3
    assert plain("価格") == "価格"


def test_a_file_says_what_stands_in_it(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(BASE, encoding="utf-8-sig")
    assert load_taxonomy(path) == Taxonomy(
        "loss", "ours", ("Commercial", "Decision"),
        (Reason("price", "Commercial", "Price", "It cost too much.", ("too expensive",), synonyms=("Too costly",)),
         Reason("No need", "Decision", "No need", "They need nothing.", ("nice to have", "no pain"))),
    )  # fmt: skip


def test_the_digest_is_of_what_is_said_not_of_the_layout() -> None:
    digest = parse_taxonomy(BASE, "a").digest
    assert parse_taxonomy("# a remark\n" + BASE.replace('    "no pain",\n', '"no pain"\n'), "b").digest == digest
    for old, new in (("too expensive", "so expensive"), ('"ours"', '"theirs"'), ("cost too much", "costs too much"),
                     ("Too costly", "Costly"), ('"Commercial", "Decision"', '"Decision", "Commercial"')):  # fmt: skip
        assert parse_taxonomy(BASE.replace(old, new), "c").digest != digest, new
    taxonomy = parse_taxonomy(BASE, "a")
    assert replace(taxonomy, reasons=taxonomy.reasons[::-1]).digest != digest


@pytest.mark.parametrize("kind", BUILT_IN)
def test_what_is_written_reads_the_same(kind: str) -> None:
    taxonomy = default_taxonomy(kind)
    again = parse_taxonomy(to_toml(taxonomy), "again.toml")
    assert again == taxonomy
    assert again.digest == taxonomy.digest


@given(st.text(min_size=1, max_size=40).map(lambda text: " ".join(text.split())).filter(bool), st.text(max_size=5))
def test_any_text_is_written_so_that_it_reads_the_same(text: str, seed: str) -> None:
    taxonomy = Taxonomy("own", text, (text,), (Reason("a b.c\"'", text, text, text, ("x" + seed,), hint=text),))
    assert parse_taxonomy(to_toml(taxonomy), "t") == taxonomy


def test_ids_follow_renames_and_merges_but_not_splits() -> None:
    text = BASE.replace("synonyms =", 'formerly = ["cost", "both"]\nsynonyms =')
    taxonomy = parse_taxonomy(text + 'formerly = ["both", "status_quo"]\n', "t")
    found = {id: taxonomy.current_id(id) for id in ("price", "cost", "status_quo", "both", "never")}
    assert found == {"price": "price", "cost": "price", "status_quo": "No need", "both": None, "never": None}
    assert taxonomy.successors("both") == ("price", "No need")


PRICE = '[reasons.price]\ngroup = "Commercial"'


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ('[reasons."No need"]', "[reasons.price]", "line 12: reason 'price' is there already, at line 5"),
        ('"ours"', '"ours', None),
        ('name = "ours"', 'name = "ours"\ncolour = "red"', "line 3: no such key 'colour'; there are kind"),
        ('name = "Price"', 'nane = "Price"', "line 7: reason 'price': no such key 'nane'; there are group, name"),
        ('name = "Price"\n', "", "line 5: reason 'price': name is missing"),
        ('"It cost too much."', '" "', "line 8: reason 'price': definition is empty"),
        ('["too expensive"]', "[]", "line 9: reason 'price': without a seed phrase it cannot be recognised"),
        ('seeds = ["too expensive"]\n', "", "line 5: reason 'price': without a seed phrase it cannot be recognised"),
        ('["too expensive"]', '"too expensive"', "line 9: reason 'price': seeds must be a list of texts"),
        ('"no pain"', '"nice to have"', "line 17: reason 'No need': seeds holds 'nice to have' twice"),
        ('"no pain"', "7", "line 16: reason 'No need': seeds must hold texts, not 7"),
        ('"Decision"\nname', '"Decisions"\nname', "line 13: reason 'No need': group 'Decisions' is not one of groups"),
        ('"Decision"]', '"Decision", "Rival"]', "line 3: group 'Rival' has no reasons"),
        ('name = "No need"', 'name = "Price"',
         "line 14: reason 'No need': a picklist's 'Price' would be both 'price' and 'No need'"),
        ('    "no pain",\n]', '    "no pain",\n]\nsynonyms = [\n    "dear",\n    "too-COSTLY",\n]',
         "line 22: reason 'No need': a picklist's 'too-COSTLY' would be both 'price' and 'No need'"),
        ("synonyms", 'formerly = ["No need"]\nsynonyms',
         "line 10: reason 'price': formerly names 'No need', but 'No need' is a reason of its own here"),
        ("synonyms", 'formerly = ["price"]\nsynonyms',
         "line 10: reason 'price': formerly names 'price', but these lead in a circle: price -> price"),
        ("synonyms", "counts = 1\nsynonyms", "line 10: reason 'price': counts must be true or false, not 1"),
        ("synonyms", "wait_days = [9, 3]\nsynonyms", "line 10: reason 'price': wait_days must be two whole numbers"),
        ("synonyms", "wait_days = [true, 3]\nsynonyms", "line 10: reason 'price': wait_days must be two whole"),
        ('"No need"]', '"a|b"]', "line 12: 'a|b' cannot be an id"),
        (PRICE, '[reasons]\nstray = 3\n\n[reasons.price]\ngroup = "Commercial"', "reasons.stray must be a table"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_its_line(old: str, new: str, error: str | None) -> None:
    told = error_of(BASE.replace(old, new, 1))
    if error is None:
        assert told.startswith("my.toml: not valid TOML: ")
        assert "line 2" in told
    else:
        assert error in told
        assert told.startswith("my.toml, line ")


def test_two_reasons_cannot_each_have_been_the_other() -> None:
    text = BASE.replace("synonyms", 'formerly = ["No need"]\nsynonyms') + 'formerly = ["price"]\n'
    assert error_of(text).splitlines() == [
        "my.toml, line 10: reason 'price': formerly names 'No need', but these lead in a circle: "
        "price -> No need -> price",
        "my.toml, line 21: reason 'No need': formerly names 'price', but these lead in a circle: "
        "No need -> price -> No need",
    ]


def test_all_faults_are_told_at_once_in_order() -> None:
    lines = error_of(BASE.replace('"nice to have"', '""').replace('"It cost too much."', '""')).splitlines()
    assert [line.split(":")[0] for line in lines] == ["my.toml, line 8", "my.toml, line 16"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match="there is no such file"):
        load_taxonomy(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe4"')
    with pytest.raises(TaxonomyError, match="cannot be read"):
        load_taxonomy(tmp_path / "latin.toml")
    with pytest.raises(TaxonomyError, match="no built-in taxonomy 'draw', only loss and win"):
        default_taxonomy("draw")
    assert "not valid TOML" in error_of("x = " + "[" * 100_000)
    assert "there are no reasons" in error_of('kind = "own"\nname = "x"\ngroups = []\n')
