"""Plots of a training run, drawn without a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from crm.tables import FloatArray, IntArray
from models.metrics import bootstrap_mean, calibration_bins
from models.proportions import wilson
from models.ranking import N_BINS
from training.drift import Month

MODEL_COLOUR, TABLE_COLOUR, GREY = "#1f6f8b", "#c97b3c", "#999999"
"""Blue and orange, which colour-blind people tell apart, also by lightness."""
DRAWS = 300


@dataclass(frozen=True)
class Point:
    """A point of a calibration curve: rows of neighbouring probabilities.

    Attributes:
        n: Rows.
        deals: Deals behind them.
        predicted: Their mean probability.
        observed: Their share won.
        lower: Lower end of its 95 % interval, from resampling deals.
        upper: Upper end.
    """

    n: int
    deals: int
    predicted: float
    observed: float
    lower: float
    upper: float


def calibration_curve(p: FloatArray, won: FloatArray, deal: IntArray, n_points: int = N_BINS) -> list[Point]:
    """Share won by probability, in groups of about equal mass, with intervals from resampling deals.

    Unlike `calibration_bins`, rows of one probability stay in one group, so that each group is made of whole rows and
    can be resampled. Where all or none of a group were won, resampling knows no doubt: there the exact bound for as
    many independent deals is taken (Clopper and Pearson 1934).

    Args:
        p: Probabilities, shape (n_rows,).
        won: Outcomes.
        deal: Deal of each row.
        n_points: Number of groups at most.
    """
    if not len(p):
        return []
    group = np.searchsorted(np.unique(np.quantile(p, np.arange(1, n_points) / n_points)), p, side="left")
    found = []
    for code in np.unique(group):
        rows = group == code
        share = bootstrap_mean(won[rows], deal[rows], draws=DRAWS)
        deals = len(np.unique(deal[rows]))
        doubt = 1 - 0.025 ** (1 / deals)
        lower = 1 - doubt if share.mean == 1 else share.lower
        upper = doubt if share.mean == 0 else share.upper
        found.append(Point(int(rows.sum()), deals, float(p[rows].mean()), share.mean, lower, upper))
    return found


def _calibration_frame(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    ticks = np.linspace(0, 1, 6)
    axes.set(xlabel="win probability said", ylabel="share won", xlim=(0, 1), ylim=(0, 1), xticks=ticks, yticks=ticks)


def calibration_axes(axes: Axes, p: FloatArray, won: FloatArray, label: str, colour: str = MODEL_COLOUR) -> None:
    """A calibration curve: of deals given a probability, how many were won."""
    bins = calibration_bins(p, won)
    _calibration_frame(axes)
    axes.plot([item.predicted for item in bins], [item.observed for item in bins], "o-", color=colour, label=label)
    axes.legend(loc="upper left", frameon=False)


def curve_axes(axes: Axes, points: Sequence[Point]) -> None:
    """A calibration curve with its intervals."""
    _calibration_frame(axes)
    x, y = [item.predicted for item in points], [item.observed for item in points]
    axes.vlines(x, [item.lower for item in points], [item.upper for item in points], color=MODEL_COLOUR, alpha=0.45,
                linewidth=4)  # fmt: skip
    axes.plot(x, y, "o-", color=MODEL_COLOUR, linewidth=1.2, markersize=4.5)


def gains(p: FloatArray, won: FloatArray, share: FloatArray) -> FloatArray:
    """Share of all wins found among the rows with the highest probabilities.

    Rows of equal probability are taken in the same proportion, as no order among them is known.

    Args:
        p: Probabilities, shape (n_rows,).
        won: Outcomes, at least one of them 1.
        share: Shares of the rows that are looked at, 0 to 1.
    """
    order = np.argsort(-p, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(p[order]) != 0, True))
    x = np.concatenate([[0.0], (ends + 1) / len(p)])
    y = np.concatenate([[0.0], np.cumsum(won[order])[ends] / won.sum()])
    return np.asarray(np.interp(share, x, y))


def gains_axes(axes: Axes, p: Mapping[str, FloatArray], won: FloatArray) -> None:
    """Cumulative gains of one or two sets of probabilities, and of chance."""
    share = np.linspace(0.0, 1.0, 101)
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, label="by chance")
    styles = ((MODEL_COLOUR, "-"), (TABLE_COLOUR, "--"))
    for (name, values), (colour, style) in zip(p.items(), styles, strict=False):
        axes.plot(share, gains(values, won, share), style, color=colour, label=name)
    axes.set(xlabel="share of rows, the most likely first", ylabel="share of wins among them", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="lower right", frameon=False)


def months_axes(axes: Axes, months: Sequence[Month]) -> None:
    """Win rate by month of closing, with intervals, and that of all months."""
    won, n = (np.array([getattr(item, name) for item in months], dtype=np.float64) for name in ("won", "closed"))
    lower, upper = wilson(won, n)
    x = np.arange(len(months))
    axes.axhline(float(won.sum() / n.sum()), color=GREY, linewidth=1)
    axes.vlines(x, lower, upper, color=MODEL_COLOUR, alpha=0.45, linewidth=3)
    axes.plot(x, won / n, "o", color=MODEL_COLOUR, markersize=4)
    step = -(-len(months) // 12)
    axes.set_xticks(x[::step], [item.name for item in months][::step], rotation=45, ha="right")
    axes.set(ylabel="share won of deals closed", ylim=(0, min(1.0, float(upper.max()) * 1.05)))
