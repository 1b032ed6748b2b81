"""The MLflow registry of models: versions, the champion, promotion and its undoing.

`import mlflow` takes seconds, so it is imported where it is first needed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import socket
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from models.errors import NoChampionError, NoReportError, RegistryUnavailableError, UnknownVersionError

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from models.win import WinModel

NAME = "wonlost-win"
REASONS = {"loss": "wonlost-loss-reason", "win": "wonlost-win-reason"}
"""Registered models of reasons, by kind of note."""
CHAMPION = "champion"
CHALLENGER = "challenger"
DIGEST = "wonlost.digest"
METRICS = "wonlost.metrics"
DECISION = "wonlost.decision"
HISTORY = "wonlost.champions"
SIMULATED = "wonlost.simulated"
REPORT = "wonlost.report"
REPORT_FILE = "report.html"
"""Where a run keeps its report."""
PING_SECONDS = 3.0
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Version:
    """A registered version of a model.

    Attributes:
        number: Its number, from 1.
        aliases: `champion`, `challenger`.
        digest: Digest of its bundle's manifest.
        run_id: MLflow run that made it.
        created_at: Milliseconds since 1970, as MLflow tells.
        metrics: Headline figures.
        decision: Why it was promoted or not.
        source: Where its files are.
        simulated: Whether it was trained on simulated data.
        report: Where its run keeps the report of the training; empty where there is none.
    """

    number: int
    aliases: tuple[str, ...]
    digest: str
    run_id: str
    created_at: int
    metrics: dict[str, Any] = field(default_factory=dict)
    decision: str = ""
    source: str = ""
    simulated: bool = False
    report: str = ""


@dataclass(frozen=True)
class Model(Generic[Loaded]):
    """A version with its model.

    Attributes:
        version: Its number in the registry.
        digest: Digest of its bundle's manifest.
        loaded: The model itself.
    """

    version: int
    digest: str
    loaded: Loaded


class Registry:
    """Registered versions of the win model.

    Args:
        tracking_uri: MLflow tracking and registry URI.
        cache: Folder for local copies of versions, so that the last good model serves while MLflow is down.
        name: Registered model.
    """

    def __init__(self, tracking_uri: str, cache: Path, name: str = NAME) -> None:
        self.tracking_uri = tracking_uri
        self.cache = cache
        self.name = name
        self._client: MlflowClient | None = None

    @property
    def client(self) -> MlflowClient:
        """MLflow's client, made at first use."""
        if self._client is None:
            with quiet_mlflow():
                from mlflow import MlflowClient

                make_sqlite_folder(self.tracking_uri)
                with self._reachable():
                    self._client = MlflowClient(self.tracking_uri, self.tracking_uri)
        return self._client

    def ping(self) -> None:
        """Fail fast where a tracking server is away, which MLflow's own client tells only after minutes of retries.

        Raises:
            RegistryUnavailableError: Nothing listens there.
        """
        address = urlsplit(self.tracking_uri)
        if address.scheme not in ("http", "https") or address.hostname is None:
            return
        port = address.port or (443 if address.scheme == "https" else 80)
        try:
            socket.create_connection((address.hostname, port), timeout=PING_SECONDS).close()
        except OSError as error:
            raise RegistryUnavailableError(
                f"the MLflow registry at {self.tracking_uri} cannot be reached: {error}"
            ) from error

    @contextlib.contextmanager
    def _reachable(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with quiet_mlflow():
                yield
        except (MlflowException, SQLAlchemyError, OSError) as error:
            if getattr(error, "error_code", "") == "RESOURCE_DOES_NOT_EXIST":
                raise
            raise RegistryUnavailableError(
                f"the MLflow registry at {self.tracking_uri} cannot be used: {str(error).splitlines()[0]}"
            ) from error

    def versions(self) -> list[Version]:
        """All versions, the newest first."""
        if self._not_begun():
            return []
        with self._reachable():
            found = self.client.search_model_versions(f"name='{self.name}'")
            model = self._model()
        aliases: dict[int, list[str]] = {}
        for alias, number in (model.aliases if model is not None else {}).items():
            aliases.setdefault(int(number), []).append(alias)
        listed = [_version(item, tuple(sorted(aliases.get(int(item.version), [])))) for item in found]
        return sorted(listed, key=lambda item: -item.number)

    def _not_begun(self) -> bool:
        """Whether the database is an SQLite file that nobody has made yet: to ask MLflow would make it, for seconds."""
        file = sqlite_file(self.tracking_uri)
        return self._client is None and file is not None and not file.exists()

    def _model(self) -> Any:
        if self._not_begun():
            return None
        from mlflow.exceptions import MlflowException

        try:
            with self._reachable():
                return self.client.get_registered_model(self.name)
        except MlflowException:
            return None

    def version(self, number: int) -> Version:
        """One version.

        Raises:
            UnknownVersionError: There is none of that number.
        """
        for version in self.versions():
            if version.number == number:
                return version
        raise UnknownVersionError(f"there is no version {number} of {self.name}; see `wonlost models`")

    def champion(self) -> Version:
        """The version that serves.

        Raises:
            NoChampionError: None has been promoted yet.
        """
        model = self._model()
        number = (model.aliases if model is not None else {}).get(CHAMPION)
        if number is None:
            raise NoChampionError(f"no version of {self.name} has been promoted yet")
        with self._reachable():
            found = self.client.get_model_version(self.name, str(number))
        return _version(found, (CHAMPION,))

    def report(self, number: int) -> str:
        """The HTML page that tells how a version was trained and how good it is.

        Raises:
            UnknownVersionError: There is no version of that number.
            NoReportError: It was registered without one, or the file is gone.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        version = self.version(number)
        files: list[Any] = []
        with contextlib.suppress(MlflowException), self._reachable():  # its run may have been deleted
            files = self.client.list_artifacts(version.run_id) if version.report else []
        if version.report not in [item.path for item in files]:
            raise NoReportError(f"version {number} of {self.name} has no report")
        with self._reachable(), tempfile.TemporaryDirectory() as scratch:
            got = download_artifacts(run_id=version.run_id, artifact_path=version.report, dst_path=scratch,
                                     tracking_uri=self.tracking_uri)  # fmt: skip
            return Path(got).read_text(encoding="utf-8")

    def promote(self, number: int, decision: str | None = None) -> None:
        """Make a version the champion; the one before it is remembered for `rollback`."""
        version = self.version(number)
        history = self._history()
        with contextlib.suppress(NoChampionError):
            before = self.champion().number
            if before != number:
                history.append(before)
        with self._reachable():
            self.client.set_registered_model_alias(self.name, CHAMPION, str(number))
            self.client.set_registered_model_tag(self.name, HISTORY, json.dumps(history))
            if CHALLENGER in version.aliases:
                self.client.delete_registered_model_alias(self.name, CHALLENGER)
            if decision is not None:
                self.client.set_model_version_tag(self.name, str(number), DECISION, decision)

    def challenge(self, number: int, decision: str) -> None:
        """Mark a version that was examined and not promoted."""
        with self._reachable():
            self.client.set_registered_model_alias(self.name, CHALLENGER, str(number))
            self.client.set_model_version_tag(self.name, str(number), DECISION, decision)

    def rollback(self) -> Version:
        """Make the champion before the present one the champion again.

        Raises:
            NoChampionError: There was none before it.
        """
        self.champion()
        history = self._history()
        if not history:
            raise NoChampionError("there is no earlier champion to go back to")
        number = history.pop()
        version = self.version(number)
        with self._reachable():
            self.client.set_registered_model_alias(self.name, CHAMPION, str(number))
            self.client.set_registered_model_tag(self.name, HISTORY, json.dumps(history))
        return version

    def _history(self) -> list[int]:
        model = self._model()
        tags = model.tags if model is not None else {}
        return [int(number) for number in json.loads(tags.get(HISTORY, "[]"))]

    def load(self, version: Version) -> WinModel:
        """Load a version from its local copy, fetching that first where it is not there yet.

        Raises:
            BundleError: A file of it was changed.
        """
        from models.bundle import (
            load_bundle,  # LightGBM and scikit-learn take a second to import; listing needs neither
        )

        return load_bundle(self.fetch(version), version.digest)

    def fetch(self, version: Version) -> Path:
        """The local copy of a version's bundle."""
        from models.bundle import check_bundle

        folder = self.cache / f"{self.name}-{version.number}-{version.digest[:12]}"
        if not folder.is_dir():
            from mlflow.artifacts import download_artifacts

            part = folder.with_name(f"{folder.name}.part-{os.getpid()}-{time.monotonic_ns()}")
            try:
                with self._reachable():
                    # the location first: a models:/ address is looked up in the registry of the process, not in ours
                    location = self.client.get_model_version_download_uri(self.name, str(version.number))
                    part.mkdir(parents=True)
                    got = Path(download_artifacts(location, dst_path=str(part), tracking_uri=self.tracking_uri))
                check_bundle(got / "data" / "bundle", version.digest)
                with contextlib.suppress(OSError):  # another process may have been first
                    (got / "data" / "bundle").rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
        return folder


def _version(item: Any, aliases: tuple[str, ...]) -> Version:
    return Version(
        number=int(item.version), aliases=aliases, digest=item.tags.get(DIGEST, ""), run_id=item.run_id or "",
        created_at=int(item.creation_timestamp), metrics=json.loads(item.tags.get(METRICS, "{}")),
        decision=item.tags.get(DECISION, ""), source=str(item.source),
        simulated=item.tags.get(SIMULATED) == "true", report=item.tags.get(REPORT, ""),
    )  # fmt: skip


def sqlite_file(tracking_uri: str) -> Path | None:
    """The file of an SQLite tracking database; None where it is another kind."""
    return Path(tracking_uri.removeprefix("sqlite:///")) if tracking_uri.startswith("sqlite:///") else None


def make_sqlite_folder(tracking_uri: str) -> None:
    """Make the folder of an SQLite tracking database, which MLflow expects to be there."""
    file = sqlite_file(tracking_uri)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)


@contextlib.contextmanager
def quiet_mlflow() -> Iterator[None]:
    """Keep MLflow's and Alembic's notices and bars off the terminal of people who did not ask for them."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # MLflow asks nothing but the environment
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
