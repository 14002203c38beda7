"""Nested mappings of tensors are compared number by number."""

import math

import pytest
import torch

from metaopt.testing import ConformanceError
from metaopt.testing.comparison import flat, require_close, require_finite, require_same, require_same_layout


def nested(*numbers):
    return {"params": {"w": torch.tensor(numbers)}}


def test_tensors_are_known_by_their_dotted_path():
    tensors = flat({"state": {"w": {"m": torch.tensor(1.0)}}, "loss": torch.tensor(2.0)})
    assert {path: tensor.item() for path, tensor in tensors.items()} == {"state.w.m": 1.0, "loss": 2.0}
    assert flat(torch.tensor(3.0)).keys() == {"value"}


def test_what_is_no_dict_of_tensors_is_named_by_its_path():
    with pytest.raises(ConformanceError, match=r"^state\.m must be a dict of tensors, got 3\.$"):
        flat({"state": {"m": 3}})
    with pytest.raises(ConformanceError, match="The result must be a dict of tensors, got None"):
        flat(None)


def test_numbers_within_the_tolerance_are_close():
    require_close(nested(1.0, 100.0), nested(1.05, 101.0), "A run", rtol=0.01, atol=0.05)


def test_the_first_number_that_differs_is_shown_with_how_many_do():
    with pytest.raises(ConformanceError, match=r"^A run: params\.w is 5, expected 2 \(2 of 3 differ\)\.$") as raised:
        require_close(nested(1.0, 5.0, 6.0), nested(1.0, 2.0, 3.0), "A run", rtol=1e-3, atol=0, at=len)
    assert raised.value.at is len


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"w": torch.zeros(2), "b": torch.zeros(2)}, r"keys \['w'\] against \['b', 'w'\]"),
        ({"w": torch.zeros(2, 1)}, r"w has shape \(2,\), expected \(2, 1\)"),
    ],
)
def test_other_keys_and_shapes_are_no_comparison(expected, message):
    with pytest.raises(ConformanceError, match=message):
        require_close({"w": torch.zeros(2)}, expected, "A run", rtol=1, atol=1)


def test_the_same_means_every_bit_nan_included():
    require_same(nested(math.nan, math.inf), nested(math.nan, math.inf), "A run")
    with pytest.raises(ConformanceError, match=r"1 of 2 differ"):
        require_same(nested(1.0, 2.0), nested(1.0, 2.0 + 2.0**-22), "A run")


def test_one_layout_may_hold_other_numbers():
    require_same_layout(nested(1.0, 2.0), nested(3.0, 4.0), "The state")


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        ({"w": torch.zeros(3)}, r"w is torch\.float32 of shape \(3,\), expected torch\.float32 of shape \(2,\)"),
        ({"w": torch.zeros(2, dtype=torch.float64)}, r"w is torch\.float64 of shape"),
        ({}, r"keys \[\], expected \['w'\]"),
    ],
)
def test_another_layout_is_described(actual, message):
    with pytest.raises(ConformanceError, match=message):
        require_same_layout(actual, {"w": torch.zeros(2)}, "The state")


def test_three_numbers_that_are_not_finite_are_shown():
    require_finite(nested(1.0, 2.0), "The update")
    values = nested(1.0, math.inf, math.nan, -math.inf, math.inf)
    with pytest.raises(ConformanceError, match=r"params\.w is not finite: \[inf, nan, -inf\]"):
        require_finite(values, "The update")
