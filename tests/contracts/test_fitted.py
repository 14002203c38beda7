"""What a fitted stopper plays with is checked before it is used."""

import numpy as np
import pytest

from metaopt import InputError
from metaopt.contracts.fitted import learned_theta

SHAPES = {"weights": (2,), "bias": ()}


def shipped():
    return {"weights": np.asarray([5.0, 6.0]), "bias": np.asarray(7.0)}


def test_given_numbers_become_float64_arrays():
    theta = learned_theta("mine", {"weights": [1, 2], "bias": 3}, SHAPES, shipped)
    assert theta["weights"].tolist() == [1.0, 2.0]
    assert theta["bias"].shape == ()
    assert theta["bias"].item() == 3.0
    assert {array.dtype for array in theta.values()} == {np.dtype(np.float64)}


@pytest.mark.parametrize("theta", [None, {}])
def test_what_ships_is_taken_where_nothing_is_given(theta):
    assert learned_theta("mine", theta, SHAPES, shipped)["weights"].tolist() == [5.0, 6.0]


def test_nothing_given_and_nothing_shipped_is_refused():
    with pytest.raises(InputError, match="nothing ships with it"):
        learned_theta("mine", None, SHAPES, None)


def test_a_stopper_that_learns_nothing_has_no_theta():
    assert learned_theta("mine", None, {}, None) == {}
    with pytest.raises(InputError, match="learns nothing from curves"):
        learned_theta("mine", {"weights": [1.0]}, {}, None)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ({"weights": [1.0, 2.0]}, r"consists of \['bias', 'weights'\]"),
        ([1.0, 2.0], "consists of"),
        ({"weights": ["a", "b"], "bias": 0.0}, r"theta\['weights'\] .* must hold numbers"),
        ({"weights": [1.0, 2.0, 3.0], "bias": 0.0}, r"must have the shape \(2,\), got \(3,\)"),
        ({"weights": [1.0, np.nan], "bias": 0.0}, "must be finite throughout"),
    ],
)
def test_another_theta_is_refused(theta, message):
    with pytest.raises(InputError, match=message):
        learned_theta("mine", theta, SHAPES, shipped)
