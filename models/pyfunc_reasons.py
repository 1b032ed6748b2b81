"""The MLflow flavour of a model of reasons: a column of notes in, one reading for each out.

MLflow imports this module by name and calls `_load_pyfunc`; nothing is pickled.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from models.bundle import load_bundle
from models.reasons import ReasonModel


class ReasonPyfunc:
    """What `mlflow.pyfunc.load_model` calls.

    Args:
        model: The model of reasons.
    """

    def __init__(self, model: ReasonModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame) -> pd.DataFrame:
        """Readings of the column `text`: reason, probability, status, further, evidence, rival, language."""
        readings = self.model.classify(["" if text is None else str(text) for text in model_input["text"]])
        return pd.DataFrame({
            "reason": [item.reason for item in readings],
            "probability": [item.probability for item in readings],
            "status": [item.status for item in readings],
            "further": ["|".join(reason for reason, _ in item.further) for item in readings],
            "evidence": [" ... ".join(part.text for part in item.evidence) for item in readings],
            "rival": [item.rival or "" for item in readings],
            "language": [item.language for item in readings],
        })  # fmt: skip


def _load_pyfunc(path: str) -> ReasonPyfunc:
    return ReasonPyfunc(load_bundle(Path(path), kind=ReasonModel))
