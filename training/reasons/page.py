"""The report of a model of reasons: one HTML page, for a manager first and for an analyst after."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from crm.tables import moment
from insights import pages
from insights.pages.parts import Items, Part, Picture, Pictures, Section, Table, Text, number, percent
from insights.pages.pictures import picture
from training.reasons.learning import at_twice
from training.reasons.report import ReasonScore
from training.reasons.run import TrainedReasons

MISSES = 15
SHOWN = 240
"""Characters shown of a note."""
WORTH = 30
"""Answers for a reason up to which more of them are worth a person's time before others."""
NO_ANSWERS = "No note has been answered by a person yet, so nothing can be shown here: `wonlost review-notes` asks."
COLOUR = "#1f6f8b"


def render(trained: TrainedReasons, code_version: str) -> str:
    """The report of a run as one HTML page that needs no other file and no network.

    Args:
        trained: The run.
        code_version: Version of the code that made it.
    """
    verdict = trained.verdict
    return pages.render(
        f"wonlost: reasons of {trained.kind} notes, trained before {moment(trained.cut):%Y-%m-%d}",
        ("It serves: " if verdict.promoted else "It does not serve: ") + verdict.reason,
        [_card(trained), _reasons(trained), _confusion(trained), _coverage(trained), _misses(trained),
         _learning(trained), _making(trained, code_version)],
        simulated=trained.simulated, state="yes" if verdict.promoted else "no",
    )  # fmt: skip


def _card(trained: TrainedReasons) -> Section:
    report, limits = trained.fitted.report, trained.fitted.report.thresholds
    items = [
        f"It reads the free-text notes on deals that were {'lost' if trained.kind == 'loss' else 'won'} and says why, "
        f"with the words that told it. {trained.n_notes:,} notes are known; people answered {report.n_labels:,}.",
        "Use it to count reasons, to find deals to call again, and to see where the picklist is wrong. Do not use it "
        "to judge a seller: a note says what its writer saw and cared to write.",
    ]  # fmt: skip
    if limits.stated is None:
        items.append("Nothing is called sure: too few notes were answered to show how often it is right.")
    else:
        items.append(f"Readings called sure were right in {percent(limits.stated)} of answered notes that it had not "
                     f"learnt from; {percent(limits.coverage)} of them were sure. The rest is for review, or unclear.")
        if trained.n_notes > report.n_labels:
            items.append("People are asked about hard notes more often than about easy ones, so in these two figures, "
                         "and in the calibration, each answered note weighs as many notes as are like it; together "
                         f"they tell as much as {report.effective:,.0f} notes drawn at random.")
    if trained.picked is not None:
        share, n = trained.picked
        items.append(f"The CRM's picklist agreed with people in {percent(share)} of {n:,} answered notes with a pick "
                     f"that names a reason.")
    if trained.simulated:
        items.append("These notes were made from templates: a good score on them says that the templates were learnt, "
                     "and little about how people write.")
    covered = ", ".join(f"{language} {n:,}" for language, n in report.languages.items())
    items.append(f"Rows that it learnt from, by language: {covered}. A note in another language is called unclear"
                 + (", or is read through its sentence vector." if report.share else "."))
    return Section("card", "What it is for", [Items(items)])


def _score(item: ReasonScore) -> list[str]:
    return [item.id, f"{item.n:,}", percent(item.precision), percent(item.recall)]


def _reasons(trained: TrainedReasons) -> Section:
    report = trained.fitted.report
    if not report.n_labels:
        return Section("reasons", "How well each reason is told", [Text(NO_ANSWERS)])
    found = sorted(report.reasons, key=lambda item: -item.n)
    parts: list[Part] = [
        Text(f"Out of fold: accuracy {percent(report.accuracy)}, macro-F1 {number(report.macro_f1, 3)}, log-loss "
             f"{number(report.log_loss)} ({number(report.log_loss_before)} before calibration), calibration error "
             f"{percent(report.ece, 1)}."),
        Table("Precision: of the notes said to have the reason, the share that has it. Recall: of the notes that have "
              "it, the share found.", ["reason", "answered", "precision", "recall"], [_score(item) for item in found]),
    ]  # fmt: skip
    return Section("reasons", "How well each reason is told", parts)


def _confusion(trained: TrainedReasons) -> Section:
    report = trained.fitted.report
    if not report.n_labels:
        return Section("confusion", "What is taken for what", [Text(NO_ANSWERS)])
    found, ids = report.confusion, report.taxonomy.ids
    used = [place for place in range(len(ids)) if found[place].sum() + found[:, place].sum()]
    matrix = found[np.ix_(used, used)]
    size = 1.6 + 0.32 * len(used)

    def draw(axes: Axes) -> None:
        left, bottom, width, height = axes.get_position().bounds
        room = min(1.5 / size, 0.4)
        axes.set_position((left + room * 0.8, bottom + room * 0.5, width - room * 0.8, height - room * 0.5))
        share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        for row, column in zip(*np.nonzero(matrix), strict=True):
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", fontsize=7,
                      color="white" if share[row, column] > 0.5 else "black")  # fmt: skip
        axes.set_xticks(range(len(used)), [ids[place] for place in used], rotation=90, fontsize=7)
        axes.set_yticks(range(len(used)), [ids[place] for place in used], fontsize=7)
        axes.set_xlabel("said")
        axes.set_ylabel("answered")

    pairs = [(int(matrix[row, column]), row, column) for row, column in zip(*np.nonzero(matrix), strict=True)
             if row != column]  # fmt: skip
    rows = [[ids[used[row]], ids[used[column]], f"{n:,}"] for n, row, column in sorted(pairs, reverse=True)[:10]]
    return Section("confusion", "What is taken for what", [
        Pictures([picture(draw, "Confusion matrix of answered and said reasons", "Notes by answered and said reason",
                          (size, size))]),
        Table("Most frequent mistakes", ["answered", "said", "notes"], rows, texts=2),
    ])  # fmt: skip


def _coverage(trained: TrainedReasons) -> Section:
    report = trained.fitted.report
    if not report.n_labels:
        return Section("coverage", "How far it can be trusted", [Text(NO_ANSWERS)])
    curve = report.coverage_curve

    def draw(axes: Axes) -> None:
        axes.plot([point.coverage for point in curve], [point.accuracy for point in curve], "o-", color=COLOUR)
        axes.set_xlabel("share of notes, the surest first")
        axes.set_ylabel("accuracy")
        axes.set_ylim(0, 1.02)

    rows = [[percent(point.coverage), percent(point.accuracy), number(point.threshold, 2)] for point in curve]
    return Section("coverage", "How far it can be trusted", [
        Text("Leaving the least sure notes to a person raises the accuracy of the rest."),
        Pictures([picture(draw, "Accuracy by share of notes kept", "Accuracy of the surest notes")]),
        Table("The same in numbers", ["notes kept", "accuracy", "least probability"], rows, texts=0),
    ])  # fmt: skip


def _misses(trained: TrainedReasons) -> Section:
    report, model = trained.fitted.report, trained.fitted.model
    if not report.n_labels:
        return Section("misses", "Notes it got most wrong", [Text(NO_ANSWERS)])
    ids, rows = report.taxonomy.ids, []
    given = report.p[np.arange(report.n_labels), report.labels]
    for place in np.argsort(given, kind="stable")[:MISSES]:
        said = int(report.p[place].argmax())
        if said == report.labels[place]:
            break
        text = model.clean([trained.answered[place].text])[0]
        rows.append([ids[report.labels[place]], ids[said], text[:SHOWN] + ("..." if len(text) > SHOWN else ""),
                     number(float(given[place]), 3)])  # fmt: skip
    flags = len(report.flags)
    return Section("misses", "Notes it got most wrong", [
        Table("Personal data are masked. The number is the probability that the answered reason was given", [
            "answered", "said", "note", "probability"], rows, texts=3),
        Text(f"{flags:,} answers look wrong rather than the model: they come up again in `wonlost review-notes`. None "
             f"is changed or left out by itself."),
    ])  # fmt: skip


def _learning(trained: TrainedReasons) -> Section:
    report, points = trained.fitted.report, trained.learning
    few = [item for item in report.reasons if item.n < WORTH and report.taxonomy.reason(item.id).counts]
    worth = sorted(few, key=lambda item: (item.recall if item.recall == item.recall else 0.0, item.n))
    parts: list[Part] = []
    if points:
        plots: list[Picture] = [picture(
            lambda axes: _curve(axes, [(point.n, point.accuracy, point.macro_f1) for point in points]),
            "Accuracy and macro-F1 by number of answers", "Learning curve",
        )]  # fmt: skip
        parts += [Pictures(plots), Text(
            f"With {points[-1].n:,} answers {percent(points[-1].accuracy, 1)} are told rightly; twice as many promise "
            f"about {percent(at_twice(points), 1)}, if the error goes on falling as it did.")]  # fmt: skip
    else:
        parts.append(Text("Too few answers for a learning curve."))
    if worth:
        parts.append(Table(f"Answers still worth collecting: reasons with fewer than {WORTH}", [
            "reason", "answered", "precision", "recall"], [_score(item) for item in worth]))  # fmt: skip
    return Section("learning", "What more answers would bring", parts)


def _curve(axes: Axes, points: list[tuple[int, float, float]]) -> None:
    axes.plot([n for n, _, _ in points], [accuracy for _, accuracy, _ in points], "o-", color=COLOUR, label="accuracy")
    axes.plot([n for n, _, _ in points], [f1 for _, _, f1 in points], "s--", color="#c97b3c", label="macro-F1")
    axes.set_xlabel("answered notes")
    axes.set_ylim(0, 1.02)
    axes.legend(frameon=False)


def _making(trained: TrainedReasons, code_version: str) -> Section:
    report = trained.fitted.report
    rows = [
        ["trained before", f"{moment(trained.cut):%Y-%m-%d %H:%M} UTC"],
        ["taxonomy", f"{report.taxonomy.name}, SHA-256 {report.taxonomy.digest}"],
        ["rows from the taxonomy", f"{report.n_taxonomy:,}"],
        ["recipe", ", ".join(f"{name} {value:g}" for name, value in vars(report.recipe).items())],
        ["sentence vectors", f"{percent(report.share)} of the average" if report.share else "not used"],
        ["sure from", number(report.thresholds.sure, 3) if report.thresholds.stated is not None else "never"],
        ["simulated", "yes" if trained.simulated else "no"],
        ["code version", code_version],
    ]
    tried = [[", ".join(f"{name} {value:g}" for name, value in vars(item.recipe).items()), number(item.score)]
             for item in report.tried]  # fmt: skip
    parts: list[Part] = [Table("Where it came from", ["", ""], rows, texts=2)]
    if tried:
        told = "Recipes tried, by accuracy out of fold, with macro-F1 at 15 %"
        parts.append(Table(told, ["recipe", "score"], tried))
    return Section("making", "How it was made", parts)
