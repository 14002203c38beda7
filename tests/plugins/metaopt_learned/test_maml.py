"""MAML's meta-gradient goes through the inner steps: second order."""

import pytest


def test_the_meta_gradient_goes_through_every_step(meta_gradient):
    """w_K − 1 = (1 − lr)^K (w₀ − 1): the query's gradient at w_K times (1 − lr)^K."""
    for num_steps in (1, 3):
        end = 1 - 0.5**num_steps
        found = meta_gradient("maml", start=0.0, num_steps=num_steps, lr=0.5)
        assert float(found["start.weight"]) == pytest.approx(0.5**num_steps * (end - 3))
