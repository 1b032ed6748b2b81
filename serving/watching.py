"""A registered model that serves: found in the registry, fetched, checked, and swapped in while requests go on."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal

from crm.errors import CrmError
from models.errors import ModelError, NoChampionError, RegistryUnavailableError
from models.registry import Loaded, Model, Registry, Version

log = logging.getLogger(__name__)

LAST_GOOD = "serving.json"
RETRY_SECONDS = 60.0
"""Longest wait before a version that could not be loaded is tried again."""


class Patience:
    """Tries again what failed, but later and later, so that a broken model is not fetched every two seconds.

    Args:
        first: Seconds before the first new try; doubled each time, up to `RETRY_SECONDS`.
    """

    def __init__(self, first: float) -> None:
        self._first = first
        self._key: object = None
        self._tries = 0
        self._again = 0.0

    def ready(self, key: object) -> bool:
        """Whether to try: something else than what failed, or time enough has passed."""
        return key != self._key or time.monotonic() >= self._again

    def failed(self, key: object) -> None:
        """Note a failure."""
        self._tries = self._tries + 1 if key == self._key else 0
        self._key = key
        self._again = time.monotonic() + min(self._first * 2**self._tries, RETRY_SECONDS)


@dataclass(frozen=True)
class LastGood:
    """What is noted of the version that was loaded last, so that it serves while the registry is away.

    Attributes:
        version: Its version.
        digest: Digest of its bundle's manifest.
        folder: Name of its folder in the cache.
    """

    version: int
    digest: str
    folder: str

    @classmethod
    def read(cls, path: Path) -> LastGood | None:
        """From a file; None where there is none, or none that can be read."""
        try:
            data = json.loads(path.read_text())
            return cls(int(data["version"]), str(data["digest"]), Path(str(data["folder"])).name)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, path: Path) -> None:
        """Replace it in one step."""
        part = path.with_name(f"{path.name}.part")
        part.write_text(json.dumps(self.__dict__))
        part.replace(path)


class Failures:
    """Counts what goes wrong, and logs it when it is not the same as last time."""

    def __init__(self) -> None:
        self.count = 0

    def told(self, error: Exception, what: str, before: str | None) -> str:
        """Count a failure and say it in words that leak nothing.

        Args:
            error: What was raised.
            what: What cannot be done.
            before: What was said the last time.
        """
        known = isinstance(error, ModelError | CrmError)
        problem = (f"{what}: " if what else "") + (str(error) if known else "see the server's log")
        self.count += 1
        if problem != before:
            log.warning("%s", problem, exc_info=None if known else error)
        return problem


class ModelWatch(Generic[Loaded]):
    """Looks for the champion of one registered model. A look that fails leaves in place what serves.

    Args:
        registry: The registry of the model's versions.
        load: Loads a local copy, given its folder and the digest of its manifest.
        put: Takes a newly loaded version, or None where nothing is promoted; it may raise, and then does not serve.
        failures: Where failures are counted.
        refresh_seconds: Seconds between looks.

    Attributes:
        model: What serves; None before the first promotion.
        answered: Whether the registry answered last time.
        registry_problem: What is wrong with the registry; None where nothing is.
        problem: What is wrong with the model that ought to serve; None where nothing is.
    """

    def __init__(
        self, registry: Registry, load: Callable[[Path, str], Loaded],
        put: Callable[[Model[Loaded] | None], None], failures: Failures, refresh_seconds: float,
    ) -> None:  # fmt: skip
        self.registry, self._load, self._put, self._failures = registry, load, put, failures
        self._note = registry.cache / (LAST_GOOD if registry.name.endswith("win") else f"{registry.name}-{LAST_GOOD}")
        self._patience = Patience(refresh_seconds)
        self.model: Model[Loaded] | None = None
        self.answered: Literal["reachable", "unreachable", "not_asked"] = "not_asked"
        self.registry_problem: str | None = None
        self.problem: str | None = None

    def look(self) -> None:
        """Look once, and swap in what is new."""
        try:
            self.registry.ping()
            version = self.registry.champion()
        except NoChampionError:
            self._registry_answered()
            self.problem = None
            if self.model is not None:
                self._serve(None)
            return
        except RegistryUnavailableError as error:
            self.registry_problem = self._failures.told(error, "", self.registry_problem)
            self.answered = "unreachable"
            if self.model is None:
                self.serve_last_good()
            return
        self._registry_answered()
        if self.model is not None and (self.model.version, self.model.digest) == (version.number, version.digest):
            self.problem = None
        elif self._patience.ready(version.digest):
            self._change(version)

    def give_up_waiting(self) -> None:
        """Serve the last good local copy: the registry has not answered for the first time."""
        self.answered, self.registry_problem = "unreachable", "the MLflow registry has not answered yet"
        self.serve_last_good()

    def _registry_answered(self) -> None:
        self.answered, self.registry_problem = "reachable", None

    def _serve(self, model: Model[Loaded] | None) -> None:
        self._put(model)
        self.model = model

    def _change(self, version: Version) -> None:
        try:
            folder = self.registry.fetch(version)
            self._serve(Model(version.number, version.digest, self._load(folder, version.digest)))
        except Exception as error:
            what = f"version {version.number} is the champion but cannot serve"
            self.problem = self._failures.told(error, what, self.problem)
            self._patience.failed(version.digest)
            return
        self.problem = None
        try:
            LastGood(version.number, version.digest, folder.name).write(self._note)
        except OSError as error:
            log.warning("the version that serves cannot be noted in %s: %s", self.registry.cache, error)

    def serve_last_good(self) -> None:
        """Serve the local copy that served last, if there is one."""
        last = LastGood.read(self._note)
        if last is None or not self._patience.ready(last.digest):
            return
        try:
            loaded = self._load(self.registry.cache / last.folder, last.digest)
            self._serve(Model(last.version, last.digest, loaded))
            self.problem = None
        except Exception as error:
            what = f"the local copy of version {last.version} cannot serve"
            self.problem = self._failures.told(error, what, self.problem)
            self._patience.failed(last.digest)
