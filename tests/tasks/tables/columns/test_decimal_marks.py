"""Decimals or thousands."""

import pytest

from metaopt.tasks.tables.columns.decimal_marks import decimal_of, is_doubtful, value_of


@pytest.mark.parametrize(
    ("body", "decimal", "value"),
    [
        ("1.234,56", ",", 1234.56),
        ("1,234.56", ".", 1234.56),
        ("1 234,56", ",", 1234.56),
        ("1'234.56", ".", 1234.56),
        ("12,34,567.5", ".", 1234567.5),
        ("1.234", ".", 1.234),
        ("1.234", ",", 1234),
        ("0.234", ",", None),
        ("1,23", ".", None),
        ("1.234.567", ".", None),
        (",5", ",", 0.5),
        ("5.", ".", 5),
        ("", ".", None),
    ],
)
def test_a_number_has_a_value_under_a_mark_or_none(body, decimal, value):
    assert value_of(body, decimal) == value


@pytest.mark.parametrize(
    ("bodies", "decimal"),
    [
        (["1.234,56", "12"], ","),
        (["1,5"], ","),
        (["1.5", "1,234.5"], "."),
        (["1.234.567", "1.234"], ","),
        (["0,234", "1,234"], ","),
        (["950", "1.200"], ","),
        (["950", "1,200"], "."),
        (["1950", "1.200"], "."),
        (["1.234", "2.345"], None),
        (["1,234", "2,345"], None),
        (["1.234", "1,234"], None),
        (["12", "7"], ""),
        (["1'234", "7"], ""),
        (["1.5", "1,5"], "mixed"),
    ],
)
def test_a_column_settles_its_mark_or_nobody_does(bodies, decimal):
    assert decimal_of(bodies) == decimal


def test_plain_numbers_are_doubtful_where_all_have_three_digits_behind_their_points():
    assert is_doubtful(["1.234", "-2.345"])
    assert not is_doubtful(["1.234", "2.34"])
    assert not is_doubtful(["0.123", "1.234"])
    assert not is_doubtful(["1", "2"])
