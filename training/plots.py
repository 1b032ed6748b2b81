"""Plots of a training run, drawn without a screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crm.tables import Coded, FloatArray
from models.metrics import Metrics, calibration_bins
from training.evaluation import MODEL, Report, Tested

MODEL_COLOUR, TABLE_COLOUR = "#1f6f8b", "#c97b3c"


def calibration_axes(axes: Axes, p: FloatArray, won: FloatArray, label: str, colour: str = MODEL_COLOUR) -> None:
    """A calibration curve: of deals given a probability, how many were won."""
    bins = calibration_bins(p, won)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1)
    axes.plot([item.predicted for item in bins], [item.observed for item in bins], "o-", color=colour, label=label)
    axes.set(xlabel="win probability said", ylabel="share won", xlim=(0, 1), ylim=(0, 1))
    axes.legend(loc="upper left", frameon=False)


def _bars(axes: Axes, groups: dict[str, dict[str, Metrics]], title: str) -> None:
    names = list(groups[MODEL])
    place = np.arange(len(names))
    for shift, (name, colour) in enumerate(((MODEL, MODEL_COLOUR), ("stage x age", TABLE_COLOUR))):
        values = [groups[name][level].log_loss for level in names]
        axes.bar(place + 0.4 * shift, values, width=0.38, color=colour, label=name)
    axes.set_xticks(place + 0.2, names, rotation=20, ha="right")
    axes.set(title=title, ylabel="log-loss, lower is better")
    axes.legend(frameon=False)


def draw(tested: Tested, report: Report, folder: Path) -> list[Path]:
    """Draw calibration and log-loss, overall and by stage, age and segment, into a folder."""
    made = []
    figure = Figure(figsize=(6, 5), layout="constrained")
    calibration_axes(figure.subplots(), tested.p[MODEL], tested.won, "out of sample")
    made.append(_save(figure, folder / "calibration.png"))
    for title, group in tested.groups.items():
        made += _by_group(tested, group, title, folder)
    for title, groups in report.groups.items():
        if groups[MODEL]:
            figure = Figure(figsize=(7, 4), layout="constrained")
            _bars(figure.subplots(), groups, f"log-loss by {title}")
            made.append(_save(figure, folder / f"log_loss_by_{title}.png"))
    return made


def _by_group(tested: Tested, group: Coded, title: str, folder: Path) -> list[Path]:
    levels = [(code, level) for code, level in enumerate(group.levels) if (group.codes == code).sum() >= 100][:6]
    if not levels:
        return []
    figure = Figure(figsize=(3.4 * len(levels), 3.6), layout="constrained")
    for axes, (code, level) in zip(np.atleast_1d(np.asarray(figure.subplots(1, len(levels)))), levels, strict=True):
        rows = group.codes == code
        calibration_axes(axes, tested.p[MODEL][rows], tested.won[rows], level)
    return [_save(figure, folder / f"calibration_by_{title}.png")]


def _save(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=110)
    return path
