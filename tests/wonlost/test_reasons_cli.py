"""fit-reasons and classify, as a user without a CRM calls them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.commands import wonlost

pytestmark = pytest.mark.slow

LABELS = [("too expensive for us", "price"), ("way over the price they had in mind", "price|silent"),
          ("never answered again", "silent"), ("no reply to any mail", "silent")]  # fmt: skip
NOTES = [
    "much too expensive", "", "no reply, never answered", "=cmd|' /C calc'!A0 too expensive", "n/a", "price\nno reply",
    "",
]  # fmt: skip


def write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model fitted on forty labels."""
    folder = tmp_path_factory.mktemp("reasons")
    write(folder / "labels.csv", ["text", "reason", "who"], [[f"{text} {n}", id, "me"] for n in range(10)
                                                            for text, id in LABELS])  # fmt: skip
    assert wonlost(folder, "taxonomy", "new", "--from", "labels.csv", "--out", "T.toml").returncode == 0
    done = wonlost(folder, "fit-reasons", "--labels", "labels.csv", "--taxonomy", "T.toml", "--out", "m")
    assert done.returncode == 0, done.stderr
    assert "40 labels" in done.stdout
    assert "accuracy 100.0 %" in done.stdout
    return folder


def test_one_row_for_each_note_in_its_order(folder: Path) -> None:
    write(folder / "notes.csv", ["id", "text"], [[str(n), text] for n, text in enumerate(NOTES)])
    done = wonlost(folder, "classify", "--model", "m", "--file", "notes.csv", "--out", "out.csv")
    assert done.returncode == 0, done.stderr
    with (folder / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["text", "reason", "probability", "status", "further", "evidence"]
    assert len(rows) == len(NOTES)
    assert [row["text"].removeprefix("'") for row in rows] == NOTES
    assert rows[3]["text"].startswith("'=")
    assert [rows[n]["reason"] for n in (0, 2, 3)] == ["price", "silent", "price"]
    assert [row["status"] == "not a reason" for row in rows] == [not text or text == "n/a" for text in NOTES]
    assert "expensive" in rows[0]["evidence"]
    assert all(0 <= float(row["probability"]) <= 1 for row in rows)
    assert f"{len(NOTES)} notes" in done.stdout


def test_a_file_of_one_column_keeps_its_empty_notes(folder: Path) -> None:
    write(folder / "one.csv", ["text"], [[text] for text in NOTES])
    assert wonlost(folder, "classify", "--model", "m", "--file", "one.csv", "--out", "one_out.csv").returncode == 0
    with (folder / "one_out.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(NOTES)


def test_one_note_on_the_command_line(folder: Path) -> None:
    done = wonlost(folder, "classify", "--model", "m", "--text", "they thought it was too expensive")
    assert done.stdout.startswith("price: ")
    assert "told by: " in done.stdout
    assert "language: en" in done.stdout


def test_the_report_is_written_beside_the_model(folder: Path) -> None:
    report = json.loads((folder / "m" / "report.json").read_text())
    assert report["labels"] == 40
    assert report["thresholds"]["stated"] == 1.0
    assert [score["n"] for score in report["reasons"]] == [20, 20]
    assert (folder / "m" / "doubtful.csv").read_text() == "row,text,reason,suggested,doubt\n"


def test_the_taxonomy_alone_is_enough(folder: Path) -> None:
    done = wonlost(folder, "fit-reasons", "--taxonomy", "T.toml", "--out", "bare")
    assert done.returncode == 0, done.stderr
    assert "sure: none" in done.stdout
    assert wonlost(folder, "classify", "--model", "bare", "--text", "price").stdout.startswith("price: ")


def test_with_sentence_vectors_other_languages_are_read(folder: Path) -> None:
    arguments = ("--labels", "labels.csv", "--taxonomy", "T.toml", "--out", "multi", "--multilingual")
    assert wonlost(folder, "fit-reasons", *arguments).returncode == 0
    done = wonlost(folder, "classify", "--model", "multi", "--text", "Sie haben auf keine unserer Mails geantwortet")
    assert done.stdout.startswith("silent: ")
    assert list((folder / "sentences").glob("*.npz"))


def test_what_cannot_be_used_is_told_with_its_place(folder: Path) -> None:
    def error(*arguments: str) -> str:
        done = wonlost(folder, *arguments)
        assert done.returncode == 1, done.stdout
        assert done.stderr.startswith("error: ")
        return done.stderr

    write(folder / "bad.csv", ["text", "reason"], [["a", "price"], ["b", "prize"]])
    told = error("fit-reasons", "--labels", "bad.csv", "--taxonomy", "T.toml", "--out", "x")
    assert all(part in told for part in ("bad.csv", "3", "reason", "prize"))
    assert not (folder / "x").exists()
    assert "is there already" in error("fit-reasons", "--labels", "labels.csv", "--taxonomy", "T.toml", "--out", "m")
    write(folder / "no_text.csv", ["note"], [["a"]])
    told = error("classify", "--model", "m", "--file", "no_text.csv", "--out", "y.csv")
    assert all(part in told for part in ("no_text.csv", "text", "is missing"))
    assert not (folder / "y.csv").exists()
    assert "no such folder" in error("classify", "--model", "nowhere", "--text", "a")
    assert "--text" in error("classify", "--model", "m")
    assert "wonlost-loss-reason" in error("classify", "--text", "a")  # no champion yet
    (folder / "U.toml").write_text((folder / "T.toml").read_text().replace("Price", "Cost"))
    told = error("classify", "--model", "m", "--taxonomy", "U.toml", "--text", "a")
    assert len([word for word in told.split() if len(word) == 64]) == 2


def test_a_changed_model_is_not_loaded(folder: Path) -> None:
    assert wonlost(folder, "fit-reasons", "--taxonomy", "T.toml", "--out", "tampered").returncode == 0
    path = folder / "tampered" / "model" / "reasons.json"
    path.write_text(path.read_text() + " ")
    done = wonlost(folder, "classify", "--model", "tampered", "--text", "a")
    assert (done.returncode, "reasons.json" in done.stderr) == (1, True)
