"""Fitting reasons: with no label, with some, with wrong ones; nothing is claimed that unseen notes did not show."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import LabelError
from models.reasons import Recipe
from models.reasons.vectors import lengths_to
from models.taxonomy import Taxonomy, parse_taxonomy
from training.reasons import (
    FitSettings,
    Fitted,
    crossval,
    expected_calibration_error,
    fit_reasons,
    macro_f1,
    probable_mislabels,
)
from training.reasons.crossval import PENALTIES, Scores, calibrated, folds
from training.reasons.fit import LEAST_SURE, choose_thresholds
from training.reasons.natural import effective_number, natural_weights
from training.reasons.rows import rows_of

WORDS = {
    "price": "expensive pricey cost discount cheaper quote fee rate",
    "silent": "dark ghosted unanswered silence calls mails vanished quiet",
    "people": "champion left sponsor reorganisation director quit moved successor",
}
FILLER = [
    "the", "customer", "told", "us", "after", "our", "demo", "last", "week", "that", "they", "for", "now", "with",
    "this", "and", "some", "more", "of", "it",
]  # fmt: skip


def taxonomy(extra: str = "") -> Taxonomy:
    reasons = "".join(
        f'[reasons.{id}]\ngroup = "A"\nname = "{id}"\ndefinition = "{words}"\nseeds = ["{words.split()[0]}"]\n{extra}'
        for id, words in WORDS.items()
    )
    return parse_taxonomy(f'kind = "own"\nname = "three"\ngroups = ["A"]\n{reasons}', "three.toml")


def notes(n: int, seed: int = 0, shares: tuple[float, ...] = (0.5, 0.3, 0.2)) -> tuple[list[str], list[str]]:
    """Notes of one or two telling words among others; a tenth tells nothing."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(list(WORDS), n, p=shares).tolist()
    texts = []
    for label in labels:
        telling = [] if rng.random() < 0.1 else rng.choice(WORDS[label].split(), rng.integers(1, 3)).tolist()
        words = [*telling, *rng.choice(FILLER, 6)]
        texts.append(" ".join(rng.permutation(words)))
    return texts, labels


def test_without_a_label_it_reads_and_claims_nothing() -> None:
    fitted = fit_reasons([], [], taxonomy())
    readings = fitted.model.classify(["far too expensive", "the champion quit", "they ghosted us"])
    assert [reading.reason for reading in readings] == ["price", "people", "silent"]
    assert fitted.report.n_labels == 0
    assert fitted.report.thresholds.stated is None
    assert fitted.report.thresholds.sure > 1
    assert fitted.report.flags == ()
    assert np.isnan(fitted.report.accuracy)
    assert fitted.report.confusion.sum() == 0


def test_few_labels_are_learnt_from_but_nothing_is_claimed() -> None:
    fitted = fit_reasons(["gone fishing with the skipper"] * 3, ["silent"] * 3, taxonomy())
    assert fitted.model.classify(["the skipper is fishing"])[0].reason == "silent"
    assert fitted.report.thresholds.stated is None
    assert fitted.report.n_labels == 3


def test_the_report_tells_what_unseen_notes_will_show() -> None:
    texts, labels = notes(600)
    fitted = fit_reasons(texts, labels, taxonomy(), settings=FitSettings(wanted=0.95))
    unseen, truth = notes(1500, seed=1)
    report, ids = fitted.report, fitted.model.taxonomy.ids
    p = fitted.model.probabilities(unseen)
    answer = np.array([ids.index(label) for label in truth])
    accuracy = float(np.mean(p.argmax(axis=1) == answer))
    assert report.accuracy == pytest.approx(accuracy, abs=0.04)
    assert report.macro_f1 == pytest.approx(macro_f1(p.argmax(axis=1), answer), abs=0.04)
    assert expected_calibration_error(p, answer) < 0.05
    sure = p.max(axis=1) >= report.thresholds.sure
    assert report.thresholds.stated is not None
    assert np.mean(p.argmax(axis=1)[sure] == answer[sure]) == pytest.approx(report.thresholds.stated, abs=0.03)
    assert sure.mean() == pytest.approx(report.thresholds.coverage, abs=0.05)
    assert sum(reading.status == "sure" for reading in fitted.model.classify(unseen[:300])) > 150
    assert report.log_loss <= report.log_loss_before
    assert report.confusion.sum() == 600
    assert sum(score.n for score in report.reasons) == 600
    curve = report.coverage_curve
    assert curve[-1].accuracy == pytest.approx(report.accuracy)
    assert curve[4].accuracy > curve[-1].accuracy


def test_the_same_labels_give_the_same_model() -> None:
    texts, labels = notes(80)
    first, second = (fit_reasons(texts, labels, taxonomy()) for _ in range(2))
    assert np.array_equal(first.report.p, second.report.p)
    assert np.array_equal(first.model.probabilities(texts), second.model.probabilities(texts))


def test_out_of_fold_means_unseen() -> None:
    """Words that stand in one note only can be learnt by heart, and tell nothing of another."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("bcdfghjklmnpqrstvwxz"), 9)) for _ in range(200)]
    labels = rng.choice(["price", "silent"], 200).tolist()
    fitted = fit_reasons(texts, labels, taxonomy())
    known = np.mean(fitted.model.probabilities(texts).argmax(axis=1) == fitted.report.labels)
    assert known > 0.95
    assert fitted.report.accuracy < 0.62
    assert fitted.report.thresholds.stated is None


def test_longer_pieces_of_words_are_tried_where_labels_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    def fitted(best: int) -> Fitted:
        score = {4: 0.5, 5: 0.5} | {best: 0.9}  # whatever the notes say, one length reads them better
        monkeypatch.setattr(crossval, "quality", lambda *_: score[lengths.pop(0)])
        lengths = [4] * len(PENALTIES) + [5] * 2
        return fit_reasons(*notes(90), taxonomy())

    assert {item.recipe.longest for item in fitted(4).report.tried} == {4}
    monkeypatch.setattr(crossval, "MANY_ROWS", 90)
    for best in (4, 5):
        found = fitted(best)
        assert [item.recipe.longest for item in found.report.tried] == [4] * len(PENALTIES) + [5]
        assert found.report.recipe.longest == best
        assert {len(gram) for gram in found.model.classifier.vocabulary.grams} == set(lengths_to(best))


def test_wrong_labels_are_flagged_and_kept() -> None:
    texts, labels = notes(300)
    rng = np.random.default_rng(5)
    wrong = rng.permutation(300)[:30]
    given = list(labels)
    for row in wrong:
        given[row] = rng.choice([id for id in WORDS if id != labels[row]])
    report = fit_reasons(texts, given, taxonomy()).report
    flagged = {flag.row for flag in report.flags}
    assert len(flagged & set(wrong.tolist())) >= 22
    assert [flag.doubt for flag in report.flags] == sorted((flag.doubt for flag in report.flags), reverse=True)
    assert report.confusion.sum() == 300
    further = [f"{label}|{other}" for label, other in zip(given, labels, strict=True)]
    ids = taxonomy().ids
    again = fit_reasons(texts, further, taxonomy()).report.flags
    assert all(labels[flag.row] != ids[flag.suggested] for flag in again if given[flag.row] != labels[flag.row])


def test_a_label_that_is_no_reason_is_refused() -> None:
    with pytest.raises(LabelError, match="'prize'"):
        fit_reasons(["a"], ["prize"], taxonomy())
    with pytest.raises(LabelError, match="2 texts, but 1 labels"):
        fit_reasons(["a", "b"], ["price"], taxonomy())


def test_labels_are_carried_to_the_present_name() -> None:
    renamed = parse_taxonomy(
        'kind = "own"\nname = "x"\ngroups = ["A"]\n[reasons.cost]\ngroup = "A"\nname = "Cost"\ndefinition = "d"\n'
        'seeds = ["cost"]\nformerly = ["price"]\n'
        '[reasons.rest]\ngroup = "A"\nname = "R"\ndefinition = "e"\nseeds = ["r"]',
        "x.toml",
    )
    rows = rows_of(["a", "b", "c"], ["price", " rest | price ", ["cost", "rest"]], renamed)
    assert rows.labels.tolist() == [0, 1, 0]
    assert rows.further == (frozenset(), frozenset({0}), frozenset({1}))
    assert rows.texts[: rows.n_taxonomy] == ("Cost", "d", "R", "e")  # each wording once


def test_confident_learning_counts_then_takes_the_most_doubtful() -> None:
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.2, 0.8], [0.45, 0.55], [0.05, 0.95]])
    given = np.array([0, 0, 1, 1, 0, 0])
    # Mean own probability: 0.55 and 0.75. Of the labels 0, rows 0 and 1 are confidently 0, row 5 is confidently 1,
    # row 4 neither: scaled to four labels, 4/3 of them are really 1.
    flags = probable_mislabels(p, given)
    assert [(flag.row, flag.given, flag.suggested) for flag in flags] == [(5, 0, 1)]
    assert flags[0].doubt == pytest.approx(0.9)
    assert probable_mislabels(p, given, [frozenset()] * 5 + [frozenset({1})]) == ()
    assert probable_mislabels(np.zeros((0, 2)), np.zeros(0, dtype=np.int64)) == ()


def test_calibration_undoes_overconfidence_and_leaves_honesty_alone() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2000, 4)) * 2
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    reason = (p.cumsum(axis=1) < rng.random((2000, 1))).sum(axis=1)
    scales, _ = calibrated(Scores(3 * scores, None), reason)
    assert scales.words == pytest.approx(1 / 3, rel=0.1)
    honest, log_p = calibrated(Scores(scores, None), reason)
    assert honest.words == pytest.approx(1.0, rel=0.1)
    assert np.exp(log_p).sum(axis=1) == pytest.approx(np.ones(2000))
    both, _ = calibrated(Scores(scores, rng.normal(size=(2000, 4))), reason)
    assert both.share < 0.1  # noise gets no say


@given(st.lists(st.tuples(st.floats(0.3, 1.0), st.booleans()), min_size=1, max_size=200), st.floats(0.5, 0.99))
def test_sure_readings_were_as_accurate_as_wanted(told: list[tuple[float, bool]], wanted: float) -> None:
    top, right = np.array([p for p, _ in told]), np.array([hit for _, hit in told])
    p = np.zeros((len(told), 4))
    p[:, 0], p[:, 1:] = top, ((1 - top) / 3)[:, None]
    labels = np.where(p.argmax(axis=1) == 0, np.where(right, 0, 3), 0)
    limits = choose_thresholds(p, labels, wanted)
    sure = p.max(axis=1) >= limits.sure
    if limits.stated is None:
        assert not sure.any()
    else:
        assert limits.stated >= wanted
        assert sure.sum() >= LEAST_SURE


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.6, 0.4]] * 10 + [[0.1, 0.9]] * 10)
    labels = np.array([0] * 5 + [1] * 5 + [1] * 10)
    assert expected_calibration_error(p, labels, n_bins=2) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)


def test_folds_are_even_in_every_reason() -> None:
    reason = np.array([0] * 40 + [1] * 9)
    fold = folds(reason, 4, seed=0)
    assert np.bincount(fold[:40]).tolist() == [10] * 4
    assert set(np.bincount(fold[40:]).tolist()) == {2, 3}
    assert not np.array_equal(fold, folds(reason, 4, seed=1))


def test_notes_that_people_were_asked_about_stand_for_all() -> None:
    rng = np.random.default_rng(5)
    sure = rng.uniform(0.2, 1, 6000)
    right = rng.uniform(size=6000) < sure
    asked = rng.uniform(size=6000) < np.where(sure < 0.5, 0.6, 0.1)  # hard notes are asked about more often
    weight = natural_weights(sure[asked], sure[~asked])
    assert weight.mean() == pytest.approx(1)
    assert right[asked].mean() < right.mean() - 0.1
    assert np.average(right[asked], weights=weight) == pytest.approx(right.mean(), abs=0.03)
    assert effective_number(weight) < asked.sum()
    drawn = natural_weights(sure[:1000], sure[1000:])
    assert effective_number(drawn) > 900
    assert np.all(natural_weights(sure[:20], sure[20:]) == 1)  # too few to weigh
    assert np.all(natural_weights(sure[:500], sure[:0]) == 1)


def test_answers_to_hard_notes_are_weighed_to_look_like_all() -> None:
    texts, labels = notes(900, seed=3)
    model = fit_reasons(texts[:200], labels[:200], taxonomy()).model
    order = 200 + np.argsort(model.probabilities(texts[200:]).max(axis=1))
    hard, rest = order[:400], order[400:]
    asked, given = [texts[row] for row in hard], [labels[row] for row in hard]
    settings = FitSettings(recipe=Recipe())
    plain = fit_reasons(asked, given, taxonomy(), settings=settings).report
    weighed = fit_reasons(asked, given, taxonomy(), settings=settings, unanswered=[texts[row] for row in rest]).report
    assert plain.effective == 400
    assert weighed.effective < 400
    assert weighed.p.shape == plain.p.shape
    assert weighed.accuracy == plain.accuracy  # the weights change how sure it is, not what it says
