"""The champion that serves: found in the registry, checked, warmed up and swapped in while requests go on."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock, Thread, Timer
from typing import Literal

from crm.errors import CrmError, NothingImportedError
from crm.store import Store
from models.bundle import load_bundle
from models.errors import BundleError, ModelError, NoChampionError, RegistryUnavailableError
from models.registry import Registry, Version
from serving.company import CompanyData
from serving.scorer import Current, Model

log = logging.getLogger(__name__)

LAST_GOOD = "serving.json"
GRACE_SECONDS = 10.0
"""How long the registry may take to answer for the first time before the last good local copy serves."""
RETRY_SECONDS = 60.0
"""Longest wait before a version that could not be loaded is tried again."""


@dataclass
class Health:
    """What the last looks at the store and the registry found.

    Attributes:
        store: What is wrong with the store; None where nothing is.
        registry: Whether the registry answered last time.
        model: What is wrong with the model that ought to serve; None where nothing is.
        looked: Whether the first look at both is over.
        failures: Looks that failed, in all.
    """

    store: str | None = None
    registry: Literal["reachable", "unreachable", "not_asked"] = "not_asked"
    registry_problem: str | None = None
    model: str | None = None
    looked: bool = False
    failures: int = 0

    def problems(self) -> list[str]:
        """All that is wrong."""
        return [text for text in (self.store, self.registry_problem, self.model) if text]


@dataclass
class _Refused:
    """A version that could not be loaded, and when to try it again."""

    digest: str
    tries: int
    again: float


@dataclass(frozen=True)
class LastGood:
    """What `serving.json` says of the model that was loaded last, so that it serves while the registry is away.

    Attributes:
        version: Its version.
        digest: Digest of its bundle's manifest.
        folder: Name of its folder in the cache.
    """

    version: int
    digest: str
    folder: str

    @classmethod
    def read(cls, cache: Path) -> LastGood | None:
        """From the cache; None where there is none, or none that can be read."""
        try:
            data = json.loads((cache / LAST_GOOD).read_text())
            return cls(int(data["version"]), str(data["digest"]), Path(str(data["folder"])).name)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, cache: Path) -> None:
        """Replace it in one step."""
        part = cache / f"{LAST_GOOD}.part"
        part.write_text(json.dumps(self.__dict__))
        part.replace(cache / LAST_GOOD)


@dataclass
class Champion:
    """Holds what serves now, and looks every now and then for a promotion or a new import.

    A look that fails is reported and counted, and what served before goes on serving.

    Attributes:
        store_url: The store.
        registry: The registry of models.
        refresh_seconds: Seconds between looks.
        on_change: Told of each new `current`.
        health: What the last looks found.
    """

    store_url: str
    registry: Registry
    refresh_seconds: float
    on_change: Callable[[Current], None] = lambda _: None
    health: Health = field(default_factory=Health)

    def __post_init__(self) -> None:
        self._current = Current.of(None, None)
        self._store: Store | None = None
        self._refused: _Refused | None = None
        self._swap = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def current(self) -> Current:
        """What serves now; take it once per request, so that a swap in between does not mix two."""
        return self._current

    def start(self) -> None:
        """Begin looking, in a thread of its own."""
        self._stop.clear()
        self._thread = Thread(target=self._run, name="wonlost-champion", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking. A registry that does not answer cannot hold up the end for long."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        if self._store is not None and (self._thread is None or not self._thread.is_alive()):
            self._store.close()
            self._store = None

    def _run(self) -> None:
        grace = Timer(GRACE_SECONDS, self._give_up_waiting)
        grace.daemon = True
        grace.start()
        try:
            self.look()
        finally:
            grace.cancel()
        while not self._stop.wait(self.refresh_seconds):
            self.look()

    def _give_up_waiting(self) -> None:
        """Serve the last good local copy while the registry still has not answered for the first time."""
        if not self.health.looked:
            self.health.registry = "unreachable"
            self.health.registry_problem = "the MLflow registry has not answered yet"
            self._serve_last_good()
            self.health.looked = True

    def look(self) -> None:
        """Look once at the store and at the registry, and swap in what is new. Never raises: failures are reported."""
        try:
            self._look_at_store()
            self._look_at_registry()
        except Exception:  # a thread that ends with an error would leave an old model serving for good, unnoticed
            log.exception("looking for a new champion failed")
            self.health.failures += 1
            self.health.model = "looking for a new champion failed; see the server's log"
        self.health.looked = True

    # -- the store -----------------------------------------------------------------------------------------------------

    def _look_at_store(self) -> None:
        try:
            if self._store is None:
                self._store = Store.open(self.store_url)
            newest = self._store.last_import()
            data = self._current.data
            if newest and (data is None or data.import_id != newest):
                self._put(CompanyData(self._store.load(), newest), self._current.model)
            problem = None if newest else "no import yet: the store holds no opportunities"
        except NothingImportedError:
            problem = "no import yet: the store holds no opportunities"
        except (CrmError, ModelError) as error:
            problem = str(error)
            self._failed(problem, self.health.store)
        self.health.store = problem

    def _put(self, data: CompanyData | None, model: Model | None) -> None:
        """Swap in an import and a model, all at once."""
        with self._swap:
            self._current = Current.of(data, model)
        self.on_change(self._current)

    def _failed(self, problem: str, before: str | None) -> None:
        """Count a failure; log it when it is not the same as last time."""
        self.health.failures += 1
        if problem != before:
            log.warning("%s", problem)

    # -- the registry --------------------------------------------------------------------------------------------------

    def _look_at_registry(self) -> None:
        try:
            self.registry.ping()
            version = self.registry.champion()
        except NoChampionError:
            self._registry_answered()
            self.health.model = None
            if self._current.model is not None:
                self._put(self._current.data, None)
            return
        except RegistryUnavailableError as error:
            problem = str(error)
            self._failed(problem, self.health.registry_problem)
            self.health.registry, self.health.registry_problem = "unreachable", problem
            if self._current.model is None:
                self._serve_last_good()
            return
        self._registry_answered()
        model = self._current.model
        if model is not None and (model.version, model.digest) == (version.number, version.digest):
            self.health.model = None
            return
        self._load(version)

    def _registry_answered(self) -> None:
        self.health.registry, self.health.registry_problem = "reachable", None

    def _load(self, version: Version) -> None:
        refused = self._refused
        if refused is not None and refused.digest == version.digest and time.monotonic() < refused.again:
            return
        try:
            folder = self.registry.fetch(version)
            win = load_bundle(folder, version.digest)
            self._put(self._current.data, Model(version.number, version.digest, win))
        except Exception as error:
            tries = refused.tries + 1 if refused is not None and refused.digest == version.digest else 1
            wait = min(self.refresh_seconds * 2**tries, RETRY_SECONDS)
            self._refused = _Refused(version.digest, tries, time.monotonic() + wait)
            told = str(error) if isinstance(error, ModelError | CrmError) else "see the server's log"
            problem = f"version {version.number} is the champion but cannot serve: {told}"
            self._failed(problem, self.health.model)
            if not isinstance(error, ModelError | CrmError):
                log.exception("loading version %d failed", version.number)
            self.health.model = problem
            return
        self._refused = None
        self.health.model = None
        try:
            LastGood(version.number, version.digest, folder.name).write(self.registry.cache)
        except OSError as error:
            log.warning("the version that serves cannot be noted in %s: %s", self.registry.cache, error)

    def _serve_last_good(self) -> None:
        last = LastGood.read(self.registry.cache)
        if last is None:
            return
        try:
            win = load_bundle(self.registry.cache / last.folder, last.digest)
            self._put(self._current.data, Model(last.version, last.digest, win))
        except (BundleError, ModelError) as error:
            self.health.model = f"the local copy of version {last.version} cannot serve: {error}"
            self._failed(self.health.model, None)
