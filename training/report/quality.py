"""How good the probabilities were out of sample: calibration, figures beside all rivals, lift, intervals, misses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from crm.tables import Coded, moment
from insights.pages.parts import Items, Part, Picture, Pictures, Section, Table, Text, number, percent
from insights.pages.pictures import picture
from models.censoring import LEAST_FOLLOWED
from models.metrics import Metrics
from training.evaluation import CHAMPION, MODEL, Tested, Width
from training.plots import Point, calibration_curve, curve_axes, gains, gains_axes
from training.run import Trained

LEAST_ROWS = 100
"""Fewest rows of a group that gets a calibration curve of its own."""
MOST_GROUPS = 6
MISSES = 10
COLUMNS = ("log-loss", "Brier", "skill", "AUC", "PR-AUC", "slope", "intercept", "ECE", "lift")
MEANINGS = (
    "Log-loss and Brier: how far probabilities were from what happened; lower is better.",
    "Skill: share of the base rate's Brier score that is saved; above 0 is better than the base rate.",
    "AUC: how often a won row had a higher probability than a lost one; 0.5 is chance. PR-AUC: average precision; "
    "chance has the share won.",
    "Slope and intercept of outcomes on log-odds: 1 and 0 are honest; a slope below 1 is overconfident.",
    "ECE: mean distance of said and observed over ten groups, for the model with a 95 % interval from resampling "
    "deals, which is rid of the noise that raises the figure and so may lie below it.",
    "Lift: win rate of the tenth with the highest probabilities over that of all.",
)


def calibration(trained: Trained) -> Section:
    """Calibration curves, overall and by stage and age."""
    tested = trained.tested
    figures = trained.report.overall[MODEL]
    parts: list[Part] = [
        Text("Of rows that were given a probability, how many were won? Points on the diagonal are honest; bars are "
             "95 % intervals from resampling deals."),
        Pictures([_curve(calibration_curve(tested.p[MODEL], tested.won, tested.deal), "all rows")]),
        Text(f"Said {percent(figures.mean_probability, 1)} on average, won {percent(figures.rate, 1)}; calibration "
             f"error {percent(figures.ece, 1)} (interval {percent(figures.ece_lower, 1)} to "
             f"{percent(figures.ece_upper, 1)})."),
    ]  # fmt: skip
    for title in ("stage", "age"):
        curves = _curves(tested, tested.groups[title])
        if curves:
            parts += [Text(f"By {title}, where there are at least {LEAST_ROWS} rows:"), Pictures(curves)]
    return Section("calibration", "Calibration", parts)


def _curves(tested: Tested, group: Coded) -> list[Picture]:
    large = [(code, level) for code, level in enumerate(group.levels) if (group.codes == code).sum() >= LEAST_ROWS]
    found = []
    for code, level in large[:MOST_GROUPS]:
        rows = group.codes == code
        found.append(_curve(calibration_curve(tested.p[MODEL][rows], tested.won[rows], tested.deal[rows], 5), level))
    return found


def _curve(points: list[Point], name: str) -> Picture:
    told = "; ".join(f"said {percent(item.predicted)}, won {percent(item.observed)} ({percent(item.lower)} to "
                     f"{percent(item.upper)})" for item in points)  # fmt: skip

    def draw(axes: Axes) -> None:
        curve_axes(axes, points)

    return picture(draw, f"Calibration curve, {name}: {told}", name)


def metrics(trained: Trained) -> Section:
    """Figures of the model and all rivals, plain and weighted."""
    report = trained.report
    return Section("metrics", "Figures", [
        _table("Out of sample, each row counting once", report.overall),
        Items(MEANINGS),
        Text(_weights(trained)),
        _table("Out of sample, each row counting for the rows of open deals that it stands for", report.weighted),
    ])  # fmt: skip


def _names(report: Mapping[str, Metrics]) -> list[str]:
    """The model first, then the champion, then the rest as they come."""
    first = [name for name in (MODEL, CHAMPION) if name in report]
    return first + [name for name in report if name not in first]


def _table(caption: str, report: Mapping[str, Metrics]) -> Table:
    names = _names(report)
    return Table(caption, ["", *COLUMNS], [[name, *figures(report[name])] for name in names], strong=[0])


def figures(item: Metrics) -> list[str]:
    """Figures in the order of `COLUMNS`."""
    known = item.ece_lower == item.ece_lower
    interval = f" ({number(item.ece_lower, 3)} to {number(item.ece_upper, 3)})" if known else ""
    return [
        number(item.log_loss), number(item.brier), number(item.brier_skill, 3), number(item.auc, 3),
        number(item.pr_auc, 3), number(item.slope, 2), number(item.intercept, 2), number(item.ece, 3) + interval,
        number(item.lift_top_tenth, 2),
    ]  # fmt: skip


def _weights(trained: Trained) -> str:
    weight = trained.tested.weight
    plain, weighted = (trained.report.overall, trained.report.weighted)
    if np.ptp(weight) == 0:
        return "All rows weigh the same here, as no row's follow-up was cut short or the export has no dates."
    before, after = plain[MODEL], weighted[MODEL]
    saved, saved_weighted = (1 - of[MODEL].log_loss / of["base rate"].log_loss for of in (plain, weighted))
    return (
        f"Weights: the outcome of a recent row is known only if its deal closed quickly, so deals that take long are "
        f"too few among them. Each row is weighed by 1 / G, G being the share of rows that could be followed for as "
        f"long as it took to close (Kaplan-Meier; at most {1 / LEAST_FOLLOWED:.0f}); here weights go up to "
        f"{weight.max():.1f}. They change the model's log-loss from {number(before.log_loss)} to "
        f"{number(after.log_loss)}, its AUC from {number(before.auc, 3)} to {number(after.auc, 3)}, the share won from "
        f"{percent(before.rate, 1)} to {percent(after.rate, 1)}, and what it saves of the base rate's log-loss from "
        f"{percent(saved, 1)} to {percent(saved_weighted, 1)}."
    )


def groups(trained: Trained) -> Section:
    """The model beside the stage x age table, by stage, by age and by segment."""
    parts: list[Part] = [Text("AUC over all rows mostly tells stages apart; within a group it tells deals apart.")]
    for title, by_name in trained.report.groups.items():
        if not by_name[MODEL]:
            parts.append(Text(f"By {title}: the data do not tell, or all groups are small."))
            continue
        rows = []
        for level, item in by_name[MODEL].items():
            rivals = (by_name["stage x age"][level].log_loss, by_name["base rate"][level].log_loss)
            said = [f"{item.n:,}", percent(item.rate, 1), percent(item.mean_probability, 1)]
            rows.append([level, *said, *(number(value) for value in rivals), *figures(item)])
        heads = [title, "rows", "won", "said", "stage x age: log-loss", "base rate: log-loss", *COLUMNS]
        parts.append(Table(f"The model by {title}", heads, rows))
    return Section("groups", "By stage, age and segment", parts)


def lift(trained: Trained) -> Section:
    """Cumulative gains."""
    tested = trained.tested
    shown = {"model": tested.p[MODEL], "stage x age": tested.p["stage x age"]}
    tenths = np.array([0.1, 0.2, 0.5])
    found = {name: gains(p, tested.won, tenths) for name, p in shown.items()}
    told = "; ".join(f"{name}: " + ", ".join(f"{percent(share)} of the wins in {percent(tenth)} of the rows"
                                             for tenth, share in zip(tenths, shares, strict=True))
                     for name, shares in found.items())  # fmt: skip
    plot = picture(lambda axes: gains_axes(axes, shown, tested.won), f"Cumulative gains. {told}", "cumulative gains")
    figures = trained.report.overall[MODEL]
    return Section("lift", "Lift", [
        Text(f"Whoever looks only at the tenth of the rows with the highest probabilities finds "
             f"{percent(found['model'][0])} of the wins: {number(figures.lift_top_tenth, 2)} times the usual win rate. "
             f"The table of stage and age would find {percent(found['stage x age'][0])}."),
        Pictures([plot]),
    ])  # fmt: skip


def uncertainty(trained: Trained) -> Section:
    """How wide the model's intervals are, by number of similar deals."""

    def similar(item: Width) -> str:
        return f"{item.least:,} or more" if item.most is None else f"{item.least:,} to {item.most:,}"

    rows = [[similar(item), f"{item.n:,}", f"{100 * item.width:.1f} points"] for item in trained.report.widths]
    widest = max((item.width for item in trained.report.widths), default=0.0)
    return Section("uncertainty", "Uncertainty", [
        Text("Every score has an interval that should hold the true probability: how far it would move had other deals "
             "happened to close, or another recipe about as good been taken. Similar deals are closed deals once seen "
             "in the same stage and age band; the fewer, the wider."),
        Table("Mean width of the interval, out of sample", ["similar deals", "rows", "width"], rows,
              bars=[item.width / widest if widest else 0.0 for item in trained.report.widths]),
    ])  # fmt: skip


def misses(trained: Trained) -> Section:
    """The deals that it got most wrong, one row each."""
    tested = trained.tested
    p = tested.p[MODEL]
    stage = tested.stage.strings()
    dated = trained.data.dated

    def worst(outcome: int) -> list[list[str]]:
        rows = np.flatnonzero(tested.won == outcome)
        rows = rows[np.argsort(p[rows] if outcome else -p[rows], kind="stable")]
        _, first = np.unique(tested.deal[rows], return_index=True)  # of each deal, its worst row
        return [
            [tested.deal_ids[row], f"{moment(int(tested.as_of[row])):%Y-%m-%d}" if dated else "", stage[row],
             "won" if outcome else "lost", percent(p[row], 1)]
            for row in rows[np.sort(first)][:MISSES]
        ]  # fmt: skip

    heads = ["deal", "as of", "stage then", "outcome", "said"]
    return Section("misses", "Deals it got most wrong", [
        Text("Worth reading one by one: they show what the CRM did not record, and entries that are wrong."),
        Table("Most likely by the model, and lost", heads, worst(0), texts=4),
        Table("Least likely by the model, and won", heads, worst(1), texts=4),
    ])  # fmt: skip

