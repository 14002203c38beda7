"""The feature columns: numbers, categories, refusals."""

import re

import numpy as np
import pandas as pd
import pytest

from metaopt.errors import InputError
from metaopt.tasks.tables.columns.conversion import How
from metaopt.tasks.tables.columns.features import check_features, preprocessor, read_features
from metaopt.tasks.tables.settings import TableSettings


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
            {"user_id": [17 * index for index in range(12)]},
            "column 'user_id' holds identifiers (whole numbers, all different",
        ),
        (
            {"Unnamed: 0": list(range(12))},
            "column 'Unnamed: 0' holds identifiers (whole numbers, all different, such as 0)",
        ),
        ({"x": [None] * 12}, "t.csv, column 'x' is empty in every row; remove the column."),
        ({"x": [1.0, "abc", *range(10)]}, "column 'x': row 2 after the header holds 'abc' among numbers; correct it"),
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
    ("values", "numbers"),
    [
        (["37%", "5%", "12%"], [37, 5, 12]),
        (["1.5", "-", "-"], [1.5, np.nan, np.nan]),
        (["$4,815.46", "$5", "n/a"], [4815.46, 5, np.nan]),
        ([f"{row} kg" for row in range(20)], list(range(20))),
    ],
)
def test_numbers_in_other_dress_are_numbers(values, numbers):
    features = read(x=values)
    assert features.numbers == ("x",)
    np.testing.assert_array_equal(features.frame["x"], numbers)


def test_dates_become_parts():
    features = read(day=["2021-01-31", "2021-02-01", None, "2023-07-04"] * 3)
    assert features.numbers == tuple(
        f"day: {part}" for part in ("year", "month", "day of week", "sin of year", "cos of year", "days")
    )
    assert features.frame["day: day of week"].tolist()[:2] == [6, 0]
    assert features.frame["day: days"].diff().iloc[1] == 1
    assert features.frame.iloc[2].isna().all()
    assert read(day=[20210101 + day for day in range(20)]).meanings == {"day": "date"}


def test_many_values_become_the_mean_target_of_other_rows():
    generator = np.random.default_rng(0)
    city = generator.integers(0, 150, 900)
    features = read(city=[f"city {code}" for code in city])
    assert features.encoded == ("city",)
    target = city / 150 + generator.normal(0, 0.01, 900)
    fitted = preprocessor(features).fit(features.frame, target)
    assert fitted.transform(features.frame).shape == (900, 1)
    assert np.corrcoef(fitted.transform(features.frame)[:, 0], target)[0, 1] > 0.99


def test_what_the_owner_wants_hashed_is_hashed():
    frame = pd.DataFrame({"street": [f"street {row}" for row in range(40)]})
    features, refusals = check_features(frame, (), How(TableSettings(hash=("street",))))
    assert not refusals
    hashed = preprocessor(features).fit(features.frame, np.arange(40)).transform(features.frame)
    assert hashed.shape == (40, 32)
    assert (np.abs(hashed).sum(1) == 1).all()


def test_names_of_identifiers_may_be_written_together():
    with pytest.raises(InputError, match="column 'PassengerId' holds identifiers"):
        read(PassengerId=list(range(12)))
    assert read(humid=list(range(12)), Paid=list(range(12)), GRID=list(range(12))).numbers == ("humid", "Paid", "GRID")
