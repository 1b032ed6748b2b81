"""What serves: the newest import and the champions of the registry, watched and swapped in while requests go on."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock, Thread, Timer
from typing import Literal

from crm.errors import NothingImportedError
from crm.store import Store
from models.bundle import load_bundle
from models.registry import Model, Registry
from models.taxonomy import Taxonomy
from models.win import WinModel
from serving.answers import NO_IMPORT
from serving.company import CompanyData
from serving.reasons import Reasons
from serving.scorer import Current
from serving.watching import Failures, ModelWatch, Patience

log = logging.getLogger(__name__)

GRACE_SECONDS = 10.0
"""How long the registry may take to answer for the first time before the last good local copy serves."""


@dataclass
class Health:
    """What the last looks at the store and the registry found.

    Attributes:
        store: What is wrong with the store; None where nothing is.
        registry: Whether the registry answered last time.
        model: What is wrong with the model that ought to serve; None where nothing is.
        looked: Whether the first look at both is over.
        failures: Looks that failed, in all.
        reasons: What is wrong with models of reasons, which does not keep deals from being answered.
    """

    store: str | None = None
    registry: Literal["reachable", "unreachable", "not_asked"] = "not_asked"
    registry_problem: str | None = None
    model: str | None = None
    looked: bool = False
    failures: int = 0
    reasons: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """All that is wrong."""
        return [text for text in (self.store, self.registry_problem, self.model, *self.reasons) if text]


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
        taxonomies: The reasons in use, by kind of note; the built-in ones by default.
        reasons: The models of reasons.
    """

    store_url: str
    registry: Registry
    refresh_seconds: float
    on_change: Callable[[Current], None] = lambda _: None
    taxonomies: Mapping[str, Taxonomy] = field(default_factory=dict)
    _looked: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._current = Current.of(None, None)
        self._store: Store | None = None
        self._store_problem: str | None = None
        self._unforeseen: str | None = None
        self._failures = Failures()
        self._with_store = Patience(self.refresh_seconds)
        self._win: ModelWatch[WinModel] = ModelWatch(
            self.registry, load_bundle, self._put_model, self._failures, self.refresh_seconds
        )
        self.reasons = Reasons(
            self.store_url, self.registry, self._failures, self.refresh_seconds, self.taxonomies
        )
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

    @property
    def health(self) -> Health:
        """What the last looks found."""
        return Health(self._store_problem, self._win.answered, self._win.registry_problem,
                      self._unforeseen or self._win.problem, self._looked, self._failures.count,
                      tuple(self.reasons.problems()))  # fmt: skip

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
        if not self._looked:
            self._win.give_up_waiting()
            self.reasons.give_up_waiting()
            self._looked = True

    def look(self) -> None:
        """Look once at the store and at the registry, and swap in what is new. Never raises: failures are reported."""
        try:
            self._look_at_store()
            self._win.look()
            self.reasons.look()
            self._unforeseen = None
        except Exception:  # a thread that ends with an error would leave an old model serving for good, unnoticed
            log.exception("looking for a new champion failed")
            self._failures.count += 1
            self._unforeseen = "looking for a new champion failed; see the server's log"
        self._looked = True

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
            what = f"import {newest} cannot serve" if newest else ""
            problem = self._failures.told(error, what, self._store_problem)
            self._with_store.failed(newest)
        self._store_problem = problem

    def _put_data(self, data: CompanyData) -> None:
        with self._swap:
            self._current = Current.of(data, self._current.model)
        _settle()
        self.on_change(self._current)

    def _put_model(self, model: Model[WinModel] | None) -> None:
        with self._swap:
            self._current = Current.of(self._current.data, model)
        _settle()
        self.on_change(self._current)
