from __future__ import annotations

import numpy as np
import pytest

from crm.tables import Coded
from features.matrix import FeatureMatrix

Rows = tuple[FeatureMatrix, np.ndarray]


def make_rows(n: int = 3000, seed: int = 0) -> Rows:
    """Rows whose odds depend on two numbers, one with gaps, and on a category."""
    random = np.random.default_rng(seed)
    age, amount = random.exponential(40, n), random.lognormal(9, 1, n)
    stage = random.integers(0, 3, n).astype(np.int32)
    silent = np.where(random.random(n) < 0.2, np.nan, random.exponential(10, n))
    z = -0.5 + 0.8 * (stage - 1) - 0.01 * age - 0.05 * np.nan_to_num(silent, nan=5.0)
    won = (random.random(n) < 1 / (1 + np.exp(-z))).astype(float)
    columns = {"age_days": age, "amount": amount, "days_silent": silent, "stage": Coded(stage, ("A", "B", "C"))}
    return FeatureMatrix(columns, n), won


@pytest.fixture(scope="session")
def rows() -> Rows:
    return make_rows()
