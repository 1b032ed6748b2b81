"""Cells of CSV exports made harmless: a spreadsheet runs what begins with =, +, - or @ as a formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = re.compile(r"[\s\x00-\x20\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")


def neutral(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: one that begins like one gets an apostrophe before it (OWASP).

    A plain number ("-5.2") stays; other cells stay as they are.
    """
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def neutral_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A table whose text cells are all `neutral`; numbers and missing cells stay."""
    from pandas.api.types import is_numeric_dtype  # pandas is slow to load, and most commands do without

    text = [name for name in frame.columns if not is_numeric_dtype(frame[name])]
    return frame.assign(**{
        str(name): frame[name].map(lambda cell: neutral(cell) if isinstance(cell, str) else cell) for name in text
    })  # fmt: skip
