"""What all wrappers that set the rate or place the iterates promise."""

import pytest
import torch
from torch import nn

import metaopt


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic", "lookahead"])
def test_a_resumed_run_equals_an_unbroken_one(waves, wrapper):
    model = waves.model()
    unbroken = waves.trained(metaopt.create_optimizer("adamw", model, wrappers=[wrapper], lr=0.1), model, steps=40)
    model = waves.model()
    first = metaopt.create_optimizer("adamw", model, wrappers=[wrapper], lr=0.1)
    waves.trained(first, model, steps=16)
    state = first.state_dict()
    second = metaopt.create_optimizer("adamw", model, wrappers=[wrapper], lr=0.1)
    second.load_state_dict(state)
    found = waves.trained(second, model, steps=24)
    assert torch.equal(found[-1], unbroken[-1])


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic"])
def test_a_gradient_that_is_not_finite_does_not_spoil_the_rate(waves, wrapper):
    model = waves.model()
    optimizer = metaopt.create_optimizer("sgd", model, wrappers=[wrapper], lr=1.0)
    waves.trained(optimizer, model, steps=3)
    for param in model.parameters():
        param.grad = torch.full_like(param, torch.inf)
    optimizer.step()
    kept = [*optimizer.param_groups[0]["shared"].items(), *(p for one in optimizer.state.values() for p in one.items())]
    rates = {key: value for key, value in kept if key.startswith(wrapper) and "offset" not in key}
    assert len(rates) >= 3
    assert all(torch.isfinite(value).all() for value in rates.values()), rates


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic"])
@pytest.mark.parametrize("implementation", ["auto", "rule"])
def test_defaults_train(wrapper, implementation):
    """Nobody has to know that lr multiplies the rate that the wrapper sets."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(1))
    optimizer = metaopt.create_optimizer("sgd", model, wrappers=[wrapper], implementation=implementation)
    assert optimizer.param_groups[0]["lr"] == 1.0
    losses = []
    for _ in range(300):
        optimizer.zero_grad()
        loss = (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize("wrapper", ["dog", "ldog", "dowg", "mechanic"])
def test_a_rate_that_is_stated_is_kept(wrapper):
    bare, head = nn.Linear(2, 2), nn.Linear(2, 1)
    optimizer = metaopt.create_optimizer("sgd", bare, wrappers=[wrapper], lr=0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5
    groups = [{"params": list(bare.parameters())}, {"params": list(head.parameters()), "lr": 0.25}]
    optimizer = metaopt.create_optimizer("sgd", groups, wrappers=[wrapper])
    assert [group["lr"] for group in optimizer.param_groups] == [1.0, 0.25]
