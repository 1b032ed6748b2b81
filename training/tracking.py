"""The MLflow side of a training run: what is logged, registered, and promoted or refused."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crm.tables import CrmData
from features.registry import absent_of
from models.errors import NoChampionError
from models.registry import REPORT_FILE, Registry, Version
from models.win import WinModel
from training.evaluation import MODEL
from training.experiment import Experiment, code_version, day, metric_name, plain_figures
from training.gate import Refused
from training.recipes import Recipe
from training.report import render
from training.run import Trained
from training.splits import split_kind

OUT_OF_SAMPLE = "out_of_sample.parquet"
RECIPE = "made_of"
"""Figure of a version that holds its recipe as data, to be fitted again."""


def headline(trained: Trained) -> dict[str, Any]:
    """The figures that are kept with a version and shown by `wonlost models`."""
    model, base = trained.report.overall[MODEL], trained.report.overall["base rate"]
    table = trained.report.overall["stage x age"]
    won, lost = trained.data.n_deals
    served = trained.choice.served
    return plain_figures({
        "recipe": served.recipe.name, "calibration": served.calibration.kind, RECIPE: served.recipe.to_json(),
        "log_loss": model.log_loss, "brier": model.brier, "auc": model.auc, "ece": model.ece,
        "base_rate_log_loss": base.log_loss, "stage_age_log_loss": table.log_loss,
        "weighted_log_loss": trained.report.weighted[MODEL].log_loss, "slope": model.slope,
        "brier_skill": model.brier_skill, "forced": trained.decision.forced,
        "gain": trained.decision.gain_share, "gain_lower": trained.decision.gain.lower,
        "gain_upper": trained.decision.gain.upper, "won_deals": won, "lost_deals": lost,
        "trained_before": day(trained.data.cut), "tested_rows": model.n,
    })  # fmt: skip


class Tracker:
    """Logs runs to MLflow and registers their models.

    Args:
        registry: The registry of models.
        artifacts: Where MLflow keeps files of a local (SQLite) tracking store; a tracking server decides itself.
    """

    def __init__(self, registry: Registry, artifacts: Path) -> None:
        self.registry = registry
        self.experiment = Experiment(registry, artifacts)

    def champion_recipe(self) -> Recipe | None:
        """Recipe of the version that serves; None where there is none."""
        try:
            version = self.registry.champion()
        except NoChampionError:
            return None
        return Recipe.from_json(version.metrics[RECIPE])

    def record(self, trained: Trained, *, promote: bool = True) -> Version:
        """Log a run, register its model, and promote it if the gate lets it through.

        Args:
            trained: The run.
            promote: Whether to promote; without, a model that the gate lets through becomes the challenger, for
                somebody to compare and promote.

        Returns:
            The registered version.
        """
        decision = trained.decision
        with self.experiment.run(trained.choice.served.recipe.name) as run, tempfile.TemporaryDirectory() as scratch:
            import mlflow

            self._log(trained, Path(scratch))
            number = self.experiment.register(
                trained.model, "models.pyfunc_win", signature(trained.model),
                {"features": list(trained.model.features)}, headline(trained), decision.reason,
                trained.data.history.crm.process.simulated, Path(scratch),
            )  # fmt: skip
            mlflow.set_tags({"decision": decision.reason, "promoted": decision.promoted})
            for number_of_trial, trial in enumerate(trained.trials):
                with mlflow.start_run(
                    experiment_id=run.info.experiment_id, run_name=f"trial {number_of_trial}", nested=True
                ):
                    mlflow.log_params(trial.settings)
                    mlflow.log_metric("log_loss_of_earlier_origins", trial.loss)
        return self.experiment.decide(number, decision.promoted and promote, decision.reason)

    def record_refusal(self, refusal: Refused, crm: CrmData, cut: int) -> None:
        """Log an attempt that ended before there was a model."""
        self.experiment.refused(str(refusal), {"trained_before": day(cut), "time_basis": crm.process.time_basis})

    def record_audit(self, metrics: dict[str, float], tags: dict[str, str]) -> None:
        """Log an audit of past scores as a run of its own, so that its figures can be followed from one to the next.

        Args:
            metrics: Its figures.
            tags: What it was about.
        """
        with self.experiment.run("audit"):
            import mlflow

            mlflow.log_metrics({metric_name(name): value for name, value in metrics.items()})
            mlflow.set_tags({**tags, "code_version": code_version()})

    def _log(self, trained: Trained, scratch: Path) -> None:
        import mlflow

        data, served = trained.data, trained.choice.served
        won, lost = data.n_deals
        mlflow.log_params({
            "trained_before": day(data.cut), "recipe": served.recipe.name,
            "calibration": served.calibration.kind, "splits": split_kind(data.history),
            "origins": ", ".join(fold.name for fold in trained.folds), "rows": len(data.rows),
            "won_deals": won, "lost_deals": lost, "features": len(trained.model.features),
        })  # fmt: skip
        mlflow.set_tags({
            "data_hash": data.data_hash, "code_version": code_version(),
            "simulated": data.history.crm.process.simulated, "warnings": "\n".join(trained.warnings),
        })  # fmt: skip
        for name, metrics in trained.report.overall.items():
            prefix = "" if name == MODEL else f"{metric_name(name)}."
            mlflow.log_metrics({
                f"{prefix}{key}": value for key, value in asdict(metrics).items() if value == value
            })  # fmt: skip
        if trained.model.outlook is not None:
            mlflow.log_metrics(trained.model.outlook.metrics())
        mlflow.log_metrics({f"seconds.{name.replace(' ', '_')}": value for name, value in trained.seconds.items()})
        mlflow.log_dict({
            "features": [{"name": item.name, "family": item.family, "unit": item.unit, "needs": list(item.needs),
                          "doc": item.doc, "used": item.name in trained.model.features} for item in data.features],
            "absent": absent_of(data.history),
        }, "features.json")  # fmt: skip
        mlflow.log_dict({
            **trained.report.to_json(), "recipes": trained.choice.losses, "calibrations": served.calibration_losses,
            "recipe": served.recipe.to_json(),
            "decision": asdict(trained.decision), "warnings": trained.warnings,
        }, "evaluation.json")  # fmt: skip
        tested = scratch / OUT_OF_SAMPLE
        trained.tested.frame().to_parquet(tested, index=False)
        mlflow.log_artifact(str(tested))
        mlflow.log_text(render(trained, code_version()), REPORT_FILE)


def signature(model: WinModel) -> Any:
    """The model's MLflow signature: its feature matrix, every column optional (missing values), and a probability."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    columns = [
        ColSpec(DataType.string if model.described[name].unit == "category" else DataType.double, name, required=False)
        for name in model.features
    ]
    return ModelSignature(inputs=Schema(columns), outputs=Schema([ColSpec(DataType.double)]))


def out_of_sample(registry: Registry, version: Version) -> Path:
    """Local path of a version's out-of-sample predictions, for `training.evaluation.compare`."""
    from mlflow.artifacts import download_artifacts

    return Path(download_artifacts(run_id=version.run_id, artifact_path=OUT_OF_SAMPLE,
                                   tracking_uri=registry.tracking_uri))  # fmt: skip
