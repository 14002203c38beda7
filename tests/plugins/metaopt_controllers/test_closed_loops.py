"""What holds for every controller that looks at losses and gradients."""

import pytest
import torch
from torch import nn

import metaopt


@pytest.mark.parametrize("controller", ["greedy", "adagrad_norm", "polyak", "hypergradient"])
def test_a_resumed_run_equals_an_unbroken_one(controller):
    inputs = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    recipe = metaopt.Recipe.create(metaopt.Configuration("sgd", controller=controller, hparams={"sgd.lr": 0.05}))

    def begun():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
        return model, recipe.bind(model, total_steps=30)

    def go(model, run, steps):
        for _ in range(steps):
            run.optimizer.zero_grad()
            loss = (model(inputs) - inputs[:, :1].sin()).square().mean()
            loss.backward()
            run.step(loss)
        return [one.detach().clone() for one in model.parameters()]

    unbroken = go(*begun(), 30)
    model, run = begun()
    go(model, run, 12)
    again, second = begun()
    again.load_state_dict(model.state_dict())
    second.load_state_dict(run.state_dict())
    assert all(torch.equal(one, two) for one, two in zip(go(again, second, 18), unbroken, strict=True))
