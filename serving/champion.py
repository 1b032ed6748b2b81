"""The champion that serves: found in the registry, checked, warmed up and swapped in while requests go on."""

from __future__ import annotations

import gc
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
from models.errors import ModelError, NoChampionError, RegistryUnavailableError
from models.registry import Registry, Version
from models.scoring import Model
from serving.answers import NO_IMPORT
from serving.company import CompanyData
from serving.scorer import Current

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


def _settle() -> None:
    """Tell Python's collector to leave what serves alone: walking a whole import again and again delays requests."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


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
        self._with_store, self._with_version = Patience(self.refresh_seconds), Patience(self.refresh_seconds)
        self._swap = Lock()
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def current(self) -> Current:
        """What serves now; take it once per request, so that a swap in between does not mix two."""
        return self._current

    @property
    def store(self) -> Store | None:
        """The open store; None before the first look at it, and after the end."""
        return self._store

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
        newest = 0
        try:
            if self._store is None:
                self._store = Store.open(self.store_url)
            newest = self._store.last_import()
            data = self._current.data
            if newest and (data is None or data.import_id != newest):
                if not self._with_store.ready(newest):
                    return
                self._put_data(CompanyData(self._store.load(), newest))
            problem = None if newest else NO_IMPORT
        except NothingImportedError:
            problem = NO_IMPORT
        except Exception as error:
            problem = self._failed(error, f"import {newest} cannot serve" if newest else "", self.health.store)
            self._with_store.failed(newest)
        self.health.store = problem

    def _put_data(self, data: CompanyData) -> None:
        with self._swap:
            self._current = Current.of(data, self._current.model)
        _settle()
        self.on_change(self._current)

    def _put_model(self, model: Model | None) -> None:
        with self._swap:
            self._current = Current.of(self._current.data, model)
        _settle()
        self.on_change(self._current)

    def _failed(self, error: Exception, what: str, before: str | None) -> str:
        """Count a failure, log it when it is not the same as last time, and say it in words that leak nothing."""
        told = isinstance(error, ModelError | CrmError)
        problem = (f"{what}: " if what else "") + (str(error) if told else "see the server's log")
        self.health.failures += 1
        if problem != before:
            log.warning("%s", problem, exc_info=None if told else error)
        return problem

    # -- the registry --------------------------------------------------------------------------------------------------

    def _look_at_registry(self) -> None:
        try:
            self.registry.ping()
            version = self.registry.champion()
        except NoChampionError:
            self._registry_answered()
            self.health.model = None
            if self._current.model is not None:
                self._put_model(None)
            return
        except RegistryUnavailableError as error:
            self.health.registry_problem = self._failed(error, "", self.health.registry_problem)
            self.health.registry = "unreachable"
            if self._current.model is None:
                self._serve_last_good()
            return
        self._registry_answered()
        model = self._current.model
        if model is not None and (model.version, model.digest) == (version.number, version.digest):
            self.health.model = None
        elif self._with_version.ready(version.digest):
            self._load(version)

    def _registry_answered(self) -> None:
        self.health.registry, self.health.registry_problem = "reachable", None

    def _load(self, version: Version) -> None:
        try:
            folder = self.registry.fetch(version)
            self._put_model(Model(version.number, version.digest, load_bundle(folder, version.digest)))
        except Exception as error:
            what = f"version {version.number} is the champion but cannot serve"
            self.health.model = self._failed(error, what, self.health.model)
            self._with_version.failed(version.digest)
            return
        self.health.model = None
        try:
            LastGood(version.number, version.digest, folder.name).write(self.registry.cache)
        except OSError as error:
            log.warning("the version that serves cannot be noted in %s: %s", self.registry.cache, error)

    def _serve_last_good(self) -> None:
        last = LastGood.read(self.registry.cache)
        if last is None or not self._with_version.ready(last.digest):
            return
        try:
            win = load_bundle(self.registry.cache / last.folder, last.digest)
            self._put_model(Model(last.version, last.digest, win))
            self.health.model = None
        except Exception as error:
            what = f"the local copy of version {last.version} cannot serve"
            self.health.model = self._failed(error, what, self.health.model)
            self._with_version.failed(last.digest)
