"""Models of reasons from a store: what they learn from, the gate, what is kept in MLflow, and the page."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from crm.labels import Label
from crm.notes import NoteKey, closed_notes
from crm.tables import CrmData, micros
from models.reasons import Recipe
from models.registry import REASONS, Registry, quiet_mlflow
from models.taxonomy import default_taxonomy
from training.gate import Refused
from training.reasons import FitReport, fit_reasons
from training.reasons.gate import Champion, judge, shares
from training.reasons.learning import Point, at_twice, learning_curve
from training.reasons.page import render
from training.reasons.run import TrainedReasons, known_notes, train_reasons
from training.reasons.tracking import ReasonTracker

pytestmark = pytest.mark.slow

FULL = default_taxonomy("loss")
KEPT = ("price_value", "budget", "competitor", "unresponsive", "timing_deferred", "unclear")
SMALL = dataclasses.replace(FULL, reasons=tuple(reason for reason in FULL.reasons if reason.id in KEPT),
                            groups=tuple(dict.fromkeys(FULL.reason(id).group for id in KEPT)))  # fmt: skip
LATER = micros("2030-01-01")


def answers_of(crm: CrmData) -> dict[NoteKey, Label]:
    """Each note with a pick that names a reason is answered by it."""
    found = {}
    for note in closed_notes(crm):
        meant = SMALL.of_picklist(note.picklist)
        if note.key.kind == "loss" and meant is not None:
            found[note.key] = Label(len(found), note.key, (meant,), "ann", 0, SMALL.digest, "review")
    return found


@pytest.fixture(scope="module")
def trained(crm: CrmData) -> TrainedReasons:
    return train_reasons(crm, answers_of(crm), SMALL, LATER)


def report_of(p: np.ndarray, labels: np.ndarray) -> FitReport:
    report = fit_reasons([], [], SMALL).report
    return dataclasses.replace(report, p=p, labels=labels, n_labels=len(labels))


def test_answered_notes_are_learnt_from_and_judged(trained: TrainedReasons, crm: CrmData) -> None:
    assert [note.key for note in trained.answered] == [key for key in (n.key for n in closed_notes(crm))
                                                       if key in answers_of(crm)]  # fmt: skip
    assert trained.fitted.report.n_labels == len(trained.answered) > 100
    assert trained.verdict.gain is not None
    assert trained.verdict.promoted == (trained.verdict.gain.lower > 0)
    assert trained.picked == (1.0, len(trained.answered))
    assert [point.n for point in trained.learning][-1] == len(trained.answered)


def test_notes_of_later_days_are_not_read(crm: CrmData) -> None:
    notes = known_notes(crm, "loss", LATER)
    middle = sorted(note.written_at for note in notes)[len(notes) // 2]
    assert 0 < len(known_notes(crm, "loss", middle)) < len(notes)
    assert all(note.written_at < middle for note in known_notes(crm, "loss", middle))
    with pytest.raises(Refused, match="no loss notes"):
        train_reasons(crm, {}, SMALL, micros("2001-01-01"))


def test_without_answers_it_serves_on_trial_and_calls_nothing_sure(crm: CrmData) -> None:
    found = train_reasons(crm, {}, SMALL, LATER)
    assert found.verdict.promoted
    assert found.verdict.reason.startswith("serves on trial: 0 notes answered")
    assert {reading.status for reading in found.fitted.model.classify(["no budget", "too expensive"])} <= {
        "review", "unclear"}  # fmt: skip
    told = judge(found.fitted.report, np.zeros(0, dtype=np.int64), Champion(200, Recipe()), None)
    assert not told.promoted
    assert told.reason.startswith("not better than the champion")


def test_the_gate_refuses_guesses_and_what_may_be_worse_than_the_champion() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300)
    deal = np.arange(300)
    even = np.full((300, len(KEPT)), 1 / len(KEPT))
    assert judge(report_of(even, labels), deal, None, None).reason.startswith("no signal")
    good = np.full((300, len(KEPT)), 0.3 / (len(KEPT) - 1))
    good[np.arange(300), labels] = 0.7
    assert judge(report_of(good, labels), deal, None, None).promoted
    better = np.full((300, len(KEPT)), 0.1 / (len(KEPT) - 1))
    better[np.arange(300), labels] = 0.9
    refused = judge(report_of(good, labels), deal, Champion(300, Recipe()), report_of(better, labels))
    assert refused.reason.startswith("not better than the champion")
    assert judge(report_of(better, labels), deal, Champion(300, Recipe()), report_of(good, labels)).promoted


def test_shares_leave_the_note_itself_out() -> None:
    assert shares(np.array([0, 0, 1]), 2).tolist() == pytest.approx([2 / 4, 2 / 4, 1 / 4])


def test_the_learning_curve_fits_on_parts_and_looks_ahead() -> None:
    labels = np.zeros(200, dtype=np.int64)
    p = np.zeros((200, len(KEPT)))
    p[:, 0] = 1.0
    asked: list[int] = []

    def fit(rows: np.ndarray) -> FitReport:
        asked.append(len(rows))
        return report_of(p[rows], labels[rows])

    points = learning_curve(report_of(p, labels), fit)
    assert asked == [50, 100, 150]
    assert [point.n for point in points] == [50, 100, 150, 200]
    assert learning_curve(report_of(p[:50], labels[:50]), fit) == ()
    halving = tuple(Point(n, 1 - 40 / n, 0.0) for n in (100, 200, 400))
    assert at_twice(halving) == pytest.approx(0.95)
    assert at_twice((Point(100, 0.8, 0.0), Point(200, 0.7, 0.0))) == pytest.approx(0.7)


def test_the_page_shows_what_a_reader_needs_and_masks_people(trained: TrainedReasons, crm: CrmData) -> None:
    note = trained.answered[0]
    told = dataclasses.replace(note, text="call jane.doe@acme.com, <script>alert(1)</script> too expensive")
    page = render(dataclasses.replace(trained, answered=[told, *trained.answered[1:]]), "test")
    for title in ("What it is for", "How well each reason", "What is taken for what", "How far it can be trusted",
                  "Notes it got most wrong", "What more answers would bring", "How it was made"):  # fmt: skip
        assert title in page
    assert "jane.doe@acme.com" not in page
    assert "<script>" not in page
    assert "made from templates" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    empty = render(train_reasons(crm, {}, SMALL, LATER), "test")
    assert "No note has been answered" in empty


@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_versions_keep_what_the_next_training_needs_and_load_in_mlflow(trained: TrainedReasons, tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "cache", REASONS["loss"])
    tracker = ReasonTracker(registry, tmp_path / "artifacts")
    assert tracker.champion() is None
    verdict = dataclasses.replace(trained.verdict, promoted=True)
    version = tracker.record(dataclasses.replace(trained, verdict=verdict))
    assert version.aliases == ("champion",)
    report = trained.fitted.report
    assert tracker.champion() == Champion(report.n_labels, report.recipe)
    flagged = version.metrics["flagged"]
    assert [like for _, like in flagged] == [SMALL.ids[flag.suggested] for flag in report.flags[: len(flagged)]]
    assert "What is taken for what" in registry.report(version.number)
    texts = ["no budget this year", "went dark", "n/a"]
    with quiet_mlflow():
        import mlflow

        mlflow.set_tracking_uri(registry.tracking_uri)
        loaded = mlflow.pyfunc.load_model(f"models:/{REASONS['loss']}@champion")
        found = loaded.predict(pd.DataFrame({"text": texts}))
    expected = trained.fitted.model.classify(texts)
    assert found["reason"].tolist() == [reading.reason for reading in expected]
    assert found["probability"].tolist() == pytest.approx([reading.probability for reading in expected])
