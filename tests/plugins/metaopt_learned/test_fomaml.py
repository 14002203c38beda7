"""First-order MAML takes inner gradients for constants."""

import pytest


def test_the_meta_gradient_is_the_querys_where_the_inner_loop_ends(meta_gradient):
    """w_K − 1 = (1 − lr)^K (w₀ − 1), and ∂w_K/∂w₀ counts as 1."""
    for num_steps in (1, 3):
        end = 1 - 0.5**num_steps
        found = meta_gradient("fomaml", start=0.0, num_steps=num_steps, lr=0.5)
        assert float(found["start.weight"]) == pytest.approx(end - 3)
