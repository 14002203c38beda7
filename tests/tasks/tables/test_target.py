"""The target column: kinds, codes, refusals."""

import re

import numpy as np
import pandas as pd
import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.target import infer_kind, read_target


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["yes", "no"] * 6, "classification"),
        ([True, False] * 6, "classification"),
        ([0, 1, 2] * 6, "classification"),
        ([1.0, 2.0] * 6, "classification"),
        ([0.5, 1.5] * 6, "regression"),
        (list(range(12)), "regression"),
        (list(range(31)) * 5, "regression"),
        ([7] * 12, "classification"),
    ],
)
def test_few_whole_numbers_or_text_make_a_classification(values, kind):
    assert infer_kind(pd.Series(values)) == kind


def test_classes_are_coded_in_their_own_order():
    target = read_target(pd.Series([10, 9, 10, 9, 9, 10]), "classification", "t.csv")
    assert target.values.tolist() == [1, 0, 1, 0, 0, 1]
    assert target.num_outputs == 2


def test_classes_of_text_are_coded_alphabetically():
    target = read_target(pd.Series(["b", "a", "c"] * 4), None, "t.csv")
    assert target.values[:3].tolist() == [1, 0, 2]


def test_numbers_stay_numbers():
    target = read_target(pd.Series([1, 2, 3] * 4), "regression", "t.csv")
    assert target.values.tolist() == [1.0, 2.0, 3.0] * 4
    assert target.num_outputs == 1


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (
            [1, 2, None, 1, 2, None],
            None,
            "t.csv: row 3 after the header has no target (2 such rows in all); fill it in or",
        ),
        (
            [None] * 6,
            None,
            "the target, which is the last column, has no values; put the target last, or name it with target",
        ),
        (["a"] * 6, None, "t.csv: all rows have the same class, 'a'; a classification task needs at least two."),
        ([3.0] * 6, None, "t.csv: all rows have the same class, 3.0; a classification"),
        ([3.0] * 6, "regression", "t.csv: all rows have the same target, 3; there is nothing to learn."),
        (
            ["a", "a", "a", "b", "b", "a"],
            None,
            "t.csv: class 'b' has 2 rows; each class needs 3, to train, validate and",
        ),
        ([1.0, 2.0, "?!", 4.0], "regression", "t.csv: row 3 after the header holds '?!' among numbers; correct it"),
        ([1.0, np.inf, 2.0], "regression", "t.csv: row 2 after the header holds inf, which is no finite number"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_sentence(values, kind, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read_target(pd.Series(values), kind, "t.csv")


@pytest.mark.parametrize("name", ["id", "ID", "user_id", "PassengerId", "Unnamed: 0", "row"])
def test_identifiers_are_no_target(name):
    column = pd.Series(range(100), name=name)
    for kind in (None, "regression"):
        with pytest.raises(
            InputError, match="is the last one and so the target, and holds identifiers such as 0; put the"
        ):
            read_target(column, kind, "t.csv")


def test_codes_of_classes_may_be_called_id():
    assert read_target(pd.Series([0, 1, 2] * 20, name="species_id"), None, "t.csv").num_outputs == 3


@pytest.mark.parametrize("values", [[20210101 + day for day in range(20)], ["2021-01-01", "2021-01-02"] * 10])
def test_dates_are_no_target(values):
    with pytest.raises(InputError, match=r"t\.csv holds dates such as"):
        read_target(pd.Series(values), None, "t.csv")


@pytest.mark.parametrize(
    ("values", "numbers"), [(["5%", "6%"], [5, 6]), (["3,14", "2,5"], [3.14, 2.5]), (["$5", "$6"], [5, 6])]
)
def test_numbers_in_other_dress_are_numbers_unless_somebody_calls_them_classes(values, numbers):
    column = pd.Series(values * 10)
    assert read_target(column, "regression", "t.csv").values.tolist() == numbers * 10
    assert read_target(column, "classification", "t.csv").num_outputs == 2


def test_amounts_in_two_currencies_are_no_target():
    with pytest.raises(InputError, match=r"t\.csv mixes units, such as '\$5' and '€6'"):
        read_target(pd.Series(["$5", "€6", "$7", "$8"] * 5), None, "t.csv")


def test_a_gap_mark_among_classes_of_numbers_is_no_class():
    with pytest.raises(InputError, match="row 3 after the header holds '-' among numbers"):
        read_target(pd.Series(["0", "1", "-"] * 10), None, "t.csv")
    assert read_target(pd.Series(["+", "-"] * 10), None, "t.csv").num_outputs == 2


def test_classes_with_numbers_too_long_for_floats_are_told_apart():
    long = [str(10**25), str(10**25 + 1)] * 10
    assert read_target(pd.Series(long), None, "t.csv").num_outputs == 2
