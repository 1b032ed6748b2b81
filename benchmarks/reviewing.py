"""Learning curves: how many labels the review loop needs for the macro-F1 that labels drawn at random reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.isotonic import isotonic_regression
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split

from benchmarks.results import markdown, shared
from crm.tables import FloatArray, IntArray
from insights.closeness import note_vectors, unit_vectors
from insights.reviews import choose
from models.notes import clean
from models.reasons import Classifier, Recipe, Scales, SentenceEncoder, encoder_available

SEEDS = range(5)
CLASSES = 14
RECIPE = Recipe()
WITH_SENTENCES = Scales(words=0.3, sentences=0.7)
"""Settings are fixed, the same for both curves: what is compared is which texts were labelled."""


@dataclass(frozen=True)
class Task:
    """Texts to label and texts to judge by.

    Attributes:
        names: Names of the classes, as words; training rows before any label.
        pool: Texts that may be labelled.
        answers: Class of each, shape (n_pool,).
        test: Texts to judge by.
        truth: Class of each, shape (n_test,).
    """

    names: list[str]
    pool: list[str]
    answers: IntArray
    test: list[str]
    truth: IntArray


@dataclass(frozen=True)
class Case:
    """A data set with its targets.

    Attributes:
        title: What it is.
        task: Gives the task of a seed.
        targets: Numbers of random labels whose macro-F1 is to be reached.
        steps: Numbers of labels after which the loop learns anew; the page of notes that a person gets.
        goal: Most labels that the loop may need, as a share of the random ones.
    """

    title: str
    task: Callable[[int], Task]
    targets: tuple[int, ...]
    steps: tuple[int, ...]
    goal: float


def _task(pool: pd.DataFrame, test: pd.DataFrame, column: str) -> Task:
    classes = sorted(pool[column].unique())
    place = {name: number for number, name in enumerate(classes)}
    names = [name.replace("_", " ").lower() for name in classes]
    texts = [[clean(text).text for text in part["text"]] for part in (pool, test)]
    known = [part[column].map(place).to_numpy(dtype=np.int64) for part in (pool, test)]
    return Task(names, texts[0], known[0], texts[1], known[1])


def airline(seed: int) -> Task:
    """A fifth to judge by, the rest to label from."""
    rows = pd.read_csv(shared("data/airline_reasons/train.csv"))
    pool, test = train_test_split(rows, test_size=0.2, random_state=seed, stratify=rows["reason"])
    return _task(pool, test, "reason")


def banking(seed: int) -> Task:
    """Fourteen classes drawn at random: their training texts to label from, their test texts to judge by."""
    pool, test = (pd.read_csv(shared(f"data/banking77/{part}.csv")) for part in ("train", "test"))
    drawn = np.random.default_rng(seed).choice(sorted(pool["category"].unique()), CLASSES, replace=False)
    return _task(pool[pool["category"].isin(drawn)], test[test["category"].isin(drawn)], "category")


CASES = (
    Case("airline", airline, (100, 300, 1000),
         (20, 40, 60, 80, 100, 130, 160, 200, 250, 300, 400, 500, 600, 700, 850, 1000), 0.85),
    Case("BANKING77, 14 classes", banking, (60, 120, 240),
         (14, 20, 26, 32, 38, 44, 50, 60, 75, 90, 105, 120, 150, 180, 210, 240), 0.60),
)  # fmt: skip


def _fit(task: Task, rows: Sequence[int], encoder: SentenceEncoder | None) -> Classifier:
    texts = [*task.names, *(task.pool[row] for row in rows)]
    reason = np.concatenate([np.arange(len(task.names)), task.answers[list(rows)]])
    scales = Scales() if encoder is None else WITH_SENTENCES
    weight = np.ones(len(texts))
    weight[: len(task.names)] = RECIPE.taxonomy
    return Classifier.fit(texts, reason, len(task.names), weight, RECIPE, scales, encoder)


def _judged(task: Task, model: Classifier) -> float:
    return float(f1_score(task.truth, model.probabilities(task.test).argmax(axis=1), average="macro"))


def at_random(case: Case, seed: int, encoder: SentenceEncoder | None = None) -> FloatArray:
    """Macro-F1 with labels drawn at random, at each target; the labels of a smaller target are among a larger one's."""
    task = case.task(seed)
    order = np.random.default_rng(seed).permutation(len(task.pool))
    return np.array([_judged(task, _fit(task, order[:n].tolist(), encoder)) for n in case.targets])


def by_the_loop(case: Case, seed: int, encoder: SentenceEncoder | None = None) -> FloatArray:
    """Macro-F1 with labels that the review loop asked for, after each step."""
    task = case.task(seed)
    vectors = unit_vectors(note_vectors(task.pool, encoder))
    labelled = np.zeros(len(task.pool), dtype=bool)
    model, found = None, []
    for n in case.steps:
        p = None if model is None else model.probabilities(task.pool)
        asked = choose(p, vectors, labelled, task.names, n - int(labelled.sum()))
        labelled[[choice.row for choice in asked]] = True
        model = _fit(task, np.flatnonzero(labelled).tolist(), encoder)
        found.append(_judged(task, model))
    return np.array(found)


def needed(steps: Sequence[int], curve: FloatArray, wanted: float) -> float:
    """Labels at which a curve reaches a value, on its closest rising line (isotonic regression); infinite if never."""
    rising = isotonic_regression(curve)
    if rising[-1] < wanted:
        return float("inf")
    at = int(np.argmax(rising >= wanted))
    if at == 0:
        return float(steps[0])
    share = (wanted - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(steps[at - 1] + share * (steps[at] - steps[at - 1]))


def compared(case: Case, seeds: Sequence[int], encoder: SentenceEncoder | None = None) -> list[list[object]]:
    """One row for each target: both curves' macro-F1, the labels that the loop needs, and the ratio."""
    random = np.array([at_random(case, seed, encoder) for seed in seeds])
    loop = np.array([by_the_loop(case, seed, encoder) for seed in seeds])
    rows: list[list[object]] = []
    for place, target in enumerate(case.targets):
        wanted = float(random[:, place].mean())
        labels = needed(case.steps, loop.mean(axis=0), wanted)
        each = [needed(case.steps, curve, value) / target for curve, value in zip(loop, random[:, place], strict=True)]
        met = "met" if labels <= case.goal * target else "not met"
        rows.append([
            case.title, "core" if encoder is None else "extra", target, f"{wanted:.3f}",
            f"{loop[:, case.steps.index(target)].mean():.3f}", f"{labels:.0f}", f"{labels / target:.2f}",
            f"{min(each):.2f} to {max(each):.2f}", f"{case.goal:.2f}: {met}",
        ])  # fmt: skip
    return rows


def learning_curves() -> str:
    """Both cases, with and without sentence vectors."""
    rows: list[list[object]] = []
    for encoder in (None, SentenceEncoder()) if encoder_available() else (None,):
        for case in CASES:
            rows += compared(case, SEEDS, encoder)
    head = ["data", "model", "labels at random", "macro-F1", "loop's macro-F1 at as many", "loop's labels for the same",
            "ratio", "of the seeds", "goal"]  # fmt: skip
    told = "" if encoder_available() else "\n\nThe extra `multilingual` is not installed: its rows are missing."
    return (f"Mean of seeds {SEEDS.start} to {SEEDS.stop - 1}. The ratio comes from the mean curves, interpolated on "
            f"their closest rising line.\n\n{markdown(head, rows)}{told}")  # fmt: skip
