"""Mapping files: what they may say, and the one clear error where they say something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from crm.errors import MappingError
from crm.mapping import builtin_mappings, load_mapping, mapping_sha256, parse_mapping

BASE = """
name = "mine"
[process]
won = ["Won"]
lost = ["Lost"]
[tables.opportunities.columns]
opportunity_id = "Id"
created_at = "Created"
closed_at = "Closed"
stage = "Stage"
"""


STAGE = 'stage = "Stage"'
KEY = "key tables.opportunities.columns.stage"
TABLE = "tables.opportunities"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("", "\n[format\n"), ": not valid TOML: "),
        (("", "\n[extra]\n"), ", key extra: no such key"),
        ((STAGE, 'stage = { form = "Stage" }'), f", {KEY}.form, value 'Stage': no such key"),
        ((STAGE, 'stag = "Stage"'), f": {TABLE}.columns.stag: no such column; there are opportunity_id, name"),
        ((STAGE, "stage = []"), f", {KEY}, value []: says nowhere to take it from: give a header"),
        ((STAGE, 'stage = { from = "S", known = "event" }'), f", {KEY}: known must be created, history or closed"),
        ((STAGE, 'stage = { from = "S", known = "never" }'), f", {KEY}.known, value 'never': Input should be"),
        ((STAGE, ""), f": {TABLE}.columns: stage or outcome is needed"),
        (('closed_at = "Closed"', ""), f": {TABLE}.columns.closed_at: needed with time_basis = 'dates'"),
        (('won = ["Won"]', 'won = ["lost"]'), ", key process: won and lost share ['lost']"),
        (('won = ["Won"]', ""), ": process: won and lost must list the values"),
        (("", '\n[tables.deals.columns]\nx = "y"\n'), ": tables.deals: no such table; there are opportunities,"),
        (("", '\n[tables.users.custom]\nx = "y"\n'), ": tables.users.custom: own columns are possible in"),
        (("", f'\n[{TABLE}.custom]\namount = "y"\n'), f": {TABLE}.custom.amount: this is a standard column"),
        (("", f'\n[{TABLE}.custom]\n"a b" = "y"\n'), f": {TABLE}.custom.a b: a name has letters, digits and"),
        (("", f'\n[{TABLE}.values.amount]\n"a" = "b"\n'), f": {TABLE}.values.amount: this column is not mapped"),
        (("", '\n[format]\nencoding = "utf-9"\n'), ", key format: encoding 'utf-9' is not known"),
        (("", '\n[format]\ntimezone = "Mars"\n'), ", key format: timezone 'Mars' is not an IANA name"),
        (("", '\n[format]\ndates = ["dd/mm"]\n'), ", key format: dates: 'dd/mm' is neither ISO nor a format such as"),
        (("", '\n[format]\ndecimal = ","\nthousands = ","\n'), ", key format: decimal and thousands cannot both be"),
        (('name = "mine"', ""), ", key name: Field required"),
    ],
)
def test_a_wrong_mapping_names_file_key_and_value(change: tuple[str, str], error: str) -> None:
    old, new = change
    text = BASE.replace(old, new) if old else BASE + new
    with pytest.raises(MappingError) as caught:
        parse_mapping(text, "my.toml")
    assert str(caught.value).startswith(f"my.toml{error}")


def test_a_mapping_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(
        MappingError, match="is neither a file nor one of dynamics, hubspot, pipedrive, salesforce, wonlost"
    ):
        load_mapping("salesfroce")
    (tmp_path / "m.toml").write_bytes(b"name = '\xe4'")
    with pytest.raises(MappingError, match="cannot be read"):
        load_mapping(tmp_path / "m.toml")


def test_a_mapping_is_known_by_what_it_says_not_by_its_layout() -> None:
    same = BASE.replace('stage = "Stage"', '# a remark\nstage = { from = ["Stage"] }')
    assert mapping_sha256(parse_mapping(BASE, "a")) == mapping_sha256(parse_mapping(same, "b"))
    other = BASE.replace('"Stage"', '"Phase"')
    assert mapping_sha256(parse_mapping(BASE, "a")) != mapping_sha256(parse_mapping(other, "b"))


def test_all_built_in_mappings_load() -> None:
    assert [load_mapping(name).name for name in builtin_mappings()] == builtin_mappings()
