"""Training weights go into a saved state and come out again."""

import pytest
import torch

import metaopt
from metaopt.deploy.state.training_point import checked_point, with_points, without_points


def test_they_come_out_as_they_went_in():
    state, points = {0: {"exp_avg": torch.ones(1)}}, {0: torch.zeros(1), 1: torch.ones(2)}
    bare, found = without_points(with_points(state, points))
    assert bare == {0: state[0], 1: {}}
    assert found == points
    assert without_points(state) == (state, {})


@pytest.mark.parametrize("point", [torch.zeros(3), "zeros", None])
def test_those_of_another_parameter_are_refused_by_name(point):
    with pytest.raises(metaopt.InputError, match="training weights of 'weight' are another parameter's"):
        checked_point(point, torch.zeros(2), "weight")


def test_they_are_a_copy_in_the_parameters_dtype():
    point = torch.ones(2)
    checked = checked_point(point, torch.zeros(2, dtype=torch.float64), "weight")
    assert checked.dtype is torch.float64
    assert checked is not point
    assert checked_point(point, torch.zeros(2), "weight").data_ptr() != point.data_ptr()
