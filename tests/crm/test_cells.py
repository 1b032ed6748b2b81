"""Cells into values: exact amounts, instants, and large files in little memory."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crm.reading.files
from crm.reading.cells import booleans, money, numbers, times
from crm.reading.files import Source
from crm.rules import Format
from crm.tables import NAT, micros


def cells(*texts: str) -> np.ndarray[tuple[int], np.dtype[np.object_]]:
    return np.array(texts, dtype=object)


@given(st.decimals(min_value=-(10**13), max_value=10**13, places=4))
def test_amounts_are_exact_to_half_a_hundredth(amount: Decimal) -> None:
    expected = int((amount * 100).quantize(Decimal(1), ROUND_HALF_EVEN))
    assert money(cells(f"{amount:f}"), Format()).values.tolist() == [expected]


@given(st.integers(min_value=-(10**14), max_value=10**14))
def test_amounts_with_two_decimals_come_back_as_they_are(hundredths: int) -> None:
    text = f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02d}"
    assert money(cells(text), Format()).values.tolist() == [hundredths]
    local = (
        f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100:,}".replace(",", ".") + f",{abs(hundredths) % 100:02d}"
    )
    assert money(cells(local), Format(decimal=",", thousands=".")).values.tolist() == [hundredths]


@pytest.mark.parametrize(
    ("form", "texts"),
    [
        (Format(thousands=","), ("(500)", "(1,234.50)", "( 3 )", "(.5)")),
        (Format(decimal=",", thousands="."), ("(500)", "(1.234,50)", "(3,00)", "(0,5)")),
        (Format(currency_signs=True), ("($500)", "$(1234.50)", "(3) €", "(0.5 EUR)")),
    ],
)
def test_amounts_in_brackets_are_negative(form: Format, texts: tuple[str, ...]) -> None:
    assert money(cells(*texts), form).values.tolist() == [-50000, -123450, -300, -50]


@pytest.mark.parametrize("text", ["(500)", "(-5)", "(5", "5)", "()", "((5))", "(x)"])
def test_other_brackets_are_no_amounts(text: str) -> None:
    form = Format() if text == "(500)" else Format(thousands=",", currency_signs=True)
    assert money(cells(text), form).bad.tolist() == [True]


@given(st.datetimes(datetime(1950, 1, 1), datetime(2150, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_instants_with_an_offset(local: datetime, minutes: int) -> None:
    stamp = local.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert times(cells(stamp.isoformat()), Format()).values.tolist() == [micros(stamp.astimezone(UTC))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-31", "2024-03-31T00:00:00+00:00"),
        ("2024-03-31 17:05", "2024-03-31T17:05:00+00:00"),
        ("2024-03-31T17:05:01.250000+0200", "2024-03-31T15:05:01.250000+00:00"),
        ("2024-03-31T17:05:01Z", "2024-03-31T17:05:01+00:00"),
        ("3/31/2024", "2024-03-31T00:00:00+00:00"),
    ],
)
def test_notations_of_time(text: str, expected: str) -> None:
    assert times(cells(text, ""), Format(dates=("ISO", "%m/%d/%Y"))).values.tolist() == [micros(expected), NAT]


@pytest.mark.parametrize("text", ["2024", "45000", "20240331", "2024-13-01", "31.03.2024", "2024-03-31T25:00", "now"])
def test_what_is_no_time(text: str) -> None:
    assert times(cells(text), Format()).bad.tolist() == [True]


def test_the_hour_that_clocks_show_twice_and_the_one_they_skip() -> None:
    found = times(cells("2024-10-27 02:30", "2024-03-31 02:30"), Format(timezone="Europe/Berlin")).values.tolist()
    assert found == [micros("2024-10-27T01:30:00+00:00"), micros("2024-03-31T01:00:00+00:00")]


def test_a_number_too_long_for_a_double_is_refused() -> None:
    found = numbers(cells("9" * 308, "9" * 400), Format())
    assert found.bad.tolist() == [False, True]
    assert np.isnan(found.values[1])


def test_numbers_and_truth() -> None:
    found = numbers(cells("1.5", "1e3", "-2", "", "x", "1,5"), Format())
    assert found.bad.tolist() == [False] * 4 + [True] * 2
    assert found.values.tolist()[:3] == [1.5, 1000.0, -2.0]
    truth = booleans(cells("Yes", "0", "TRUE", "", "maybe"))
    assert truth.values.tolist()[:3] == [1.0, 0.0, 1.0]
    assert truth.bad.tolist() == [False, False, False, False, True]


def test_a_long_file_is_read_in_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crm.reading.files, "CHUNK_ROWS", 500)
    path = tmp_path / "long.csv"
    path.write_text("id,text\n" + "".join(f"{n},{'x' * 200}\n" for n in range(20_000)))
    source = Source.open(path, Format())
    tracemalloc.start()
    rows = [len(chunk.rows) for chunk in source.chunks([0, 1])]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == [500] * 40
    assert peak < path.stat().st_size / 5
