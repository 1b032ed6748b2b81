"""Columns of the exported tables: identifiers, picklist values and times as pandas holds them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm.tables import IntArray


def identifiers(prefix: str, n: int) -> NDArray[np.object_]:
    """Ids of n records: the prefix and a running number, shape (n,)."""
    width = max(len(str(n)), 5)
    return np.array([f"{prefix}{number:0{width}d}" for number in range(1, n + 1)], dtype=object)


def category(codes: IntArray, values: Sequence[str] | NDArray[np.object_]) -> pd.Categorical:
    """A text column from places in a list of values; -1 is missing."""
    return pd.Categorical.from_codes(codes.astype(np.int32), categories=pd.Index(values, dtype="str"))  # type: ignore[arg-type]


def times(micros: IntArray) -> pd.Series:
    """A column of UTC times from microseconds since 1970; `crm.tables.NAT` is missing."""
    return pd.Series(micros.astype(np.int64).view("M8[us]")).dt.tz_localize("UTC")
