from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crm.tables import Coded
from insights.errors import RatesError
from insights.money import Rates, load_rates, money_of

AMOUNTS = np.array([100.0, 50.0, np.nan, 10.0])
CURRENCIES = Coded.of(["EUR", "USD", "GBP", None])


def test_without_rates_currencies_are_kept_apart() -> None:
    money = money_of(AMOUNTS, CURRENCIES, None)
    assert money.currencies == ("", "EUR", "GBP", "USD")
    assert money.currency.tolist() == [1, 3, 2, 0]
    assert money.amount[:2].tolist() == [100.0, 50.0]


def test_rates_convert_into_one_currency() -> None:
    money = money_of(AMOUNTS, CURRENCIES, Rates("EUR", {"EUR": 1.0, "USD": 0.9}))  # no amount is in GBP
    assert money.currencies == ("EUR",)
    assert money.amount[[0, 1, 3]].tolist() == [100.0, 45.0, 10.0]
    assert np.isnan(money.amount[2])


def test_a_currency_without_a_rate_is_named() -> None:
    with pytest.raises(RatesError, match="no rate for USD"):
        money_of(AMOUNTS, CURRENCIES, Rates("EUR", {"EUR": 1.0}))


def test_rates_are_read_from_csv_and_toml(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("currency,rate\nEUR,1\nUSD,0.92\n")
    (tmp_path / "a.toml").write_text('base = "EUR"\n[rates]\nUSD = 0.92\n')
    wanted = Rates("EUR", {"EUR": 1.0, "USD": 0.92})
    assert load_rates(tmp_path / "a.csv") == wanted
    assert load_rates(tmp_path / "a.toml") == wanted


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "name,rate\nEUR,1\n", "columns currency and rate"),
        ("a.csv", "", "columns currency and rate"),
        ("a.csv", "currency,rate\nEUR,1\nUSD,cheap\n", "row 3: 'USD' 'cheap'"),
        ("a.csv", "currency,rate\nEUR,1\nUSD,-2\n", "row 3"),
        ("a.csv", "currency,rate\nEUR,1\nUSD,nan\n", "row 3"),
        ("a.csv", "currency,rate\nEUR,1\nEUR,1\n", "twice"),
        ("a.csv", "currency,rate\nEUR,1\nUSD\n", "row 3"),
        ("a.csv", "currency,rate\nUSD,0.9\n", "must have the rate 1"),
        ("a.toml", "base = 3\n", "base = "),
        ("a.toml", "base = \n", "not valid TOML"),
        ("a.toml", 'base = "EUR"\n[rates]\nUSD = 0\n', "rates.USD"),
    ],
)
def test_a_wrong_table_is_refused_with_file_and_row(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(RatesError, match=words) as error:
        load_rates(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RatesError, match="cannot be read"):
        load_rates(tmp_path / "none.csv")
