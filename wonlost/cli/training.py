"""The train command."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from crm.tables import CrmData
from wonlost.cli.console import (
    SIMULATED,
    AsOfOption,
    StoreOption,
    UsageError,
    err,
    load,
    out,
    parse_as_of,
    progress_bar,
    registry_of,
    reject_future,
    settings,
    table,
)  # fmt: skip
from wonlost.cli.reason_training import train_all_reasons

if TYPE_CHECKING:
    from models.metrics import Metrics
    from training.evaluation import Report

REFUSED = 3
ReasonsOption = Annotated[
    bool, typer.Option("--reasons/--no-reasons", help="Also fit the models that read why deals were lost and won.")
]
AllowOption = Annotated[
    list[str] | None, typer.Option("--allow", metavar="FEATURE", help="A feature that the leak alarm lets pass.")
]
TuneOption = Annotated[
    int,
    typer.Option(
        "--tune", metavar="N", min=0, help="Let Optuna propose N more recipes; every trial is kept in MLflow."
    ),
]
ForceOption = Annotated[
    str | None, typer.Option("--force", metavar="REASON", help="Promote even if the gate refuses; the reason is kept.")
]


def train(
    as_of: AsOfOption = "", reasons: ReasonsOption = True, allow: AllowOption = None, tune: TuneOption = 0,
    force: ForceOption = None, store: StoreOption = "",
) -> None:  # fmt: skip
    """Train on what was known before a day, log the runs, register the models, and promote those that earned that.

    The win model, and the models that read from notes why deals were lost and won. The exit code is the win model's:
    0: promoted. 3: refused, with a line that says why. 1: an error.
    """
    from features.matrix import default_as_of
    from training.gate import Refused
    from training.run import train as run_training
    from training.tracking import Tracker

    if force is not None and not force.strip():
        raise UsageError("--force needs a reason, which is kept with the version")
    start = time.perf_counter()
    chosen = settings(store)
    crm = load(chosen)
    loading = time.perf_counter() - start
    asked = parse_as_of(as_of, crm)
    cut = default_as_of(crm) if asked is None else asked
    reject_future(cut, crm)
    tracker = Tracker(registry_of(chosen), chosen.artifacts)
    with progress_bar() as bar:
        task = bar.add_task("loading", total=1.0)

        def progress(what: str, share: float) -> None:
            bar.update(task, description=what, completed=share)

        try:
            trained = run_training(crm, cut=cut, threads=chosen.threads, least=chosen.least_deals, allowed=allow or (),
                                   champion=tracker.champion_recipe(), trials=tune, alarm=chosen.leak_alarm,
                                   fiscal_year_start=chosen.fiscal_year_start, progress=progress)  # fmt: skip
        except Refused as refusal:
            bar.stop()
            tracker.record_refusal(refusal, crm, cut)
            out.print(f"refused: {refusal}", markup=False)
            if reasons:
                train_all_reasons(chosen, crm, cut)
            raise typer.Exit(REFUSED) from None
        if force is not None:
            trained = replace(trained, decision=trained.decision.overruled(force.strip()))
        progress("logging and registering", 0.95)
        before = time.perf_counter()
        version = tracker.record(trained)
        trained.seconds["logging"] = time.perf_counter() - before
        progress("done", 1.0)
    trained.seconds["loading"] = loading
    _print_headline(trained.report, trained.choice.served.recipe.name)
    for title, groups in trained.report.groups.items():
        _print_groups(f"by {title}", groups)
    for warning in [*trained.warnings, *_simulated(crm)]:
        err.print(f"note: {warning}", markup=False)
    out.print("seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in trained.seconds.items()), markup=False)
    out.print(f"report: wonlost report {version.number}", markup=False)
    if reasons:
        train_all_reasons(chosen, crm, cut)
    if not trained.decision.promoted:
        out.print(f"refused: {trained.decision.reason}", markup=False)
        raise typer.Exit(REFUSED)
    out.print(f"promoted: version {version.number} of {chosen_name(version.metrics)}; {trained.decision.reason}",
              markup=False)  # fmt: skip


def chosen_name(metrics: dict[str, object]) -> str:
    """The model and its recipe, in words."""
    from models.registry import NAME

    return f"{NAME} ({metrics['recipe']}, calibration {metrics['calibration']})"


def _simulated(crm: CrmData) -> list[str]:
    return [f"trained on {SIMULATED}"] if crm.process.simulated else []


def _print_headline(report: Report, recipe: str) -> None:
    shown = {"base rate": "base rate", "stage rate": "stage rate", "stage x age": "stage x age", "Odoo": "Odoo's rule",
             "logistic": "logistic", "champion's recipe": "champion's recipe",
             "model": f"model: {recipe}, calibrated"}  # fmt: skip
    rows = []
    for name, label in shown.items():
        metrics = report.overall.get(name)
        if metrics is not None:
            figures = (metrics.log_loss, report.weighted[name].log_loss, metrics.brier, metrics.auc, metrics.slope,
                       metrics.ece)  # fmt: skip
            rows.append([label, *(f"{value:.4f}" for value in figures)])
    out.print(table("out of sample, at past moments",
                    ["", "log-loss", "of open deals", "Brier", "AUC", "slope", "ECE"], rows))  # fmt: skip


def _print_groups(title: str, groups: dict[str, dict[str, Metrics]]) -> None:
    rows = []
    for level, metrics in groups["model"].items():
        other = groups["stage x age"][level]
        figures = (metrics.rate, metrics.mean_probability, metrics.log_loss, other.log_loss, metrics.auc)
        rows.append([level, f"{metrics.n:,}", *(f"{value:.3f}" for value in figures)])
    if rows:
        out.print(table(title, ["", "rows", "won", "said", "log-loss", "stage x age", "AUC"], rows))


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("train")(train)
