"""Numbers in other dress are what they say."""

import numpy as np
import pytest

from metaopt.tasks.tables.columns.numbers import amount_in, read_numbers
from metaopt.tasks.tables.refusal import Refusal


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("37 %", 37, "%"),
        ("-3,5%", -3.5, "%"),
        ("%5", 5, "%"),
        ("$4,815.46", 4815.46, "USD"),
        ("-$5", -5, "USD"),
        ("$-5", -5, "USD"),
        ("US$ 5", 5, "USD"),
        ("($5)", -5, "USD"),
        ("5,00 €", 5, "EUR"),
        ("1.234,56 EUR", 1234.56, "EUR"),
        ("USD 1'000.50", 1000.5, "USD"),
        ("CHF 1'000.-", 1000, "CHF"),
        ("$5k", 5000, "USD"),
        ("£1.5m", 1.5e6, "GBP"),
        ("0,5 Mio. €", 5e5, "EUR"),
        ("€ 3 Mrd.", 3e9, "EUR"),
        ("$5/month", 5, "USD/month"),
        ("₹ 1,00,000", 100000, "₹"),
        ("1 234,5", 1234.5, ""),
        ("1_000", 1000, ""),
        ("(1,234,567)", -1234567, ""),
        ("1.5 -", -1.5, ""),
        ("−5", -5, ""),
        ("٣", 3, ""),
        ("１２", 12, ""),
        ('="0123"', 123, ""),
        ("1.5x10^3", 1500, ""),
        ("2×10^-4", 2e-4, ""),
        ("1.5e3", 1500, ""),
        ("- 5", -5, ""),
        ("12 kg", 12, "kg"),
        ("5.5 °C", 5.5, "°C"),
        ("12 km/h", 12, "km/h"),
    ],
)
def test_a_number_is_read_with_its_unit(text, value, unit):
    numbers = read_numbers([text], "x", None)
    assert not isinstance(numbers, Refusal), numbers
    np.testing.assert_allclose(numbers.values, [value])
    assert numbers.unit == unit


@pytest.mark.parametrize("text", ["abc", "5'11", "1.2.3", "2021-01-31", "--", "%"])
def test_what_is_no_number_is_none(text):
    assert amount_in(text) is None


@pytest.mark.parametrize("texts", [["$5", "5 €"], ["5 kg", "5 g"], ["5%", "0.05"], ["$5/month", "$5/year"]])
def test_units_that_are_mixed_are_refused(texts):
    refusal = read_numbers(texts, "x", ".")
    assert isinstance(refusal, Refusal)
    assert "mixes units" in refusal.fault


def test_marks_that_are_mixed_are_refused():
    assert "mixes decimal marks" in read_numbers(["1.5", "1,5"], "x", ".").fault


def test_thousands_or_decimals_are_asked_unless_the_file_settles_it():
    refusal = read_numbers(["$1,234", "$2,345"], "x", None)
    assert "may be 1234 or 1.234" in refusal.fault
    assert read_numbers(["$1,234", "$2,345"], "x", ".").values.tolist() == [1234, 2345]
    assert read_numbers(["$1,234", "$2,345"], "x", ",").values.tolist() == [1.234, 2.345]
