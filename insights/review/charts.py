"""The plots of a review."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from insights.pages.parts import Picture, percent
from insights.pages.pictures import picture, plain_label
from insights.review.odds import GroupOdds
from insights.review.shifts import ReasonFigures
from insights.review.stages import StageFlow
from insights.review.summary import TrendPoint

BLUE, ORANGE, GREY = "#1f6f8b", "#c97b3c", "#999999"
"""Colours that colour-blind people tell apart, also by lightness."""
MOST_BARS = 10
WIDE, NAMES = 6.6, 2.3
"""Width of a plot with names on its left, and room for the names, in inches."""


def trend_chart(points: Sequence[TrendPoint]) -> Picture | None:
    """Win rate by period, with intervals; None for fewer than two periods with deals."""
    known = [(place, point.win_rate) for place, point in enumerate(points) if point.win_rate.rate is not None]
    if len(known) < 2:
        return None
    x = [place for place, _ in known]
    rate = np.array([item.rate for _, item in known], dtype=np.float64)
    lower, upper = (np.array([getattr(item, end) for _, item in known], dtype=np.float64) for end in ("lower", "upper"))

    def draw(axes: Axes) -> None:
        axes.vlines(x, 100 * lower, 100 * upper, color=BLUE, alpha=0.4, linewidth=4)
        axes.plot(x, 100 * rate, "o-", color=BLUE, linewidth=1.2, markersize=4.5)
        axes.set_xticks(range(len(points)), [point.period for point in points])
        axes.set(ylabel="% won of decided deals", ylim=(0, min(100.0, float(120 * upper.max()))))

    alt = "Win rate by period: " + "; ".join(f"{points[place].period} {percent(item.rate or 0.0)} of {item.n:,}"
                                             for place, item in known)  # fmt: skip
    return picture(draw, alt, "win rate by count, with 95 % intervals", (WIDE, 2.6))


def deaths_chart(flow: Sequence[StageFlow]) -> Picture | None:
    """Lost deals by the stage they died in; None where none is known."""
    if not sum(stage.died for stage in flow):
        return None
    alt = "Lost deals by their last stage: " + "; ".join(f"{stage.stage} {stage.died:,}" for stage in flow)
    return _bars([stage.stage for stage in flow], [float(stage.died) for stage in flow], None, "lost deals", alt,
                 "where deals died")  # fmt: skip


def reasons_chart(reasons: Sequence[ReasonFigures], previous: str) -> Picture | None:
    """Shares of reasons now and in the period before; None without any."""
    shown = [item for item in reasons if item.share.k or item.previous.k][:MOST_BARS]
    if not shown:
        return None
    now = [100 * (item.share.rate or 0.0) for item in shown]
    before = [100 * (item.previous.rate or 0.0) for item in shown] if shown[0].previous.n else None
    alt = "Share of reasons: " + "; ".join(
        f"{item.name} {percent(item.share.rate or 0.0)}" + (f", before {percent(item.previous.rate or 0.0)}"
                                                            if before is not None else "") for item in shown
    )  # fmt: skip
    told = f"blue: this period; orange: {previous}" if before is not None else "this period"
    return _bars([item.name for item in shown], now, before, "% of deals with a reason", alt, told)


def odds_chart(groups: Sequence[GroupOdds], names: Sequence[str]) -> Picture | None:
    """Won less expected by group, with intervals; None without groups."""
    if not groups:
        return None
    y = np.arange(len(groups))[::-1]

    def draw(axes: Axes) -> None:
        axes.axvline(0, color=GREY, linewidth=1)
        axes.hlines(y, [item.lower for item in groups], [item.upper for item in groups], color=BLUE, alpha=0.4,
                    linewidth=4)  # fmt: skip
        axes.plot([item.difference for item in groups], y, "o", color=BLUE, markersize=5)
        axes.set_yticks(y, [plain_label(name) for name in names])
        axes.set(xlabel="won deals above (+) or below (-) the odds of their deals", ylim=(-0.6, len(groups) - 0.4))

    alt = "Won less expected: " + "; ".join(f"{name} {item.difference:+.1f} ({item.lower:+.1f} to {item.upper:+.1f})"
                                            for name, item in zip(names, groups, strict=True))  # fmt: skip
    return picture(draw, alt, "won less expected, with 95 % intervals", (WIDE, _height(len(groups))), NAMES)


def _height(n: int) -> float:
    return 0.75 + 0.27 * max(n, 2)


def _bars(
    names: Sequence[str], now: Sequence[float], before: Sequence[float] | None, label: str, alt: str, caption: str
) -> Picture:
    y = np.arange(len(names))[::-1].astype(np.float64)

    def draw(axes: Axes) -> None:
        if before is None:
            axes.barh(y, now, height=0.62, color=BLUE)
        else:
            axes.barh(y + 0.19, now, height=0.36, color=BLUE)
            axes.barh(y - 0.19, before, height=0.36, color=ORANGE)
        axes.set_yticks(y, [plain_label(name) for name in names])
        axes.set(xlabel=label, ylim=(-0.6, len(names) - 0.4))

    return picture(draw, alt, caption, (WIDE, _height(len(names))), NAMES)
