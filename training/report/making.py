"""How the model was made: what was absent, what was tried, and where it all came from."""

from __future__ import annotations

import json

import numpy as np

from crm.tables import moment
from features.registry import absent_of
from insights.pages.parts import Items, Part, Section, Table, Text, number, percent
from training.run import Trained
from training.splits import split_kind

TRIALS = 20


def absent(trained: Trained) -> Section:
    """What the data did not allow, and warnings."""
    parts: list[Part] = [Items(trained.warnings) if trained.warnings else Text("No warnings.")]
    by_need: dict[tuple[str, ...], list[str]] = {}
    for name, needs in absent_of(trained.data.history).items():
        by_need.setdefault(needs, []).append(name)
    if by_need:
        rows = [[", ".join(needs), ", ".join(names)] for needs, names in sorted(by_need.items())]
        parts.append(Table("Not in the data, and the features that are missing for it", ["lacking", "features"], rows,
                           texts=2))  # fmt: skip
    else:
        parts.append(Text("The data allow every declared feature."))
    return Section("absent", "Warnings and absent data", parts)


def search(trained: Trained) -> Section:
    """What was tried, and where."""
    data, choice, served = trained.data, trained.choice, trained.choice.served
    chosen, calibration = served.recipe.name, served.calibration.kind
    losses = sorted(choice.losses.items(), key=lambda item: item[1])
    weighting = served.recipe.weighting.name or "all rows weigh the same"
    origins = []
    for fold in trained.folds:
        deals = [len(np.unique(data.rows.deal[rows])) for rows in (fold.fit, fold.test)]
        origins.append([fold.name, f"{deals[0]:,}", f"{len(fold.fit):,}", f"{deals[1]:,}", f"{len(fold.test):,}",
                        percent(float(data.won[fold.test].mean()), 1)])  # fmt: skip
    parts: list[Part] = [
        Text(f"Chosen: {chosen}. Weights in its fits: {weighting}. Of recipes about equally good the simplest is "
             f"taken; the chosen one was then fitted on everything before the cut."),
        Table("Recipes tried, by log-loss out of sample before calibration, rows weighed for censoring",
              ["recipe", "log-loss"], [[name, number(value)] for name, value in losses],
              strong=[place for place, (name, _) in enumerate(losses) if name == chosen]),
        Table("Calibrations tried, by log-loss on the last origin's rows", ["calibration", "log-loss"],
              [[name, number(value)] for name, value in served.calibration_losses.items()],
              strong=[place for place, name in enumerate(served.calibration_losses) if name == calibration]),
        Table(f"Moments at which recipes were fitted and tested ({split_kind(data.history)})",
              ["origin", "deals to fit", "rows", "deals to test", "rows", "won"], origins),
    ]  # fmt: skip
    if trained.trials:
        best = sorted(enumerate(trained.trials, 1), key=lambda item: item[1].loss)[:TRIALS]
        rows = [[str(place), ", ".join(f"{name} {_short(value)}" for name, value in trial.settings.items()),
                 number(trial.loss)] for place, trial in best]  # fmt: skip
        parts.append(Table(f"Recipes proposed by Optuna, the best of {len(trained.trials)}, by log-loss at all origins "
                           f"but the last", ["trial", "settings", "log-loss"], rows, texts=2))  # fmt: skip
    return Section("search", "The search", parts)


def _short(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def provenance(trained: Trained, code_version: str) -> Section:
    """Where it came from."""
    data, process = trained.data, trained.data.history.crm.process
    rows = [
        ["trained before", f"{moment(data.cut):%Y-%m-%d %H:%M} UTC"],
        ["time basis", process.time_basis],
        ["simulated", "yes" if process.simulated else "no"],
        ["data (SHA-256)", data.data_hash],
        ["code version", code_version],
        ["recipe", json.dumps(trained.choice.served.recipe.to_json())],
    ]
    return Section("provenance", "Provenance", [Table("The same data and code give the same model", ["", ""], rows,
                                                      texts=2)])  # fmt: skip
