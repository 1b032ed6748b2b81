from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.matrix import FeatureMatrix
from models.uncertainty import LEVEL, Spread, Z


def world(n: int = 4_000) -> tuple[FeatureMatrix, np.ndarray]:
    """Rows whose spread in log-odds is .1 on one side and .5 on the other."""
    x = np.random.default_rng(1).uniform(-1, 1, n)
    return FeatureMatrix({"x": x, "y": np.abs(x)}, n), np.where(x > 0, 0.5, 0.1)


def test_the_spread_is_learnt_from_squares_that_are_noisy() -> None:
    matrix, truth = world()
    seen = (truth * np.random.default_rng(2).standard_normal(len(truth))) ** 2
    told = Spread.learn(matrix, seen)(matrix)
    assert np.median(told[truth == 0.5]) == pytest.approx(0.5, rel=0.1)
    assert np.median(told[truth == 0.1]) == pytest.approx(0.1, rel=0.15)


def test_the_interval_holds_the_stated_share_of_normal_errors() -> None:
    matrix, truth = world()
    spread = Spread.learn(matrix, truth**2)(matrix)
    error = truth * np.random.default_rng(3).standard_normal(len(truth))
    assert np.mean(np.abs(error) <= Z * spread) == pytest.approx(LEVEL, abs=0.02)


def test_few_rows_share_one_spread(tmp_path: Path) -> None:
    matrix, truth = world(50)
    spread = Spread.learn(matrix, truth**2)
    assert set(spread(matrix)) == {np.sqrt(np.mean(truth**2))}
    spread.save(tmp_path)
    assert np.array_equal(Spread.load(tmp_path)(matrix), spread(matrix))


def test_saved_and_loaded_gives_the_same_bits(tmp_path: Path) -> None:
    matrix, truth = world()
    spread = Spread.learn(matrix, truth**2)
    spread.save(tmp_path)
    assert np.array_equal(Spread.load(tmp_path)(matrix), spread(matrix))
    one = matrix.take(np.array([7]))
    assert spread(one)[0] == spread(matrix)[7]
