"""Reptile's start moves towards where inner loops end, whatever the queries say."""

import pytest


def test_the_meta_gradient_is_the_way_back_from_where_the_inner_loop_ends(meta_gradient):
    """w₀ − w_K, with w_K − 1 = (1 − lr)^K (w₀ − 1); the query's minimum at 3 is not looked at."""
    for num_steps in (1, 3):
        found = meta_gradient("reptile", start=0.0, num_steps=num_steps, lr=0.5)
        assert float(found["start.weight"]) == pytest.approx(-(1 - 0.5**num_steps))
