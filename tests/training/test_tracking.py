"""What MLflow keeps of a run: decisions, forced ones too, trials, the recipe to fit again."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from crm.tables import CrmData
from models.registry import Registry, quiet_mlflow
from tests.training.conftest import CUT, quick
from tests.training.outcomes import shuffled_outcomes
from training.recipes import BASE_RATE
from training.run import train
from training.tracking import Tracker

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow's own


def test_a_refused_run_serves_only_by_force_and_the_reason_is_kept(crm: CrmData, tmp_path: Path) -> None:
    tracker = Tracker(Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "models"), tmp_path / "artifacts")
    assert tracker.champion_recipe() is None
    refused = train(shuffled_outcomes(crm), cut=CUT, candidates=quick()[:3])
    assert tracker.record(refused).aliases == ("challenger",)
    assert tracker.champion_recipe() is None
    forced = dataclasses.replace(refused, decision=refused.decision.overruled("to show the board"))
    version = tracker.record(forced)
    assert version.aliases == ("champion",)
    assert version.metrics["forced"] == "to show the board"
    assert version.decision.startswith("forced: to show the board; the gate said: no signal")
    assert tracker.champion_recipe() == refused.choice.served.recipe


def test_a_better_run_is_promoted_over_the_champion_with_its_trials_kept(crm: CrmData, tmp_path: Path) -> None:
    tracker = Tracker(Registry(f"sqlite:///{tmp_path / 'mlflow.db'}", tmp_path / "models"), tmp_path / "artifacts")
    second = train(crm, candidates=quick()[:2], champion=BASE_RATE, trials=2)
    assert second.decision.on_champion is not None
    assert second.decision.on_champion.mean > 0
    assert "champion's recipe" in second.decision.reason
    version = tracker.record(second)
    assert version.aliases == ("champion",)
    client = tracker.registry.client
    with quiet_mlflow():
        experiment = client.get_run(version.run_id).info.experiment_id
        trials = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{version.run_id}'")
    assert len(trials) == len(second.trials) == 2
    losses = {run.data.metrics["log_loss_of_earlier_origins"] for run in trials}
    assert losses == {trial.loss for trial in second.trials}
