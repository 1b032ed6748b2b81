"""`wonlost reengage`: the queue, marks, the hold-out and its comparison, as a user calls them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from crm.simulate import simulate, write
from tests.wonlost.conftest import wonlost

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small simulated company, imported."""
    folder = tmp_path_factory.mktemp("reengage")
    write(simulate(500, 4), folder / "export")
    done = wonlost(folder, "import", "export")
    assert done.returncode == 0, done.stderr
    return folder


def rows(place: Path, *arguments: str) -> list[dict[str, str]]:
    done = wonlost(place, "reengage", "--out", "csv", "--limit", "1000", *arguments)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_the_queue_in_all_forms(place: Path) -> None:
    table = wonlost(place, "reengage", "--limit", "3")
    assert table.returncode == 0, table.stderr
    assert "won back within 12 months" in table.stdout
    assert "left out:" in table.stdout
    assert "simulated data" in table.stderr
    listed = rows(place)
    assert len(listed) > 20
    assert [int(row["rank"]) for row in listed] == list(range(1, len(listed) + 1))
    values = [float(row["expected_value"]) for row in listed]
    assert values == sorted(values, reverse=True)
    assert listed[0]["id"] in table.stdout
    done = wonlost(place, "reengage", "--out", "json", "--limit", "2")
    found = json.loads(done.stdout)
    assert [row["id"] for row in found["rows"]] == [row["id"] for row in listed[:2]]
    assert found["total"] == len(listed)
    assert wonlost(place, "reengage", "--out", "queue.csv", "--limit", "1000").returncode == 0
    assert len(list(csv.DictReader(io.StringIO((place / "queue.csv").read_text())))) == len(listed)


def test_marks_are_kept_and_respected(place: Path) -> None:
    before = rows(place)
    first, second = before[0]["id"], before[1]["id"]
    assert wonlost(place, "reengage", "mark", first, "contacted", "--by", "Nina").stdout.strip() == (
        f"{first}: contacted, by Nina")  # fmt: skip
    assert wonlost(place, "reengage", "mark", second, "snoozed", "--until", "2999-01-01").returncode == 0
    assert [row["id"] for row in rows(place)] == [row["id"] for row in before[2:]]
    told = wonlost(place, "reengage", "compare")
    assert "nothing was held out" in told.stdout
    assert "marked contacted" in told.stdout


def test_a_hold_out_is_drawn_once_and_compared(place: Path) -> None:
    before = {row["id"] for row in rows(place, "--as-of", "2025-06-01")}
    offered = {row["id"] for row in rows(place, "--as-of", "2025-06-01", "--hold-out", "0.5", "--seed", "1")}
    assert offered < before
    assert 0.25 < len(offered) / len(before) < 0.75
    assert {row["id"] for row in rows(place, "--as-of", "2025-06-01")} == offered
    found = json.loads(wonlost(place, "reengage", "compare", "--json").stdout)
    assert found["offered"]["deals"] == len(offered)
    assert found["held_out"]["deals"] == len(before) - len(offered)
    assert found["lower"] < found["difference"] < found["upper"]


@pytest.mark.parametrize(("arguments", "message"), [
    (("reengage", "--horizon", "7"), "--horizon 7: win-backs are followed for 6, 12, 18 months"),
    (("reengage", "--hold-out", "1.5"), "--hold-out 1.5 must lie between 0 and 1"),
    (("reengage", "--out", "queue.xlsx"), "csv, json, or a .csv or .json file"),
    (("reengage", "--as-of", "soon"), "is not a date"),
    (("reengage", "--as-of", "2999-01-01"), "lies in the future"),
    (("reengage", "mark", "nobody", "contacted"), "there is no deal 'nobody' in the store"),
    (("reengage", "mark", "D00001", "called"), "is not a"),
    (("reengage", "mark", "D00001", "snoozed", "--until", "soon"), "--until 'soon' is not a date"),
])  # fmt: skip
def test_errors_are_one_line(place: Path, arguments: tuple[str, ...], message: str) -> None:
    done = wonlost(place, *arguments)
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_before_the_first_deal_the_queue_is_empty(place: Path) -> None:
    done = wonlost(place, "reengage", "--as-of", "2015-01-01")
    assert done.returncode == 0
    assert "0 lost deals worth a call at 2015-01-01" in done.stdout
    assert "no deal had been entered by then" in done.stderr
