from __future__ import annotations

import numpy as np

from crm.tables import Coded, FloatArray
from features.matrix import WEEK
from models.clocks import clock_share


def test_what_makes_a_clock() -> None:
    random = np.random.default_rng(0)
    as_of = np.tile(np.arange(60) * WEEK, 50)
    deal = np.repeat(np.arange(50), 60)
    week = as_of / WEEK
    group = deal % 5
    rate = random.random((60, 5))  # of each group and week another number, as running rates have
    running: FloatArray = rate[week.astype(int), group]
    assert clock_share(week + random.normal(size=len(week)), as_of, deal) > 0.9
    assert clock_share(running, as_of, deal) > 0.9
    assert clock_share(np.where(group == 0, np.nan, running), as_of, deal) > 0.9
    assert clock_share(random.normal(size=len(week)), as_of, deal) < 0.05
    assert clock_share(random.normal(size=50)[deal], as_of, deal) < 0.05
    assert clock_share(np.full(len(week), 3.0), as_of, deal) == 0
    assert clock_share(np.full(len(week), np.nan), as_of, deal) == 0
    assert clock_share(Coded(group.astype(np.int32), tuple("abcde")), as_of, deal) == 0
