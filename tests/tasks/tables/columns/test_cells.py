"""Cells of a text file as numbers, booleans or text."""

import numpy as np
import pandas as pd
import pytest

from metaopt.tasks.tables.columns.cells import clean, numbers_in, typed, without_gaps


def read(*cells, as_labels=False):
    return typed(pd.Series(list(cells), dtype=object), as_labels=as_labels)


@pytest.mark.parametrize(
    "same",
    [
        ["yes", "yes ", " yes", "\tyes", "yes\u00a0", "\ufeffyes", "yes\u200b"],
        ["New York", "New  York", "New\tYork", "New\u00a0York", " New York "],
        ["K\u00f6ln", "Ko\u0308ln"],
    ],
)
def test_what_only_looks_different_is_the_same(same):
    assert {clean(text) for text in same} == {clean(same[0])}
    assert read(*same, "another").nunique() == 2


@pytest.mark.parametrize("gaps", [[], ["", "?"], [" 1.5"]])
def test_numbers_are_read_to_the_last_digit(gaps):
    # pandas before 3.1 rounds a third of them another way, and a task would have other data and another fingerprint
    written = np.random.default_rng(0).standard_normal(300) * 10.0 ** np.arange(-150, 150)
    column = pd.Series([*map(repr, written.tolist()), *gaps], dtype=object)
    for values in (typed(column), numbers_in(column)):
        assert values.dtype == np.float64
        assert values[: len(written)].tolist() == written.tolist()


@pytest.mark.parametrize("gap", ["", " ", "?", " ? ", "NA ", "\tN/A", "NaN\u00a0", " null"])
def test_gap_marks_are_gaps_whatever_spaces_are_around(gap):
    assert read("1.5", gap, "2").isna().tolist() == [False, True, False]
    assert read("red", gap, "blue").isna().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "2", "3"], [1, 2, 3]),
        (["1 ", " 2", "\u00a03"], [1, 2, 3]),
        (["1e5", "1E-3", "+.5", "5."], [1e5, 1e-3, 0.5, 5.0]),
        (["1e-400", "4.9e-324"], [0.0, 5e-324]),
        (["True", "FALSE", "true "], [True, False, True]),
        (["007", "7"], [7, 7]),
        (["0.1", "1.2345678901234567"], [0.1, 1.2345678901234567]),
        ([str(2**63 - 1), "1"], [2**63 - 1, 1]),
        ([str(2**64 - 1), "1"], [2**64 - 1, 1]),
    ],
)
def test_numbers_are_read_exactly(cells, values):
    assert read(*cells).tolist() == values


@pytest.mark.parametrize("text", ["1_000", "0x10", "1d5", "٣", "−5", "1 000", "5L", "1,5", "True5", "NAN"])
def test_what_is_no_plain_number_stays_text(text):
    assert read(text, "1").tolist() == [text, "1"]


def test_negative_zero_is_zero():
    assert str(read("-0.0", "0.5").iloc[0]) == "0.0"
    assert str(read("-0.0", "0.5", as_labels=True).iloc[0]) == "0.0"


def test_codes_with_zeros_in_front_are_labels_where_labels_are_wanted():
    assert read("007", "7", as_labels=True).tolist() == ["007", "7"]
    assert read("1", "2", as_labels=True).tolist() == [1, 2]


def test_whole_numbers_too_long_for_floats_are_told_apart():
    long = [str(10**25), str(10**25 + 1)]
    assert read(*long).tolist() == long
    assert read(str(2**53), str(2**53 + 1), "").nunique() == 2


@pytest.mark.parametrize(
    ("texts", "are_decimals"),
    [
        (["950", "1.200", "12.345"], False),  # thousands
        (["1.200", "12.345"], False),  # nobody knows
        (["950", "1.234", "12.345"], False),
        (["950", "1.200", "0.500"], True),
        (["950", "1.200", "1.25"], True),
        (["1950", "1.200"], True),
        (["1", "2"], True),
        (["03.2024", "12.2023"], False),  # months
        (["3.2024", "12.2023"], True),
    ],
)
def test_what_may_be_no_decimals_stays_text(texts, are_decimals):
    assert (read(*texts).dtype.kind in "if") == are_decimals


def test_what_the_owner_calls_a_gap_is_one_however_it_is_written():
    cells = pd.Series(["-999", "-999.0", " -999", "999", "unknown ", "x"], dtype=object)
    assert without_gaps(cells, ["-999", "unknown"]).tolist() == ["", "", "", "999", "", "x"]
