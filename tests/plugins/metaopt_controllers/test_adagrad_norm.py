"""AdaGrad-Norm's formula on numbers worked out here."""

import math

import pytest

from metaopt_controllers.adagrad_norm import ADAGRAD_NORM


def test_it_is_one_over_the_root_of_squares_so_far(follow):
    found = follow(ADAGRAD_NORM, [0.0] * 4, [3.0, 4.0, math.inf, 12.0], initial=0.0, eps=1e-8)
    assert found == pytest.approx([1 / 3, 1 / 5, 1 / 5, 1 / 13], rel=1e-7), "what is not finite is left out"
