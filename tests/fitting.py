"""A win model fitted in a moment, without the search and the gate of a training run."""

from __future__ import annotations

import numpy as np

from crm.tables import CrmData
from features.history import History
from features.matrix import build_matrix, default_as_of, grid
from features.registry import Feature, features_of
from models.calibration import Calibration, Platt
from models.estimator import Estimator
from models.explain import Described
from models.hazards import Hazards, StageHazards
from models.outlook import Outlook, PastQuarter
from models.timing import Timing
from models.uncertainty import Spread
from models.win import WinModel
from training.outlook import episodes_of


def fit(
    crm: CrmData, estimator: Estimator, calibration: Calibration | None = None, *, cut: int | None = None,
    without: tuple[str, ...] = (), hazards: Hazards | None = None,
) -> WinModel:  # fmt: skip
    """Fit on all deals that had closed before the cut; when deals close, on those still open too.

    Args:
        crm: The company's data.
        estimator: What to fit.
        calibration: From its log-odds to probabilities.
        cut: Microseconds; by default all is known.
        without: Features to leave out.
        hazards: When deals close; by stage by default.
    """
    history = History(crm)
    cut = default_as_of(crm) if cut is None else cut
    every = grid(history, cut)
    rows = every.take(~np.isnan(history.won[every.deal]) & (history.closed[every.deal] < cut))
    features: list[Feature] = [item for item in features_of(history) if item.name not in without]
    matrix = build_matrix(history, features, rows)
    won = history.won[rows.deal]
    estimator.fit(matrix, won)
    by_name = {item.name: item for item in features}
    described = {name: Described.learn(by_name[name], matrix, won) for name in estimator.features}
    spread = Spread.learn(matrix, np.linspace(0.02, 0.3, matrix.n_rows))
    timing = Timing(hazards or StageHazards(), "quick")
    timing.hazards.fit(build_matrix(history, features, every), episodes_of(history, every, cut))
    outlook = Outlook(timing, (PastQuarter(0, 1, 30, 10.0, 6.0, 12.0, 0.3),))
    return WinModel(estimator, calibration or Platt(0.9, 0.9, 0.05), described, spread, float(won.mean()), cut,
                    estimator.kind, outlook=outlook)  # fmt: skip
