"""AdEMAMix beside the package pytorch_optimizer, and what it needs to know."""

import pytest
import pytorch_optimizer
import torch

import metaopt
from metaopt import PluginError

NUM_STEPS = 100


def parameters():
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator).double()) for shape in ((4, 3), (5,), ())]


@pytest.mark.parametrize("warmup", [1.0, 0.5, 0.0])
def test_a_step_is_that_of_pytorch_optimizer_where_all_have_gradients(warmup):
    ours, theirs = parameters(), parameters()
    numbers = {"lr": 1e-2, "betas": (0.9, 0.99, 0.999), "alpha": 4.0, "weight_decay": 0.1, "eps": 1e-6}
    rule = metaopt.create_optimizer("ademamix", ours, total_steps=NUM_STEPS, warmup=warmup, **numbers)
    length = warmup * NUM_STEPS or None
    reference = pytorch_optimizer.AdEMAMix(theirs, t_alpha_beta3=length, weight_decouple=True, **numbers)
    generator = torch.Generator().manual_seed(1)
    for _ in range(NUM_STEPS):
        for our, their in zip(ours, theirs, strict=True):
            our.grad = torch.randn(our.shape, generator=generator, dtype=our.dtype)
            their.grad = our.grad.clone()
        rule.step()
        reference.step()
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


def test_it_asks_for_the_planned_number_of_steps():
    with pytest.raises(PluginError, match="requires the planned number of steps: pass total_steps="):
        metaopt.create_optimizer("ademamix", parameters())
