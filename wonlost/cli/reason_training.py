"""What `wonlost train` does for the models of reasons, beside the win model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm.tables import CrmData
from models.registry import REASONS
from wonlost.cli.console import err, open_store, out, registry_of, sentence_encoder, taxonomy_of
from wonlost.settings import Settings

if TYPE_CHECKING:
    from models.registry import Version
    from training.reasons.run import TrainedReasons


def train_all_reasons(chosen: Settings, crm: CrmData, cut: int) -> None:
    """Fit, log, register and judge a model of reasons for each kind of note that the store holds.

    Args:
        chosen: Settings.
        crm: The store's tables.
        cut: Microseconds: what was written later is not looked at.
    """
    from crm.labels import labels
    from training.gate import Refused
    from training.reasons.run import train_reasons
    from training.reasons.tracking import ReasonTracker

    encoder = sentence_encoder(chosen)
    for kind, name in REASONS.items():
        taxonomy = taxonomy_of(chosen, kind)
        tracker = ReasonTracker(registry_of(chosen, name), chosen.artifacts)
        with open_store(chosen) as store:
            answers = labels(store, kind, renaming=taxonomy.current_id)
        try:
            trained = train_reasons(crm, answers, taxonomy, cut, encoder=encoder, champion=tracker.champion(),
                                    wanted=chosen.sure_accuracy)  # fmt: skip
        except Refused as refusal:
            err.print(f"note: {name}: {refusal}", markup=False)
            continue
        _tell(trained, tracker.record(trained), name)
    if encoder is not None:
        encoder.save_cache()


def _tell(trained: TrainedReasons, version: Version, name: str) -> None:
    done = "promoted" if trained.verdict.promoted else "refused"
    out.print(f"{done}: version {version.number} of {name}; {trained.verdict.reason}", markup=False)
