"""What the model looks at: what drives it, how inputs and win rate drift, and what each feature tells alone."""

from __future__ import annotations

import numpy as np

from crm.tables import FloatArray
from insights.pages.parts import NOTHING, Part, Pictures, Section, Table, Text, number, percent
from insights.pages.pictures import picture
from models.explain import show
from training.drift import HIGH_AUC
from training.leaks import NEAR_DAYS, TELLS_NEAR, TELLS_NOTHING
from training.plots import months_axes
from training.run import Trained

EXPLAINED = 500
"""Rows that are explained: exact reasons of large trees cost milliseconds a row."""
SHOWN = 20
MONTHS = 24
SOME_AUC = 0.65
"""AUC from which new rows are said to differ somewhat from old ones; see `HIGH_AUC`."""


def mean_points(trained: Trained) -> tuple[dict[str, float], dict[str, float]]:
    """Mean absolute points on the win probability, by feature and by family, over rows of the last origin's test.

    A family's points are summed over its features before their absolute value is taken.
    """
    rows = trained.folds[-1].test
    rows = rows[:: -(-len(rows) // EXPLAINED)]
    explained = trained.model.explain(trained.data.matrix.take(rows))
    by_feature = np.abs(explained.points).mean(axis=0)
    family = {item.name: item.family for item in trained.data.features}
    sums: dict[str, FloatArray] = {}
    for place, name in enumerate(explained.names):
        sums[family[name]] = sums.get(family[name], np.zeros(len(rows))) + explained.points[:, place]
    return (dict(zip(explained.names, by_feature.tolist(), strict=True)),
            {name: float(np.abs(values).mean()) for name, values in sums.items()})  # fmt: skip


def drivers(trained: Trained) -> Section:
    """What moves the probabilities."""
    by_feature, by_family = (sorted(found.items(), key=lambda item: -item[1]) for found in mean_points(trained))
    described = trained.model.described
    rows = []
    for name, value in by_feature[:SHOWN]:
        item = described[name]
        rows.append([item.label, name, show(item.unit, item.usual.get("")), f"{100 * value:.2f}"])
    left = len(by_feature) - len(rows)
    parts: list[Part] = [
        Text("By how many points each feature moved the probability of the newest deals on average, up or down. They "
             "describe the model, not causes."),
        Table("Points by feature", ["", "feature", "won deals usually", "points"], rows, texts=3,
              bars=_bars([value for _, value in by_feature[:SHOWN]])),
        Table("Points by family", ["family", "points"], [[name, f"{100 * value:.2f}"] for name, value in by_family],
              bars=_bars([value for _, value in by_family])),
    ]  # fmt: skip
    if left:
        rest = sum(value for _, value in by_feature[SHOWN:])
        parts.insert(2, Text(f"The other {left} move it by {100 * rest:.2f} points together."))
    return Section("drivers", "What drives it", parts)


def _bars(values: list[float]) -> list[float]:
    most = max(values, default=0.0)
    return [value / most if most else 0.0 for value in values]


def drift(trained: Trained) -> Section:
    """Whether new rows differ from old ones, and the win rate by month."""
    found = trained.drift
    parts: list[Part] = []
    if found.auc != found.auc:
        parts.append(Text("New deals were not compared with old ones: nothing tells their order, or there are too few "
                          "of either."))  # fmt: skip
    else:
        told = ("They look different: what was learnt may fit them less well." if found.auc >= HIGH_AUC else
                "They differ somewhat; see by what." if found.auc >= SOME_AUC else
                "They hardly differ: what was learnt speaks of deals like the newest ones.")  # fmt: skip
        parts.append(Text(
            f"A small tree model was asked to tell rows since {found.since} ({found.n_new:,} deals) from those before "
            f"({found.n_old:,} deals). Its AUC on deals it had not seen is {number(found.auc, 2)}; 0.5 means that they "
            f"cannot be told apart, {HIGH_AUC} and more sets off a warning. {told}"
        ))  # fmt: skip
        if found.clocks:
            parts.append(Text(f"Features that tell the time, such as running totals, tell new from old by nature. They "
                              f"were left out of it: {', '.join(found.clocks)}."))  # fmt: skip
        shown = [item for item in found.movers if not item.clock][:10] + [item for item in found.movers if item.clock]
        used = set(trained.model.features)
        rows = [[item.feature, "tells the time" if item.clock else "", "yes" if item.feature in used else "no",
                 NOTHING if item.clock else percent(item.share), number(item.auc, 2)] for item in shown]  # fmt: skip
        parts.append(Table("By what new rows are told from old ones",
                           ["feature", "", "used by the model", "share", "AUC alone"], rows, texts=3))  # fmt: skip
    if found.months:
        overall = sum(item.won for item in found.months) / sum(item.closed for item in found.months)
        last = found.months[-MONTHS:]
        alt = "Win rate by month of closing: " + "; ".join(f"{item.name} {percent(item.rate)}" for item in last)
        plot = picture(lambda axes: months_axes(axes, found.months), alt, "win rate by month of closing", (7.0, 2.8))
        rows = [[item.name, f"{item.closed:,}", f"{item.won:,}", percent(item.rate)] for item in last]
        parts += [
            Text(f"Of all deals {percent(overall, 1)} were won. Bars are 95 % intervals (Wilson) of each month's rate, "
                 f"the line is the rate of all months."),
            Pictures([plot]),
            Table(f"Closings by month, the last {len(last)}", ["month", "closed", "won", "win rate"], rows,
                  bars=[item.rate for item in last]),
        ]  # fmt: skip
    return Section("drift", "Drift", parts)


def leaks(trained: Trained) -> Section:
    """What each feature tells alone."""
    ranked = trained.leaks.ranked
    shown = [item for place, item in enumerate(ranked) if place < SHOWN or item.only_near]
    rows = [[item.feature, "only near the close" if item.only_near else "", number(item.auc, 3), number(item.near, 3),
             number(item.earlier, 3)] for item in shown]  # fmt: skip
    marked = ("None is." if not trained.leaks.only_near else
              "Marked: " + ", ".join(item.feature for item in trained.leaks.only_near) + ".")  # fmt: skip
    return Section("leaks", "What each feature tells alone", [
        Text(f"A feature that alone separates won from lost would have stopped the training. One that tells much "
             f"within {NEAR_DAYS} days of the close (AUC of {TELLS_NEAR} or more) and next to nothing earlier (at most "
             f"{TELLS_NOTHING}) may be filled in as a deal closes, and is marked. {marked}"),
        Table(f"Features by AUC alone, the first {min(SHOWN, len(ranked))} of {len(ranked)}",
              ["feature", "", "AUC", f"within {NEAR_DAYS} days of the close", "earlier"], rows, texts=2,
              strong=[place for place, item in enumerate(shown) if item.only_near]),
    ])  # fmt: skip
