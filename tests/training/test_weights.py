from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.weights import even_weight, recency


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_rows_weigh_as_much_as_their_deals(deals: list[int]) -> None:
    deal = np.array(deals)
    weight = even_weight(deal)
    assert weight.sum() == pytest.approx(len(set(deals)))
    assert np.ptp(weight) == 0


def test_a_half_life_is_a_share_of_the_closings() -> None:
    order, deal = np.repeat(np.arange(10.0), 3), np.repeat(np.arange(10), 3)
    weight = recency(order, deal, 0.5)
    assert weight[-1] == 1.0
    assert weight[12] == pytest.approx(0.5)  # the fifth of ten deals: half of all closed after it
    assert np.all(np.diff(weight) >= 0)
    again = recency(order[::-1] * 1000 + 7, deal[::-1], 0.5)
    assert again[::-1] == pytest.approx(weight)
