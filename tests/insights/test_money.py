from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crm.tables import Coded
from insights.errors import RatesError
from insights.money import NOT_STATED, Money, Rates, amounts_of, read_rates, totals_words

HUNDREDTHS = np.array([10_000.0, 5_000.0, np.nan, 1_000.0, 0.0])
CURRENCIES = Coded.of(["EUR", "USD", "GBP", None, "EUR"])
ALL = np.arange(5)


def test_without_rates_currencies_are_kept_apart() -> None:
    amounts = amounts_of(HUNDREDTHS, CURRENCIES)
    assert amounts.currencies == ("", "EUR", "GBP", "USD")
    assert amounts.currency.tolist() == [1, 3, 2, 0, 1]
    assert amounts.present.tolist() == [True, True, False, True, False]  # an amount of 0 is none
    assert amounts.totals(ALL) == (Money("", 10.0, 1), Money("EUR", 100.0, 1), Money("USD", 50.0, 1))
    assert totals_words(amounts.totals(ALL)) == f"10 ({NOT_STATED}), 100 EUR, 50 USD"


def test_rates_convert_into_one_currency_and_name_what_has_none() -> None:
    amounts = amounts_of(HUNDREDTHS, CURRENCIES, Rates("EUR", {"EUR": 1.0, "USD": 0.9}))
    assert amounts.currencies == ("EUR",)
    assert amounts.totals(ALL) == (Money("EUR", 145.0, 2),)
    assert amounts.without_rate == {NOT_STATED: 1}


def test_rates_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('base = "EUR"\n[rates]\nUSD = 0.92\n')
    assert read_rates(tmp_path / "a.toml") == Rates("EUR", {"EUR": 1.0, "USD": 0.92})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("base = 3\n", "base: the currency to convert to"),
        ("base = \n", "cannot be read as TOML"),
        ('base = "EUR"\nrates = 3\n', "a table is wanted"),
        ('base = "EUR"\n[rates]\nUSD = 0\n', "rates.USD: 0 is not a number above 0"),
        ('base = "EUR"\n[rates]\nUSD = nan\n', "rates.USD"),
        ('base = "EUR"\n[rates]\nUSD = true\n', "rates.USD"),
    ],
)
def test_a_wrong_table_is_refused_with_file_and_key(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(RatesError, match=words) as error:
        read_rates(tmp_path / "a.toml")
    assert str(tmp_path / "a.toml") in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RatesError, match="cannot be read"):
        read_rates(tmp_path / "none.toml")
