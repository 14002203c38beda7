"""The feature columns: numbers, categories, refusals."""

import re

import numpy as np
import pandas as pd
import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.columns.features import preprocessor, read_features


def read(categories=(), **columns):
    return read_features(pd.DataFrame(columns), categories, "t.csv")


def test_numbers_are_numbers_and_text_is_a_category():
    features = read(x=[1.5, 2.0] * 6, code=[0, 1] * 6, colour=["red", "blue"] * 6, flag=[True, False] * 6)
    assert features.numbers == ("x", "code", "flag")
    assert features.categories == ("colour",)


def test_integer_codes_are_categories_where_the_user_says_so():
    features = read(["code"], x=[1.5, 2.0] * 6, code=[0, 1, 2] * 4)
    assert features.categories == ("code",)
    assert preprocessor(features).fit_transform(features.frame).shape == (12, 1 + 3)


def test_numbers_are_scaled_and_gaps_become_the_median():
    features = read(x=[1.0, 2.0, 9.0, np.nan])
    transformed = preprocessor(features).fit_transform(features.frame)[:, 0]
    assert transformed.mean() == pytest.approx(0)
    assert transformed.std() == pytest.approx(1)
    assert transformed[3] == transformed[1]


def test_categories_are_one_hot_and_gaps_become_the_most_frequent():
    features = read(colour=["red", "red", "blue", None])
    assert preprocessor(features).fit_transform(features.frame).tolist() == [[0, 1], [0, 1], [1, 0], [0, 1]]


def test_unseen_categories_are_all_zeros():
    features = read(colour=["red"] * 6 + ["blue"] * 5 + ["green"])
    fitted = preprocessor(features).fit(features.frame.iloc[:11])
    assert fitted.transform(features.frame.iloc[11:]).tolist() == [[0, 0]]


def test_a_column_whose_training_rows_are_all_gaps_is_zero():
    features = read(x=[np.nan] * 3 + [5.0], colour=[None] * 3 + ["red"])
    transformed = preprocessor(features).fit(features.frame.iloc[:3]).transform(features.frame)
    assert np.isfinite(transformed).all()


WORDS = [f"customer {index} was not quite happy with the parcel" for index in range(12)]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (
            {"review": WORDS},
            "t.csv, column 'review' holds free text or identifiers (12 different values in 12 rows, such as ",
        ),
        ({"key": [f"k{index}" for index in range(300)]}, "column 'key' holds free text or identifiers (300 different"),
        (
            {"city": [f"city {index % 101}" for index in range(900)]},
            "column 'city' holds free text or identifiers (101",
        ),
        (
            {"user_id": [17 * index for index in range(12)]},
            "column 'user_id' holds identifiers (whole numbers, all different",
        ),
        (
            {"Unnamed: 0": list(range(12))},
            "column 'Unnamed: 0' holds identifiers (whole numbers, all different, such as 0)",
        ),
        ({"x": [None] * 12}, "t.csv, column 'x' is empty in every row; remove the column."),
        ({"x": [1.0, "n.a.", *range(10)]}, "column 'x': row 2 after the header holds 'n.a.' among numbers; correct it"),
        (
            {"x": [1.0, 2.0, np.inf]},
            "column 'x': row 3 after the header holds inf; numbers must be finite and at most 1e+30",
        ),
        ({"x": [1.0, -1e31, 2.0]}, "column 'x': row 2 after the header holds -1e+31; numbers must be finite"),
    ],
)
def test_what_is_no_feature_is_refused_in_one_sentence(column, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read(**column)


def test_whole_numbers_that_never_repeat_are_fine_under_an_ordinary_name():
    assert read(width=list(range(12))).numbers == ("width",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["37%", "5%", "12%"] * 20, "column 'x' holds percentages such as '37%'; write plain numbers such as 1234.5"),
        ([20210101 + day for day in range(20)], "column 'x' holds dates such as 20210101"),
        (["1.5"] * 5 + ["-"] * 40, "column 'x': row 6 after the header holds '-' among numbers"),
        ([f"{row} kg" for row in range(20)], "column 'x' holds numbers with units such as '0 kg'"),
    ],
)
def test_numbers_that_are_not_plain_are_refused_by_name(values, message):
    with pytest.raises(InputError, match=re.escape(message)):
        read(x=values)


def test_names_of_identifiers_may_be_written_together():
    with pytest.raises(InputError, match="column 'PassengerId' holds identifiers"):
        read(PassengerId=list(range(12)))
    assert read(humid=list(range(12)), Paid=list(range(12)), GRID=list(range(12))).numbers == ("humid", "Paid", "GRID")
