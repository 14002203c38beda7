"""Columns that number rows are known by their name and their values."""

import pandas as pd
import pytest

from metaopt.tasks.tables.columns.identifiers import are_identifiers, has_name_of_identifiers


@pytest.mark.parametrize(
    "name", ["id", "ID", "user_id", "PassengerId", "customerID", "Unnamed: 0", "row-key", "index", "idx1", "order id"]
)
def test_names_of_identifiers_are_known(name):
    assert has_name_of_identifiers(name)


@pytest.mark.parametrize("name", ["width", "idle", "humid", "Covid", "monkey", "rows", "indexed", "", 3])
def test_words_that_hold_such_letters_are_no_identifiers(name):
    assert not has_name_of_identifiers(name)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("user_id", [3, 1, 2], True),
        ("user_id", [3.0, 1.0, 2.0], True),
        ("user_id", [3, 1, 3], False),
        ("user_id", [3.0, 1.5, 2.0], False),
        ("size", [3, 1, 2], False),
    ],
)
def test_identifiers_are_whole_and_all_different(name, values, expected):
    assert are_identifiers(pd.Series(values, name=name)) is expected


def test_identifiers_may_be_too_long_for_numbers():
    written = pd.Series([10**17 + row for row in range(20)], name="loan_id")
    numbers = written.astype(float)
    assert not are_identifiers(numbers)
    assert are_identifiers(numbers, written)
