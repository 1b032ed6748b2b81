"""The taxonomy commands, and the settings that name a company's own reasons."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from models.errors import TaxonomyError
from models.taxonomy import default_taxonomy, load_taxonomy, parse_taxonomy
from tests.commands import wonlost
from wonlost.cli.console import taxonomy_of
from wonlost.reference import DOCS
from wonlost.settings import Settings

LABELS = 'text,reason\nour card is gone,lost_card\nwhere is it,card_arrival|lost_card\nhm,"What\'s up?"\nno idea,\n'


def test_a_starter_can_be_checked_and_changed(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(LABELS)
    done = wonlost(tmp_path, "taxonomy", "new", "--from", "labels.csv", "--out", "T.toml")
    assert done.returncode == 0, done.stderr
    assert "wrote T.toml: 3 reasons from 3 labels" in done.stdout
    made = load_taxonomy(tmp_path / "T.toml")
    assert made.ids == ("lost_card", "What's up?", "card_arrival")
    assert wonlost(tmp_path, "taxonomy", "check", "T.toml").stdout.splitlines()[-1] == "no collisions"

    text = (tmp_path / "T.toml").read_text()
    renamed = text.replace("[reasons.lost_card]", "[reasons.card_lost]\nformerly = ['lost_card']")
    (tmp_path / "new.toml").write_text(re.sub(r'\[reasons\."What.*?\n\n', "", renamed, flags=re.DOTALL))
    done = wonlost(tmp_path, "taxonomy", "check", "new.toml", "--against", "T.toml", "--labels", "labels.csv")
    assert done.returncode == 0, done.stderr
    assert re.search(r"lost_card +renamed +card_lost +2\n", done.stdout)
    assert re.search(r"What's up\? +gone +1\n", done.stdout)
    assert "note: 1 labels of What's up? have no place any more" in done.stderr
    assert "note: 1 rows of labels.csv have no reason" in done.stderr


def test_new_does_not_overwrite_what_somebody_edited(tmp_path: Path) -> None:
    assert wonlost(tmp_path, "taxonomy", "new", "--from", "win", "--out", "T.toml").returncode == 0
    assert load_taxonomy(tmp_path / "T.toml") == default_taxonomy("win")
    again = wonlost(tmp_path, "taxonomy", "new", "--from", "loss", "--out", "T.toml")
    assert (again.returncode, load_taxonomy(tmp_path / "T.toml").kind) == (1, "win")
    assert "is there already" in again.stderr


def test_a_wrong_file_ends_in_its_line_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text('kind = "own"\nname = "x"\ngroups = ["A"]\n[reasons.a]\n[reasons.a]\n')
    done = wonlost(tmp_path, "taxonomy", "check", "bad.toml")
    assert (done.returncode, done.stderr) == (
        1, "error: bad.toml, line 5: reason 'a' is there already, at line 4\n")  # fmt: skip
    missing = wonlost(tmp_path, "taxonomy", "new", "--from", "none.csv", "--out", "T.toml")
    assert (missing.returncode, missing.stderr) == (1, "error: none.csv: there is no such file\n")
    assert not (tmp_path / "T.toml").exists()


def test_show_lists_every_reason(tmp_path: Path) -> None:
    shown = wonlost(tmp_path, "taxonomy", "show", "win").stdout
    for reason in default_taxonomy("win").reasons:
        assert re.search(rf" {reason.id} +{re.escape(reason.definition)}", shown)


def test_settings_name_a_companys_own_reasons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert taxonomy_of(Settings(), "loss") == default_taxonomy("loss")
    own = tmp_path / "own.toml"
    own.write_text('kind = "loss"\nname = "x"\ngroups = ["A"]\n[reasons.a]\ngroup = "A"\nname = "a"\ndefinition = "d"\n'
                   'seeds = ["s"]\n')  # fmt: skip
    monkeypatch.setenv("WONLOST_TAXONOMY", str(own))
    monkeypatch.setenv("WONLOST_WIN_TAXONOMY", str(own))
    assert taxonomy_of(Settings(), "loss").ids == ("a",)
    with pytest.raises(TaxonomyError, match="its kind is 'loss', but WONLOST_WIN_TAXONOMY needs one of kind 'win'"):
        taxonomy_of(Settings(), "win")


def test_the_documented_taxonomy_is_one() -> None:
    example = re.search(r"```toml\n(.*?)```", (DOCS / "taxonomy.md").read_text(), re.DOTALL)
    assert example is not None
    assert parse_taxonomy(example[1], "docs/taxonomy.md").current_id("too_expensive") == "price_value"
