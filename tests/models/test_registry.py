from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.bundle import MANIFEST, check_bundle, load_bundle, save_bundle
from models.calibration import Platt
from models.errors import BundleError, NoChampionError, RegistryUnavailableError, UnknownVersionError
from models.explain import Described, show
from models.registry import Registry, quiet_mlflow
from models.trees import Trees, TreeSize
from models.uncertainty import Spread
from models.win import WinModel
from tests.models.conftest import Rows

LABELS = {"age_days": "age", "amount": "amount", "days_silent": "silence", "stage": "stage"}


@pytest.fixture(scope="module")
def model(rows: Rows) -> WinModel:
    estimator = Trees(TreeSize(trees=20))
    estimator.fit(*rows)
    described = {name: Described(name, "number", LABELS[name], {"": 1.0}) for name in estimator.features}
    spread = Spread.learn(rows[0], np.linspace(0.01, 0.2, rows[0].n_rows))
    return WinModel(estimator, Platt(0.9, 0.9, 0.1), described, spread, 0.3, 0, "trees, small")


def test_a_bundle_comes_back_as_it_was(model: WinModel, rows: Rows, tmp_path: Path) -> None:
    digest = save_bundle(model, tmp_path / "b")
    again = load_bundle(tmp_path / "b", digest)
    assert np.array_equal(again.predict(rows[0]), model.predict(rows[0]))
    assert again.described == model.described
    for mine, theirs in zip(again.interval(np.zeros(rows[0].n_rows), rows[0]),
                            model.interval(np.zeros(rows[0].n_rows), rows[0]), strict=True):  # fmt: skip
        assert np.array_equal(mine, theirs)
    assert again.band(np.array([0.29, 0.9, 0.01])).strings().tolist() == ["medium", "high", "low"]


def spoil_byte(folder: Path) -> None:
    path = folder / "estimator" / "trees.txt"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_byte, "estimator/trees.txt of the saved model was changed"),
        (lambda folder: (folder / "win.json").unlink(), "win.json is missing"),
        (lambda folder: (folder / "more.py").write_text("x"), "more.py was added"),
        (lambda folder: (folder / MANIFEST).unlink(), "no manifest.json"),
        (lambda folder: (folder / MANIFEST).write_text((folder / MANIFEST).read_text() + " "),
         "does not match its registered digest"),
    ],
)  # fmt: skip
def test_a_changed_bundle_is_not_loaded(model: WinModel, tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    digest = save_bundle(model, tmp_path / "b")
    check_bundle(tmp_path / "b", digest)
    spoil(tmp_path / "b")
    with pytest.raises(BundleError, match=message):
        load_bundle(tmp_path / "b", digest)


def test_asking_before_anything_was_registered_makes_no_database(tmp_path: Path) -> None:
    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "cache")
    assert registry.versions() == []
    with pytest.raises(NoChampionError):
        registry.champion()
    with pytest.raises(UnknownVersionError):
        registry.promote(1)
    assert not list(tmp_path.iterdir())


def test_a_registry_that_cannot_be_reached_says_so(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("this is no database")
    with pytest.raises(RegistryUnavailableError, match="cannot be used"):
        Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "cache").versions()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # MLflow's own
def test_versions_are_promoted_and_rolled_back(model: WinModel, tmp_path: Path) -> None:
    with quiet_mlflow():
        import mlflow

        from training.tracking import signature

    registry = Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "cache")
    assert registry.versions() == []
    with pytest.raises(NoChampionError):
        registry.champion()
    mlflow.set_tracking_uri(registry.tracking_uri)
    experiment = registry.client.create_experiment("t", artifact_location=(tmp_path / "files").as_uri())
    registry.client.create_registered_model(registry.name)
    for number in (1, 2, 3):
        digest = save_bundle(model, tmp_path / str(number) / "bundle")
        with mlflow.start_run(experiment_id=experiment):
            info = mlflow.pyfunc.log_model(
                name="model", loader_module="models.pyfunc_win", data_path=str(tmp_path / str(number) / "bundle"),
                signature=signature(model), pip_requirements=[],
            )  # fmt: skip
        made = registry.client.create_model_version(registry.name, info.model_uri, info.run_id, model_id=info.model_id)
        registry.client.set_model_version_tag(registry.name, made.version, "wonlost.digest", digest)
    with pytest.raises(UnknownVersionError, match="no version 9"):
        registry.promote(9)
    registry.promote(1)
    registry.promote(2, "better")
    registry.challenge(3, "not better")
    assert [(v.number, v.aliases) for v in registry.versions()] == [(3, ("challenger",)), (2, ("champion",)), (1, ())]
    assert registry.version(2).decision == "better"
    assert registry.load(registry.champion()).recipe == "trees, small"
    assert registry.rollback().number == 1
    assert registry.champion().number == 1
    with pytest.raises(NoChampionError, match="no earlier champion"):
        registry.rollback()
    spoil_byte(registry.fetch(registry.version(2)))
    with pytest.raises(BundleError):
        registry.load(registry.version(2))


def test_values_in_words() -> None:
    assert [show("days", 1.0), show("days", 41.4), show("days", 0.44)] == ["1 day", "41 days", "0.4 days"]
    assert [show("ratio", 0.256), show("flag", 1.0), show("currency", 12500.4)] == ["26 %", "yes", "12,500"]
    assert [show("count", 3.0), show("rate", 2.25), show("category", "Web"), show("days", None)] == [
        "3",
        "2.2",
        "Web",
        "none",
    ]


def test_a_sentence_names_the_deals_value_and_the_usual_one() -> None:
    described = Described("days_in_stage", "days", "time in the present stage", {"": 20.0, "Proposal": 12.0})
    usual, text = described.say(41.0, "Proposal")
    assert usual == 12.0
    assert text == "time in the present stage: 41 days; won deals in Proposal usually 12 days"
    assert described.say(None, "Demo")[1] == "time in the present stage: none; won deals usually 20 days"
    same = described.say(12.2, "Proposal")[1]
    assert same == "time in the present stage: 12 days, as usual among won deals in Proposal"
    assert Described("x", "count", "x", {}).say(3.0, "Demo") == (None, "x: 3")
