"""What a scheduler refuses before it begins."""

import pytest
import torch

import metaopt


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "100", 2**53])
def test_a_plan_is_a_positive_whole_number(wrong):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(metaopt.InputError, match="total_steps must be a positive whole number, got"):
        metaopt.create_scheduler("cosine", optimizer, total_steps=wrong)


def test_a_signal_that_a_scheduler_does_not_have_is_named():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(metaopt.PluginError, match="'polyak' requires"):
        metaopt.create_scheduler("polyak", optimizer, total_steps=10)
