"""The check behind the promise of no peeking: a feature row is the same whatever the future brings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from crm.tables import Coded, CrmData, FloatArray
from features.history import History
from features.matrix import FeatureMatrix, build_matrix, open_at
from features.registry import Feature, features_of
from tests.features.worlds import AS_OF, Happening, Style, export


def rows_at(crm: CrmData, only: str | None = None) -> tuple[list[str], list[Feature], FeatureMatrix]:
    """The deals open at AS_OF, the features that the data allow (or one of them), and their values."""
    history = History(crm)
    pairs = open_at(history, AS_OF)
    features = [item for item in features_of(history) if only in (None, item.name)]
    ids = [history.deal_ids[deal] for deal in pairs.deal]
    return ids, features, build_matrix(history, features, pairs)


def assert_same_column(name: str, one: FloatArray | Coded, other: FloatArray | Coded) -> None:
    """Bit for bit the same numbers, or the same text; missing where the other is missing."""
    if isinstance(one, Coded):
        assert isinstance(other, Coded), name
        assert list(one.strings()) == list(other.strings()), name
        return
    assert not isinstance(other, Coded), name
    assert one.dtype == other.dtype == np.float64, name
    gaps = np.isnan(one)
    assert np.array_equal(gaps, np.isnan(other)), (name, one, other)
    assert np.array_equal(one[~gaps].view(np.int64), other[~gaps].view(np.int64)), (name, one, other)


def assert_same_rows(one: FeatureMatrix, other: FeatureMatrix) -> None:
    """Two matrices with the same columns and values."""
    assert list(one.columns) == list(other.columns)
    for name, values in one.columns.items():
        assert_same_column(name, values, other.columns[name])


def assert_blind_to_the_future(
    past: Sequence[Happening], one: Sequence[Happening], other: Sequence[Happening], style: Style,
    only: str | None = None,
) -> None:  # fmt: skip
    """The open deals at AS_OF and every feature of them are the same in two worlds that share their past only.

    Args:
        past: What happened before AS_OF.
        one: What happened from AS_OF on in one world.
        other: In the other.
        style: How the CRM exports.
        only: Name of a single feature to look at; by default all.
    """
    assert all(happening.time < AS_OF for happening in past)
    assert all(happening.time >= AS_OF for happening in (*one, *other))
    ids, features, matrix = rows_at(export([*past, *one], style), only)
    other_ids, other_features, other_matrix = rows_at(export([*past, *other], style), only)
    assert ids == other_ids, f"deals open: {ids}, {other_ids}"
    both = {item.name for item in features} & {item.name for item in other_features}
    assert both or only is not None
    for name in sorted(both):
        assert_same_column(name, matrix.columns[name], other_matrix.columns[name])
