"""The MLflow flavour of the win model: a feature matrix in, win probabilities out.

MLflow imports this module by name and calls `_load_pyfunc`; nothing is pickled.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from crm.tables import FloatArray
from features.matrix import FeatureMatrix
from models.bundle import load_bundle
from models.win import WinModel


class WinPyfunc:
    """What `mlflow.pyfunc.load_model` calls.

    Args:
        model: The win model.
    """

    def __init__(self, model: WinModel) -> None:
        self.model = model

    def predict(self, model_input: pd.DataFrame) -> FloatArray:
        """Win probability of each row of a feature matrix; columns as in the signature, more are ignored."""
        frame = model_input[list(self.model.features)]
        return self.model.predict(FeatureMatrix.of_frame(frame))


def _load_pyfunc(path: str) -> WinPyfunc:
    return WinPyfunc(load_bundle(Path(path)))
