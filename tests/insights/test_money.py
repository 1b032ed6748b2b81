from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crm.tables import Coded
from insights.errors import RatesError
from insights.money import Money, Rates, amounts_of, money_words, read_rates, totals_words

HUNDREDTHS = np.array([100_00.0, 50_00.0, np.nan, 0.0, -10_00.0, 30_00.0])
CURRENCY = Coded.of(["EUR", "USD", "EUR", "EUR", "EUR", None])
ALL = np.arange(6)


def test_currencies_stand_apart_without_rates() -> None:
    amounts = amounts_of(HUNDREDTHS, CURRENCY)
    assert amounts.totals(ALL) == (Money("", 30.0, 1), Money("EUR", 100.0, 1), Money("USD", 50.0, 1))
    assert amounts.present.tolist() == [True, True, False, False, False, True]
    assert [amounts.currencies[code] for code in amounts.currency] == ["EUR", "USD", "EUR", "EUR", "EUR", ""]
    assert totals_words(amounts.totals(ALL)) == "30 (currency not stated), 100 EUR, 50 USD"


def test_rates_make_one_currency_of_them_and_name_what_they_lack() -> None:
    amounts = amounts_of(HUNDREDTHS, CURRENCY, Rates("EUR", {"USD": 0.9, "EUR": 1.0}))
    assert amounts.totals(ALL) == (Money("EUR", 145.0, 2),)
    assert amounts.without_rate == {"currency not stated": 1}


def test_no_amounts_make_no_totals() -> None:
    amounts = amounts_of(np.full(2, np.nan), Coded.of([None, "EUR"]))
    assert amounts.totals(np.arange(2)) == ()
    assert totals_words(()) == "-"


def test_a_file_of_rates_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_text('base = "EUR"\n[rates]\nUSD = 0.92\nGBP = 1\n')
    assert read_rates(path) == Rates("EUR", {"USD": 0.92, "GBP": 1.0, "EUR": 1.0})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[rates]\nUSD = 1.0", "base: the currency to convert to is wanted"),
        ('base = "EUR"\n[rates]\nUSD = "x"', "rates.USD: 'x' is not a number above 0"),
        ('base = "EUR"\n[rates]\nUSD = 0', "rates.USD: 0 is not a number above 0"),
        ('base = "EUR"\n[rates]\nUSD = nan', "rates.USD: nan is not a number above 0"),
        ('base = "EUR"\n[rates]\nUSD = true', "rates.USD: True is not a number above 0"),
        ('base = "EUR"\nrates = 3', "rates: a table is wanted"),
        ("base =", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_of_rates_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "rates.toml"
    path.write_text(text)
    with pytest.raises(RatesError) as raised:
        read_rates(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("amount", "words"),
    [(950.0, "950 EUR"), (9_949.0, "9,949 EUR"), (9_950.0, "10 k EUR"), (86_400.0, "86 k EUR"),
     (999_499.0, "999 k EUR"), (999_500.0, "1.00 M EUR"), (1_244_000.0, "1.24 M EUR")],
)  # fmt: skip
def test_amounts_in_words(amount: float, words: str) -> None:
    assert money_words(amount, "EUR") == words
