"""Arrays and data frames as tables."""

import numpy as np
import pandas as pd
import pytest

import metaopt
from metaopt.prediction.array_rows import LEAST_STEPS, MOST_STEPS, ArrayRows, budget_for
from metaopt.tasks import TableSettings


def test_a_division_has_each_class_on_both_sides_where_it_can():
    y = np.array([0] * 80 + [1] * 19 + [2])
    rows = ArrayRows.of(np.zeros((100, 2)), y, ("a", "b", "c"), TableSettings())
    train, validation, test = rows.splits(TableSettings(), 0.2, seed=0).own
    assert np.bincount(y[validation], minlength=3).tolist() == [16, 4, 0]
    assert sorted([*train, *validation]) == list(range(100))
    assert len(test) == 0


def test_at_most_2000_rows_validate():
    rows = ArrayRows.of(np.zeros((30_000, 1)), np.zeros(30_000), (), TableSettings())
    assert len(rows.splits(TableSettings(), 0.5, seed=0).own[1]) == 2000


def test_arrays_are_numbers_whatever_they_look_like():
    X = np.array([[20210101.0, np.nan], [20210102.0, 1.0]])
    features = ArrayRows.of(X, np.zeros(2), (), TableSettings()).table.features
    assert features.numbers == ("0", "1")


def test_columns_of_frames_are_read_as_those_of_files():
    frame = pd.DataFrame(
        {
            "price": ["5 €", "7,50 €", "1.234,00 €"] * 4,
            "day": pd.to_datetime(["2024-01-01", "2024-01-02", None] * 4),
            "town": pd.Categorical([1, 2, 3] * 4),
            "flag": [True, False, True] * 4,
        }
    )
    features = ArrayRows.of(frame, np.zeros(12), (), TableSettings()).table.features
    assert features.frame["price"].tolist()[:3] == [5.0, 7.5, 1234.0]
    assert "day: year" in features.numbers
    assert features.categories == ("town",)
    assert features.meanings["flag"] == "boolean"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "X, column 'name' holds free text or identifiers .* or list it under drop\\."),
        ({"drop": ("nome",)}, "X has no column nome; it has name"),
        ({"drop": ("name",)}, "X has no column left"),
    ],
)
def test_columns_that_cannot_be_used_are_named(settings, message):
    frame = pd.DataFrame({"name": [f"person {row}" for row in range(20)]})
    with pytest.raises(metaopt.InputError, match=message):
        ArrayRows.of(frame, np.zeros(20), (), TableSettings(**settings))


def test_few_rows_get_few_steps_and_many_rows_many():
    assert budget_for(100, 64, None, None).num_steps == LEAST_STEPS
    assert budget_for(10**6, 64, None, None).num_steps == MOST_STEPS
    assert LEAST_STEPS < budget_for(3000, 64, None, None).num_steps < MOST_STEPS
    assert budget_for(100, 64, 7, None).num_steps == 7
    assert budget_for(10, 64, None, None).batch_size == 10
