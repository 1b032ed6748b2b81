"""Amounts in several currencies: converted by a given table, or shown apart; never summed as they are."""

from __future__ import annotations

import csv
import math
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crm.tables import CodeArray, Coded, FloatArray
from insights.errors import RatesError

NO_CURRENCY = ""
"""The currency of amounts that name none."""


@dataclass(frozen=True)
class Rates:
    """Exchange rates into one currency.

    Attributes:
        base: The currency into which all amounts are converted.
        of: What one unit of each currency is worth in it.
    """

    base: str
    of: dict[str, float]


def load_rates(path: Path) -> Rates:
    """Read a table of rates.

    TOML: `base = "EUR"` and a table `[rates]` with what one unit of each other currency is worth. CSV: the columns
    `currency` and `rate`; the currency whose rate is 1 is the base.

    Raises:
        RatesError: Names the file and what is wrong in it.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RatesError(f"{path}: the rates cannot be read: {error}") from None
    if path.suffix == ".toml":
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise RatesError(f"{path}: not valid TOML: {error}") from None
        base, table = data.get("base"), data.get("rates", {})
        if not isinstance(base, str) or not base or not isinstance(table, dict):
            raise RatesError(f'{path}: base = "EUR" and a table [rates] are wanted')
        return Rates(base, {**_checked(path, ((f"rates.{key}", key, value) for key, value in table.items())),
                            base: 1.0})  # fmt: skip
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or not {"currency", "rate"} <= set(rows[0]):
        raise RatesError(f"{path}: the columns currency and rate are wanted")
    found = _checked(path, ((f"row {place}", row["currency"], row["rate"]) for place, row in enumerate(rows, start=2)))
    bases = [name for name, rate in found.items() if rate == 1.0]
    if len(bases) != 1:
        raise RatesError(f"{path}: exactly one currency, the one to convert into, must have the rate 1")
    return Rates(bases[0], found)


def _checked(path: Path, rows: Iterable[tuple[str, object, object]]) -> dict[str, float]:
    found: dict[str, float] = {}
    for where, name, value in rows:
        try:
            rate = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            rate = math.nan
        if not name or not math.isfinite(rate) or rate <= 0:
            raise RatesError(f"{path}, {where}: {name!r} {value!r}: a currency and a rate above 0 are wanted")
        if str(name) in found:
            raise RatesError(f"{path}, {where}: the currency {name} stands there twice")
        found[str(name)] = rate
    return found


@dataclass(frozen=True)
class Money:
    """Amounts of deals with their currencies.

    Attributes:
        amount: In units of each deal's own currency, or of the base where there are rates; NaN where missing.
        currency: Place of each deal's currency in `currencies`.
        currencies: Currencies in order of name.
    """

    amount: FloatArray
    currency: CodeArray
    currencies: tuple[str, ...]


def money_of(amount: FloatArray, currency: Coded, rates: Rates | None) -> Money:
    """Amounts, converted if there are rates.

    Args:
        amount: Units of each deal's currency, NaN where missing, shape (n_deals,).
        currency: Currency of each deal.
        rates: What to convert by; without, each currency is kept apart.

    Raises:
        RatesError: There is no rate for a currency of a deal that has an amount.
    """
    names = currency.strings()
    if rates is None:
        used = tuple(sorted({str(name) for name in names}))
        place = {name: code for code, name in enumerate(used)}
        return Money(amount, np.array([place[str(name)] for name in names], dtype=np.int32), used)
    some = {str(name) for name in names[~np.isnan(amount)]}
    lacking = sorted(some - set(rates.of) - {NO_CURRENCY})
    if lacking:
        raise RatesError(f"no rate for {', '.join(lacking)}; the table converts {', '.join(sorted(rates.of))}")
    factor = np.array([rates.of.get(str(name), 1.0) for name in names])
    return Money(amount * factor, np.zeros(len(names), dtype=np.int32), (rates.base,))
