"""Columns of many values as a few numbers."""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer

from metaopt.tasks.tables.columns.many_values import HASHED, by_others, many_valued


def test_no_columns_are_no_steps():
    assert many_valued([], [], 2) == []


def test_a_gap_is_hashed_to_nothing():
    frame = pd.DataFrame({"street": ["a", "b", np.nan]})
    hashed = ColumnTransformer(many_valued([], ["street"], 2)).fit_transform(frame)
    assert hashed.shape == (3, HASHED)
    assert np.abs(hashed).sum(1).tolist() == [1, 1, 0]


def test_no_row_sees_its_own_target():
    frame = pd.DataFrame({"city": [f"c{row}" for row in range(30)]})
    (_, encoder, _), *_ = many_valued(["city"], [], 1)
    targets = np.arange(30.0)
    encoder.fit(frame, targets)
    assert np.unique(by_others(encoder, frame, targets)).size <= 3  # the means of the other two thirds


def test_a_class_of_one_row_is_known_to_all():
    frame = pd.DataFrame({"city": [f"c{row % 7}" for row in range(31)]})
    targets = np.array([0, 1, 2] * 10 + [3])
    (_, encoder, _), *_ = many_valued(["city"], [], 4)
    encoder.fit(frame, targets)
    encoded = by_others(encoder, frame, targets)
    assert encoded.shape == (31, 4)
    assert np.isfinite(encoded).all()
