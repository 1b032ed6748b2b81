"""Text cells into typed values, whole columns at a time: times, amounts, numbers, true and false."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache
from typing import cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from crm.rules import Format
from crm.schema import Kind
from crm.tables import NAT, FloatArray, IntArray

Text = NDArray[np.object_]
Mask = NDArray[np.bool_]

_ISO = r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}(?::?\d{2})?)?)?"
_OFFSET = r":\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}(?::?\d{2})?)$"
_SIGN = r"[$¢£¤¥₠-⃏]|[A-Z]{3}|[A-Z]{1,3}\$|kr\.?|zł|Kč|Fr\.?"
_CURRENCY = re.compile(rf"^(-?)\s*(?:{_SIGN})\s*(-?)|\s*(?:{_SIGN})$")
_TRUE = ("true", "1", "1.0", "yes", "y", "t")
_FALSE = ("false", "0", "0.0", "no", "n", "f")
_LARGEST = 2**53
"""Whole hundredths are held as float64 in memory, which is exact up to here."""

PLAIN = Format()


@dataclass(frozen=True)
class Parsed:
    """A column of typed values.

    Attributes:
        values: Text (object), times and hundredths (int64, `NAT` where missing), numbers and booleans (float64, NaN
            where missing), shape (n_rows,).
        bad: Which cells could not be read; their value is missing.
        reason: What to say of a bad cell.
        offset: Times only: which were written with an offset from UTC.
        bare: Times only: which were written with a time of day but no offset.
        day: Times only: which were written as a date alone.
    """

    values: Text | IntArray | FloatArray
    bad: Mask
    reason: Callable[[str], str] = str
    offset: Mask | None = None
    bare: Mask | None = None
    day: Mask | None = None

    @property
    def present(self) -> Mask:
        """Which cells hold a value."""
        if self.values.dtype == object:
            return cast(Mask, self.values != "")
        return cast(Mask, self.values != NAT) if self.values.dtype == np.int64 else ~np.isnan(self.values.astype(float))


def cleaned(cells: Text, form: Format) -> Text:
    """Cells without surrounding white space, "" where the format says that there is no value."""
    text = pd.Series(cells, dtype="str").str.strip()
    text = text.mask(text.isin([value.strip() for value in form.missing if value.strip()]), "")
    return text.to_numpy(dtype=object)


def parsed(kind: Kind, text: Text, form: Format) -> Parsed:
    """Cleaned cells of one column as typed values of its kind."""
    if kind is Kind.TIME:
        return times(text, form)
    if kind is Kind.MONEY:
        return money(text, form)
    if kind in (Kind.NUMBER, Kind.INTEGER):
        return numbers(text, form, whole=kind is Kind.INTEGER)
    if kind is Kind.BOOLEAN:
        return booleans(text)
    return Parsed(text, np.zeros(len(text), dtype=bool))


def times(text: Text, form: Format) -> Parsed:
    """Instants in microseconds since 1970, UTC, from the format's date notations, tried in order."""
    cells = pd.Series(text, dtype="str")
    values = np.full(len(text), NAT, dtype=np.int64)
    filled = text != ""
    left = filled.copy()
    offset, bare, day = (np.zeros(len(text), dtype=bool) for _ in range(3))
    for pattern in form.dates:
        if not left.any():
            break
        if pattern == "ISO":
            fits = left & cells.str.fullmatch(_ISO).to_numpy(dtype=bool)
            with_offset = fits & cells.str.contains(_OFFSET, regex=True).to_numpy(dtype=bool)
            dated = fits & (cells.str.len() == 10).to_numpy(dtype=bool)
            values[with_offset] = _micros(
                pd.to_datetime(cells[with_offset], format="ISO8601", utc=True, errors="coerce")
            )
            local = fits & ~with_offset
            found = pd.to_datetime(cells[local], format="ISO8601", errors="coerce")
        else:
            with_offset = left & ("%z" in pattern)
            dated = left & ("%H" not in pattern and "%I" not in pattern)
            if with_offset.any():
                values[with_offset] = _micros(
                    pd.to_datetime(cells[with_offset], format=pattern, utc=True, errors="coerce")
                )
            local = left & ~with_offset
            found = pd.to_datetime(cells[local], format=pattern, errors="coerce")
        values[local] = _micros(_in_utc(found, form.timezone))
        got = left & (values != NAT)
        offset |= got & with_offset
        day |= got & dated
        bare |= got & ~with_offset & ~dated
        left &= ~got

    def reason(_value: str) -> str:
        tried = ", ".join("ISO 8601 (2024-03-31 or 2024-03-31T17:05:00Z)" if d == "ISO" else d for d in form.dates)
        return f"not a date or time as the mapping expects it ({tried}); set dates under [format]"

    return Parsed(values, left, reason, offset, bare, day)


def _in_utc(found: pd.Series[pd.Timestamp], timezone: str) -> pd.Series[pd.Timestamp]:
    if timezone == "UTC":
        return found.dt.tz_localize("UTC")
    # The hour that a clock shows twice in autumn is taken as the later one; the one it skips in spring, as its end.
    standard = np.zeros(len(found), dtype=bool)
    return found.dt.tz_localize(timezone, ambiguous=standard, nonexistent="shift_forward").dt.tz_convert("UTC")


def _micros(found: pd.Series[pd.Timestamp]) -> IntArray:
    return found.dt.as_unit("us").to_numpy(dtype="datetime64[us]").view(np.int64)


@lru_cache(maxsize=64)
def _patterns(decimal: str, thousands: str | None) -> tuple[str, str]:
    mark = re.escape(decimal)
    plain = rf"[+-]?(?:\d+(?:{mark}\d*)?|{mark}\d+)(?:[eE][+-]?\d{{1,2}})?"
    if thousands is None:
        return plain, ""
    group = r"[ \u00a0\u202f]" if thousands == " " else r"['\u2019]" if thousands == "'" else re.escape(thousands)
    return rf"(?:{plain}|[+-]?\d{{1,3}}(?:{group}\d{{3}})+(?:{mark}\d*)?)", group


def _canonical(text: Text, form: Format, *, currency: bool) -> tuple[pd.Series[str], Mask]:
    """Numbers in the plain notation (1234.5), and which cells are none."""
    cells = pd.Series(text, dtype="str")
    if currency and form.currency_signs:
        stripped = [_CURRENCY.sub(r"\1\2", value) if value and not value.isdecimal() else value for value in text]
        cells = pd.Series([_CURRENCY.sub(r"\1\2", value).strip() for value in stripped], dtype="str")
    if currency and _brackets_allowed(form):
        brackets = cells.str.startswith("(").to_numpy(dtype=bool)
        if brackets.any():
            cells[brackets] = [_unbracketed(value, form) for value in cells[brackets]]
    pattern, group = _patterns(form.decimal, form.thousands)
    bad = (text != "") & ~cells.str.fullmatch(pattern).to_numpy(dtype=bool)
    if group:
        cells = cells.str.replace(group, "", regex=True)
    if form.decimal != ".":
        cells = cells.str.replace(form.decimal, ".", regex=False)
    return cells.mask(bad, ""), bad


def _brackets_allowed(form: Format) -> bool:
    return form.currency_signs or form.thousands is not None


def _unbracketed(value: str, form: Format) -> str:
    """A negative amount as accountants write it, (500), with a minus instead; other values as they are."""
    inner = value[1:-1].strip() if value.endswith(")") else ""
    if form.currency_signs:
        inner = _CURRENCY.sub(r"\1\2", _CURRENCY.sub(r"\1\2", inner)).strip()
    return f"-{inner}" if inner[:1].isdigit() or inner[:1] == form.decimal else value


def _number_reason(form: Format, *, currency: bool) -> Callable[[str], str]:
    def reason(value: str) -> str:
        body = _CURRENCY.sub(r"\1\2", _CURRENCY.sub(r"\1\2", value)).strip()
        if currency and body != value and not form.currency_signs:
            return "an amount with a currency sign; where that is meant, set currency_signs = true under [format]"
        plain = _unbracketed(body, form)
        brackets = currency and plain != body and not _brackets_allowed(form)
        if brackets and re.fullmatch(_patterns(form.decimal, None)[0], plain):
            return "brackets around an amount; where they mean a minus, set currency_signs = true under [format]"
        body = plain if currency else body
        for decimal, thousands in ((".", ","), (",", "."), (",", " "), (".", "'"), (".", " ")):
            if (decimal, thousands) == (form.decimal, form.thousands):
                continue
            if re.fullmatch(_patterns(decimal, thousands)[0], body):
                mark = f'decimal = "{decimal}", ' if decimal != form.decimal else ""
                sets = f'{mark}thousands = "{thousands}"' if not re.fullmatch(r"-?\d+,\d+", body) else 'decimal = ","'
                if re.fullmatch(r"-?\d{1,3},\d{3}", body):
                    sets = 'thousands = "," (or decimal = ",")'
                return f"not a number as the mapping expects it; where it is one, set {sets} under [format]"
        return "not a number"

    return reason


def money(text: Text, form: Format) -> Parsed:
    """Amounts in whole hundredths, exactly, halves to even."""
    cells, bad = _canonical(text, form, currency=True)
    filled = (text != "") & ~bad
    values = np.full(len(text), NAT, dtype=np.int64)
    # Up to two decimals and below 10^12, the nearest hundredth of the double is the amount; others go by Decimal.
    simple = filled & cells.str.fullmatch(r"[+-]?\d{1,12}(?:\.\d{0,2})?").to_numpy(dtype=bool)
    values[simple] = np.rint(cells[simple].astype("float64").to_numpy() * 100).astype(np.int64)
    for index in np.flatnonzero(filled & ~simple):
        try:
            hundredths = int((Decimal(cells.iloc[index]) * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
        except InvalidOperation:
            hundredths = _LARGEST
        if abs(hundredths) < _LARGEST:
            values[index] = hundredths
        else:
            bad[index] = True
    reason = _number_reason(form, currency=True)

    def told(value: str) -> str:
        return "an amount too large to be one" if re.fullmatch(r"[^A-Za-z]*\d{14,}[^A-Za-z]*", value) else reason(value)

    return Parsed(values, bad, told)


def numbers(text: Text, form: Format, *, whole: bool = False) -> Parsed:
    """Numbers as double; `whole` ones must have no fraction."""
    cells, bad = _canonical(text, form, currency=False)
    filled = (text != "") & ~bad
    values = np.full(len(text), np.nan)
    values[filled] = cells[filled].astype("float64").to_numpy()
    endless = np.isinf(values)  # of more than 308 digits
    values[endless], bad = np.nan, bad | endless
    fraction = np.zeros(len(text), dtype=bool)
    if whole:
        fraction = filled & (np.nan_to_num(values) != np.rint(np.nan_to_num(values)))
        values[fraction] = np.nan
    reason = _number_reason(form, currency=False)
    return Parsed(values, bad | fraction, (lambda value: "not a whole number") if whole and fraction.any() else reason)


def booleans(text: Text) -> Parsed:
    """True and false as 1 and 0."""
    lower = pd.Series(text, dtype="str").str.lower()
    values = np.full(len(text), np.nan)
    values[lower.isin(_TRUE).to_numpy(dtype=bool)] = 1.0
    values[lower.isin(_FALSE).to_numpy(dtype=bool)] = 0.0
    bad = (text != "") & np.isnan(values)
    return Parsed(values, bad, lambda _value: "neither true nor false (true, false, yes, no, 1, 0)")
