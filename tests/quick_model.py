"""A win model fitted in a moment, without a search for its recipe."""

from __future__ import annotations

import numpy as np

from crm.tables import CrmData
from features.history import History
from features.matrix import build_matrix, default_as_of, grid
from features.registry import features_of
from models.calibration import Platt
from models.estimator import Estimator
from models.explain import Described
from models.outlook import Outlook, PastQuarter
from models.timing import Hazards, StageHazards, Timing
from models.uncertainty import Spread
from models.win import WinModel
from training.outlook import episodes_of


def quick_model(crm: CrmData, estimator: Estimator, hazards: Hazards | None = None) -> WinModel:
    """Fit an estimator, and when deals close, on all that a store holds."""
    history = History(crm)
    cut = default_as_of(crm)
    every = grid(history, cut)
    rows = every.take(~np.isnan(history.won[every.deal]))
    features = features_of(history)
    matrix = build_matrix(history, features, rows)
    won = history.won[rows.deal]
    estimator.fit(matrix, won)
    by_name = {item.name: item for item in features}
    described = {name: Described.learn(by_name[name], matrix, won) for name in estimator.features}
    spread = Spread.learn(matrix, np.linspace(0.02, 0.3, matrix.n_rows))
    timing = Timing(hazards or StageHazards(), "quick")
    timing.hazards.fit(build_matrix(history, features, every), episodes_of(history, every, cut))
    outlook = Outlook(timing, (PastQuarter(0, 1, 30, 10.0, 6.0, 12.0, 0.3),))
    return WinModel(estimator, Platt(0.9, 0.9, 0.05), described, spread, float(won.mean()), cut, estimator.kind,
                    outlook=outlook)  # fmt: skip
