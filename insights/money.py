"""Amounts in several currencies: converted by a given table of rates, or shown apart; never summed across currencies.

A file of rates is TOML: what one unit of each currency is worth in the base currency.

    base = "EUR"

    [rates]
    USD = 0.92
    GBP = 1.17
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crm.tables import Coded, FloatArray, IntArray
from insights.errors import RatesError

NOT_STATED = "currency not stated"


@dataclass(frozen=True)
class Rates:
    """What currencies are worth.

    Attributes:
        base: The currency that amounts are converted to.
        rates: Units of the base for one unit of each currency; the base itself is 1.
    """

    base: str
    rates: Mapping[str, float]


@dataclass(frozen=True)
class Money:
    """A sum in one currency.

    Attributes:
        currency: The currency; empty where the CRM does not state it.
        amount: The sum, in currency units.
        deals: Deals that it adds up.
    """

    currency: str
    amount: float
    deals: int


@dataclass(frozen=True)
class Amounts:
    """Amounts of deals, each in a currency.

    Attributes:
        values: Currency units, NaN where there is no amount above 0, shape (n_deals,).
        currency: Code of each deal's currency in `currencies`, shape (n_deals,).
        currencies: Their names, sorted; "" where the CRM does not state one. One only after conversion.
        converted: Whether they were converted.
        without_rate: Deals by currency that had an amount but no rate; they have no amount here.
    """

    values: FloatArray
    currency: IntArray
    currencies: tuple[str, ...]
    converted: bool
    without_rate: Mapping[str, int]

    @cached_property
    def present(self) -> NDArray[np.bool_]:
        """Which deals have an amount."""
        return ~np.isnan(self.values)

    def groups(self, rows: IntArray) -> dict[str, IntArray]:
        """Those of the rows with an amount, by currency; the one of most deals first."""
        rows = rows[self.present[rows]]
        found = {name: rows[self.currency[rows] == code] for code, name in enumerate(self.currencies)}
        return dict(sorted(((k, v) for k, v in found.items() if len(v)), key=lambda item: (-len(item[1]), item[0])))

    def totals(self, rows: IntArray) -> tuple[Money, ...]:
        """Sums of some deals by currency, that of most deals first; none where no deal has an amount."""
        return tuple(Money(name, round(float(self.values[mine].sum()), 2), len(mine))
                     for name, mine in self.groups(rows).items())  # fmt: skip


def read_rates(path: Path) -> Rates:
    """Read a file of rates.

    Raises:
        RatesError: It cannot be read, has no base, or a rate is not a number above 0.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RatesError(f"{path}: cannot be read as TOML: {error}") from None
    base, rates = data.get("base"), data.get("rates", {})
    if not isinstance(base, str) or not base.strip():
        raise RatesError(f'{path}: base: the currency to convert to is wanted, such as base = "EUR"')
    if not isinstance(rates, dict):
        raise RatesError(f"{path}: rates: a table is wanted, such as [rates] and then USD = 0.92")
    for name, rate in rates.items():
        number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if not number or not math.isfinite(rate) or rate <= 0:
            raise RatesError(f"{path}: rates.{name}: {rate!r} is not a number above 0")
    return Rates(base.strip(), {**{str(name): float(rate) for name, rate in rates.items()}, base.strip(): 1.0})


def amounts_of(hundredths: FloatArray, currency: Coded, rates: Rates | None = None) -> Amounts:
    """Amounts of deals, converted where rates are given.

    An amount of 0 or below is none: it would make shares of value meaningless.

    Args:
        hundredths: Amounts in hundredths, NaN where missing, shape (n_deals,).
        currency: Currency of each.
        rates: What to convert by; without, each currency stays apart.
    """
    values = np.where(hundredths > 0, hundredths / 100, np.nan)
    names = currency.strings()
    if rates is None:
        stated = sorted({str(name) for name in names})
        place = {name: code for code, name in enumerate(stated)}
        codes = np.array([place[str(name)] for name in names], dtype=np.int64)
        return Amounts(values, codes, tuple(stated), False, {})
    known = {level: rates.rates.get(level, np.nan) for level in currency.levels}
    factor = np.array([*known.values(), np.nan])[currency.codes]
    lacking = ~np.isnan(values) & np.isnan(factor)
    told, n = np.unique(names[lacking].astype(str), return_counts=True)
    without = {name or NOT_STATED: int(times) for name, times in zip(told.tolist(), n.tolist(), strict=True)}
    return Amounts(values * factor, np.zeros(len(values), dtype=np.int64), (rates.base,), True, without)


def money_words(amount: float, currency: str) -> str:
    """An amount for people: `1.24 M EUR`, `86 k EUR`, `950 EUR`."""
    size = abs(amount)
    if size >= 999_500:
        return f"{amount / 1e6:,.2f} M {currency}".strip()
    return (f"{amount / 1e3:,.0f} k {currency}" if size >= 9_950 else f"{amount:,.0f} {currency}").strip()


def totals_words(totals: tuple[Money, ...]) -> str:
    """Sums for people, each currency apart."""
    return ", ".join(money_words(item.amount, item.currency or f"({NOT_STATED})") for item in totals) or "-"
