"""A model of reasons on a small taxonomy with notes for it to read, and a company with models and a store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from crm.importing import import_export
from crm.ledger import Keeping, Made, Run
from crm.mapping import load_mapping
from crm.simulate import simulate, write
from crm.store import Store
from crm.tables import CrmData, micros
from features.history import History
from features.matrix import default_as_of
from models.average import Average
from models.calibration import Beta, Isotonic
from models.kept import facts_of, kept_rows
from models.logistic import Logistic
from models.reasons import Classifier, ReasonModel, Recipe, Thresholds
from models.scoring import WinVersion, score_open
from models.taxonomy import Reason, Taxonomy
from models.trees import Trees, TreeSize
from models.win import WinModel
from tests.fitting import fit

LEARNT = {
    "price": ["too expensive for us", "price was too high", "our price was far above theirs", "the cost was too high"],
    "timing": ["moved to next year", "postponed until next quarter", "come back next year", "project postponed"],
    "silence": ["they went silent", "no reply to our mails", "went dark after the demo", "never called us back"],
}


def reason(id: str) -> Reason:
    return Reason(id, "All", id.capitalize(), f"{id} of it", tuple(LEARNT[id]), synonyms=(f"Our {id}",))


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    return Taxonomy("loss", "three reasons", ("All",), tuple(reason(id) for id in LEARNT))


@pytest.fixture(scope="session")
def model(taxonomy: Taxonomy) -> ReasonModel:
    texts = [text for texts in LEARNT.values() for text in texts]
    place = np.repeat(np.arange(len(LEARNT)), [len(texts) for texts in LEARNT.values()])
    classifier = Classifier.fit(texts, place, len(LEARNT), np.ones(len(texts)), Recipe())
    return ReasonModel(taxonomy, classifier, Thresholds(unclear=0.6), {"en": 1000})


# -- a company -------------------------------------------------------------------------------------------------------

UNTIL = date(2025, 6, 30)
CUT = micros("2024-07-01")


@dataclass(frozen=True)
class Company:
    """A company and three models of it: a line, an average that lacks two inputs, and a line with steps.

    Attributes:
        file: Its store, to be copied before it is changed.
        crm: What that holds.
        history: The same, sorted.
        models: Versions 1, 2 and 3, all trained before `CUT`.
    """

    file: Path
    crm: CrmData
    history: History
    models: dict[int, WinVersion]


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    folder = tmp_path_factory.mktemp("company")
    write(simulate(900, 12, until=UNTIL), folder / "export")
    with Store.open(f"sqlite:///{folder / 'store.db'}") as store:
        import_export([folder / "export"], load_mapping(folder / "export" / "mapping.toml"), store,
                      imported_at=datetime(2025, 6, 30, tzinfo=UTC))  # fmt: skip
        crm = store.load()
    size = TreeSize(trees=30, leaves=7, depth=4, min_rows=20)
    steps = Isotonic(np.array([-2.0, -0.51, -0.5, 0.5, 2.0]), np.array([0.05, 0.2, 0.45, 0.5, 0.95]))
    wins = {
        1: fit(crm, Logistic(), cut=CUT),
        2: fit(crm, Average([Logistic(), Trees(size)]), Beta(0.8, 1.1, -0.1), cut=CUT,
               without=("activities", "amount")),
        3: fit(crm, Logistic(0.1), steps, cut=CUT),
    }
    models = {number: WinVersion(number, f"digest{number}", win) for number, win in wins.items()}
    return Company(folder / "store.db", crm, History(crm), models)


@dataclass(frozen=True)
class World:
    """What a forecast is made from: a company, a model of it, and the moment by which all of it is known."""

    crm: CrmData
    history: History
    model: WinModel
    now: int


@pytest.fixture(scope="session")
def world(company: Company) -> World:
    return World(company.crm, company.history, company.models[1].loaded, default_as_of(company.crm))


@pytest.fixture
def store(company: Company, tmp_path: Path) -> Iterator[Store]:
    """The company's store, a copy of a test's own."""
    shutil.copy(company.file, tmp_path / "store.db")
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as opened:
        yield opened


Keep = Callable[..., Run]


@pytest.fixture
def keep(company: Company, store: Store) -> Keep:
    """Scores all deals open at a day by a version, and keeps that as `wonlost score` does."""

    def run(day: str, version: int = 1) -> Run:
        model, as_of = company.models[version], micros(day)
        in_sample = as_of < model.loaded.trained_before
        keeping = Keeping(store, Made(as_of, company.crm.imported_at, version, model.digest, in_sample))
        for scores in score_open(company.history, model.loaded, as_of):
            keeping.add(kept_rows(scores), facts_of(scores))
        return keeping.finish()

    return run


# -- a company with a longer history ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def simulated_store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """URL of a store with a simulated CRM."""
    folder = tmp_path_factory.mktemp("review")
    write(simulate(1500, 8), folder / "export")
    url = f"sqlite:///{folder / 'crm.db'}"
    with Store.open(url) as store:
        import_export([folder / "export"], load_mapping(folder / "export" / "mapping.toml"), store)
    return url


@pytest.fixture(scope="session")
def simulated_crm(simulated_store: str) -> CrmData:
    with Store.open(simulated_store) as store:
        return store.load()
