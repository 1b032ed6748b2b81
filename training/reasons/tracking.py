"""The MLflow side of a model of reasons: what is logged, registered, and promoted or refused."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.errors import NoChampionError
from models.reasons import FLAGGED, Recipe
from models.registry import REPORT_FILE, Registry, Version
from training.experiment import Experiment, code_version, day, plain_figures
from training.gate import Refused
from training.reasons.gate import Champion
from training.reasons.page import render
from training.reasons.run import TrainedReasons

LABELS = "answered_notes"
RECIPE = "made_of"
MOST_FLAGGED = 200


def headline(trained: TrainedReasons) -> dict[str, Any]:
    """The figures that are kept with a version and shown by `wonlost models`."""
    model, report = trained.fitted.model, trained.fitted.report
    ids = report.taxonomy.ids
    return plain_figures({
        LABELS: report.n_labels, "notes": trained.n_notes, "trained_before": day(trained.cut),
        "taxonomy": report.taxonomy.digest, RECIPE: asdict(report.recipe), "accuracy": report.accuracy,
        "macro_f1": report.macro_f1, "log_loss": report.log_loss, "ece": report.ece,
        "multilingual": model.classifier.encoder is not None, "sure_from": model.thresholds.sure,
        "sure_accuracy": model.thresholds.stated, "sure_share": model.thresholds.coverage,
        FLAGGED: [[trained.answered[flag.row].key.id, ids[flag.suggested]] for flag in report.flags[:MOST_FLAGGED]],
    })  # fmt: skip


class ReasonTracker:
    """Logs runs of one kind of model of reasons and registers what they made.

    Args:
        registry: The registry of its versions.
        artifacts: Where MLflow keeps files of a local (SQLite) tracking store; a tracking server decides itself.
    """

    def __init__(self, registry: Registry, artifacts: Path) -> None:
        self.registry = registry
        self.experiment = Experiment(registry, artifacts)

    def champion(self) -> Champion | None:
        """What the gate must know of the version that serves; None where there is none."""
        try:
            metrics = self.registry.champion().metrics
        except NoChampionError:
            return None
        return Champion(int(metrics[LABELS]), Recipe(**metrics[RECIPE]))

    def record(self, trained: TrainedReasons) -> Version:
        """Log a run, register its model, and promote it if the gate lets it through."""
        model, report, verdict = trained.fitted.model, trained.fitted.report, trained.verdict
        name = f"{report.n_labels:,} answered notes"
        with self.experiment.run(name), tempfile.TemporaryDirectory() as scratch:
            import mlflow

            mlflow.log_params({
                "trained_before": day(trained.cut), "notes": trained.n_notes, LABELS: report.n_labels,
                "rows_of_taxonomy": report.n_taxonomy, **asdict(report.recipe),
            })  # fmt: skip
            mlflow.set_tags({
                "decision": verdict.reason, "promoted": verdict.promoted, "taxonomy": report.taxonomy.digest,
                "code_version": code_version(), "simulated": trained.simulated,
            })  # fmt: skip
            figures = {"accuracy": report.accuracy, "macro_f1": report.macro_f1, "log_loss": report.log_loss,
                       "log_loss_uncalibrated": report.log_loss_before, "ece": report.ece}  # fmt: skip
            mlflow.log_metrics({key: value for key, value in figures.items() if value == value})
            mlflow.log_dict({
                "reasons": [asdict(item) for item in report.reasons], "thresholds": asdict(report.thresholds),
                "coverage": [asdict(item) for item in report.coverage_curve], "languages": report.languages,
                "tried": [asdict(item) for item in report.tried],
            }, "evaluation.json")  # fmt: skip
            mlflow.log_text(render(trained, code_version()), REPORT_FILE)
            number = self.experiment.register(
                model, "models.pyfunc_reasons", signature(), {"taxonomy": report.taxonomy.digest}, headline(trained),
                verdict.reason, trained.simulated, Path(scratch),
            )  # fmt: skip
        return self.experiment.decide(number, verdict.promoted, verdict.reason)

    def record_refusal(self, refusal: Refused, cut: int) -> None:
        """Log an attempt that ended before there was a model."""
        self.experiment.refused(str(refusal), {"trained_before": day(cut)})


def signature() -> Any:
    """A model's MLflow signature: notes in, readings out."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    text = [ColSpec(DataType.string, name) for name in ("status", "further", "evidence", "rival", "language")]
    said = [ColSpec(DataType.string, "reason"), ColSpec(DataType.double, "probability"), *text]
    return ModelSignature(inputs=Schema([ColSpec(DataType.string, "text")]), outputs=Schema(said))
