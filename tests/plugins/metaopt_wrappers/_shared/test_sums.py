"""Sums over tensors that wrappers look at."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt_wrappers._shared.sums import over_all, root, square, wide


@pytest.mark.parametrize(
    ("inner", "granularity"), [("coordinate", "sums"), ("sums", "sums"), ("tensor", "tree"), ("tree", "tree")]
)
def test_sums_over_all_tensors_keep_what_a_rule_needs_of_each(inner, granularity):
    rule = metaopt.per_tensor(lambda *_: {}, lambda grad, state, *_: (-grad, state))
    assert over_all(dataclasses.replace(rule, granularity=inner)) == granularity


def test_half_precision_is_added_up_in_float32():
    assert {dtype: wide(torch.ones(1, dtype=dtype)).dtype for dtype in (torch.bfloat16, torch.float32)} == {
        torch.bfloat16: torch.float32,
        torch.float32: torch.float32,
    }
    assert wide(torch.ones(1, dtype=torch.float64)).dtype == torch.float64


def test_the_square_is_that_of_all_numbers():
    tensors = (tensor for tensor in (torch.tensor([[1.0, 2.0]]), torch.tensor(3.0), torch.zeros(0)))
    assert float(square(tensors)) == 14.0


def test_the_root_has_a_derivative_of_0_at_0():
    x = torch.tensor([0.0, 4.0], requires_grad=True)
    roots = root(x)
    roots.sum().backward()
    assert roots.tolist() == pytest.approx([0.0, 2.0], abs=1e-12)
    assert x.grad.tolist() == [0.0, 0.25]
