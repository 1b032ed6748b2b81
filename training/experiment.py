"""MLflow as every kind of model uses it: a run, a registered version with its tags, and the word of the gate."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crm.tables import moment
from models.bundle import Saved, save_bundle
from models.registry import (
    DECISION,
    DIGEST,
    METRICS,
    REPORT,
    REPORT_FILE,
    SIMULATED,
    Registry,
    Version,
    make_sqlite_folder,
    quiet_mlflow,
)


def code_version() -> str:
    """The commit of the code where it runs from a checkout, else the installed version."""
    try:
        found = subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
            capture_output=True, text=True, check=True, timeout=10,
        )  # fmt: skip
        return found.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return importlib.metadata.version("wonlost")


def metric_name(name: str) -> str:
    """A name as MLflow takes it for a metric: words joined by underscores, without signs such as % and '."""
    return "_".join(re.findall(r"[\w.-]+", name))


def plain_figures(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures fit for JSON, which has no NaN."""
    return {name: None if value != value else value for name, value in figures.items()}


class Experiment:
    """The runs and versions of one registered model.

    Args:
        registry: The registry of its versions; the experiment has the name of the model.
        artifacts: Where MLflow keeps files of a local (SQLite) tracking store; a tracking server decides itself.
    """

    def __init__(self, registry: Registry, artifacts: Path) -> None:
        self.registry = registry
        self.artifacts = artifacts

    @property
    def _id(self) -> str:
        client = self.registry.client
        found = client.get_experiment_by_name(self.registry.name)
        if found is not None:
            return str(found.experiment_id)
        local = self.registry.tracking_uri.startswith("sqlite:")
        place = self.artifacts.absolute().as_uri() if local else None
        return str(client.create_experiment(self.registry.name, artifact_location=place))

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Any]:
        """An MLflow run, the active one inside the block."""
        make_sqlite_folder(self.registry.tracking_uri)
        with quiet_mlflow():
            import mlflow

            mlflow.set_tracking_uri(self.registry.tracking_uri)
            with mlflow.start_run(experiment_id=self._id, run_name=name) as run:
                yield run

    def register(
        self, model: Saved, loader: str, signature: Any, metadata: dict[str, Any], figures: dict[str, Any],
        decision: str, simulated: bool, scratch: Path,
    ) -> int:  # fmt: skip
        """Save a model in the active run and make a version of it.

        Args:
            model: The model.
            loader: Module with the `_load_pyfunc` of its flavour.
            signature: Its MLflow signature.
            metadata: What to keep beside it.
            figures: Headline figures, plain data.
            decision: What the gate says.
            simulated: Whether it was trained on simulated data.
            scratch: An empty folder.

        Returns:
            The version's number.
        """
        import mlflow
        from mlflow.exceptions import MlflowException

        bundle = scratch / "bundle"
        digest = save_bundle(model, bundle)
        info = mlflow.pyfunc.log_model(
            name="model", loader_module=loader, data_path=str(bundle), signature=signature,
            pip_requirements=[f"wonlost=={importlib.metadata.version('wonlost')}"],
            metadata={"digest": digest, **metadata},
        )  # fmt: skip
        client = self.registry.client
        with contextlib.suppress(MlflowException):  # it is there from the second run on
            client.create_registered_model(self.registry.name)
        made = client.create_model_version(self.registry.name, info.model_uri, info.run_id, model_id=info.model_id)
        tags = {
            DIGEST: digest, METRICS: json.dumps(figures), DECISION: decision, REPORT: REPORT_FILE,
            SIMULATED: str(simulated).lower(),
        }  # fmt: skip
        for name, value in tags.items():
            client.set_model_version_tag(self.registry.name, str(made.version), name, value)
        return int(made.version)

    def decide(self, number: int, promoted: bool, decision: str) -> Version:
        """Make a version the champion, or the challenger."""
        if promoted:
            self.registry.promote(number)
        else:
            self.registry.challenge(number, decision)
        return self.registry.version(number)

    def refused(self, why: str, params: dict[str, Any]) -> None:
        """Log an attempt that ended before there was a model."""
        with self.run("refused"):
            import mlflow

            mlflow.log_params(params)
            mlflow.set_tags({"decision": why, "promoted": False, "code_version": code_version()})


def day(microseconds: int) -> str:
    """A moment's day, as it stands in runs and versions."""
    return f"{moment(microseconds):%Y-%m-%d}"
