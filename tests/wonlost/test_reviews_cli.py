"""`wonlost review-notes` and `wonlost themes`, on a small store."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crm.importing import import_export
from crm.labels import labels
from crm.mapping import load_mapping
from crm.store import Store
from models.errors import NoChampionError
from models.reasons import Classifier, ReasonModel, Recipe, Thresholds
from models.registry import Version
from models.taxonomy import default_taxonomy
from wonlost.cli import reviews
from wonlost.cli.console import UsageError

NOTES = [
    "price was far too high for them", "CFO froze all spend, no budget left", "they went dark after the demo",
    "chose a rival over us", "project was cancelled", "n/a", *(f"{who} feared the data migration effort" for who in
    ("the buyer", "their board", "a director", "the team", "our sponsor", "the clinic", "a partner", "head office")),
]  # fmt: skip
Run = Callable[..., str]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    export = tmp_path / "export"
    export.mkdir()
    deals = [f"d{n:02},2024-01-01,2024-02-01,Lost,Price" for n in range(len(NOTES))]
    (export / "opportunities.csv").write_text(
        "\n".join(["opportunity_id,created_at,closed_at,stage,loss_reason", *deals]) + "\n"
    )
    written = [f'd{n:02},loss,"{text}"' for n, text in enumerate(NOTES)]
    (export / "notes.csv").write_text("\n".join(["opportunity_id,kind,text", *written]) + "\n")
    address = f"sqlite:///{tmp_path}/crm.db"
    with Store.open(address) as store:
        import_export([export], load_mapping("wonlost"), store)
    monkeypatch.setenv("WONLOST_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("WONLOST_STORE", address)
    return address


@pytest.fixture
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*_: object) -> None:
        raise NoChampionError("no version of wonlost-loss-reason has been promoted yet")

    monkeypatch.setattr(reviews, "load_reasons", load)


@pytest.fixture
def with_model(monkeypatch: pytest.MonkeyPatch) -> None:
    taxonomy = default_taxonomy("loss")
    seeds = [(seed, place) for place, reason in enumerate(taxonomy.reasons) for seed in reason.seeds]
    texts, place = [seed for seed, _ in seeds], np.array([place for _, place in seeds])
    classifier = Classifier.fit(texts, place, len(taxonomy.ids), np.ones(len(texts)), Recipe())
    model = ReasonModel(taxonomy, classifier, Thresholds(unclear=0.95), {"en": 1000})
    monkeypatch.setattr(reviews, "load_reasons", lambda *_: (model, Version(1, ("champion",), "", "", 0)))


@pytest.fixture
def run(url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def type_in(*lines: str, by: str = "Ada", n: int = 20, kind: str = "loss") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        reviews.review_notes(kind=kind, n=n, by=by, store="")
        return capsys.readouterr().out

    return type_in


def stored(url: str) -> list[tuple[str, tuple[str, ...]]]:
    with Store.open(url) as store:
        return sorted((label.by, label.reasons) for label in labels(store).values())


@pytest.mark.usefixtures("no_model")
def test_answers_by_id_are_stored_until_the_input_ends(run: Run, url: str) -> None:
    told = run("budget", "s", "price_value, indecision")
    assert told.endswith("2 answers stored; `wonlost train` learns from them\n")
    assert "picked in the CRM: Price" in told
    assert stored(url) == [("Ada", ("budget",)), ("Ada", ("price_value", "indecision"))]


@pytest.mark.usefixtures("no_model")
def test_quitting_stores_nothing_more(run: Run, url: str) -> None:
    assert run("q", "budget").endswith("no answers stored\n")
    assert run().endswith("no answers stored\n")
    assert stored(url) == []


@pytest.mark.usefixtures("no_model")
def test_a_wrong_answer_is_asked_again(run: Run, url: str) -> None:
    told = run("budjet", "budget,budget", "?", "budget", "q", by="Bea")
    assert "'budjet' is no reason of" in told
    assert "did you mean 'budget'" in told
    assert "names a reason twice" in told
    assert "feature_gap: " in told
    assert stored(url) == [("Bea", ("budget",))]


@pytest.mark.usefixtures("with_model")
def test_a_number_takes_the_guess_beside_it(run: Run, url: str) -> None:
    told = run("1", n=1)
    guess = next(line for line in told.splitlines() if line.startswith("  1  ")).split()[1]
    assert stored(url) == [("Ada", (guess,))]
    assert "told by: " in told


@pytest.mark.usefixtures("no_model")
def test_notes_that_say_nothing_or_were_answered_are_not_asked_about(run: Run, url: str) -> None:
    told = run(*["budget"] * 30, n=1000)
    assert "n/a" not in told
    assert len(stored(url)) >= 6  # near copies stand for each other
    assert "no win note is worth a look: there are 0" in run(kind="win")


@pytest.mark.usefixtures("with_model", "url")
def test_themes_are_shown_with_words_counts_and_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    reviews.themes(kind="loss", least=5, store="")
    told = capsys.readouterr().out
    assert "notes fit no reason well" in told
    assert "migration" in told
    reviews.themes(kind="loss", least=10, store="")
    assert "no theme: no 10 of them are alike" in capsys.readouterr().out


@pytest.mark.usefixtures("no_model", "url")
def test_themes_need_a_model() -> None:
    with pytest.raises(NoChampionError, match="no version of wonlost-loss-reason"):
        reviews.themes(kind="loss", least=8, store="")


@pytest.mark.usefixtures("url")
def test_a_kind_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="neither loss nor win"):
        reviews.themes(kind="draw", least=8, store="")
