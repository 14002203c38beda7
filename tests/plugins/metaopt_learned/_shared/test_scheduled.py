"""Learned schedules: what the network says is what the inner rule does, and nothing else changes."""

import dataclasses
import math

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.optimizer.assembly_optimizer import AssemblyOptimizer
from metaopt.meta.task_episodes import few_shot
from metaopt_learned._shared import schedule_network

WRAPPERS = ["learned_schedule", "hyper_controller"]


def weights(rate=0.0, momentum=0.0, stop=0.0, hidden=3):
    """Weights whose answer does not depend on what is seen: the rate's share of its bound, and so on."""
    theta = schedule_network.init_theta({}, torch.Generator().manual_seed(0), {"hidden_size": hidden})
    theta["output.bias"] = torch.tensor([math.atanh(rate), math.atanh(momentum)])
    theta["stop.bias"] = torch.tensor(stop)
    return theta


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


def train(model, optimizer, steps, loss_scale=1.0):
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        inputs = torch.randn(16, 3, generator=generator)
        loss = loss_scale * (model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(loss=loss) if isinstance(optimizer, AssemblyOptimizer) else optimizer.step()
    return float(loss.detach())


def steered(inner, theta, steps=12, implementation="auto", **hparams):
    model = model_of()
    optimizer = metaopt.create_optimizer(
        inner,
        model,
        wrappers=["learned_schedule"],
        theta=theta,
        total_steps=steps,
        implementation=implementation,
        **hparams,
    )
    train(model, optimizer, steps)
    return model, optimizer


def plain(inner, steps=12, **hparams):
    model = model_of()
    train(model, metaopt.create_optimizer(inner, model, implementation="rule", **hparams), steps)
    return model


def same(one, other, **tolerance):
    for (name, value), expected in zip(one.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(value, expected, msg=name, **tolerance)


@pytest.mark.parametrize("implementation", ["native", "rule"])
def test_the_rate_is_multiplied_by_a_power_of_its_bound(implementation):
    """30^.5 = 5.477."""
    found, _ = steered("adamw", weights(rate=0.5), implementation=implementation, lr=1e-2)
    same(found, plain("adamw", lr=1e-2 * 30**0.5), rtol=1e-4, atol=1e-6)


def test_its_bound_is_a_hyperparameter():
    found, _ = steered("sgd", weights(rate=-0.999), lr=0.1, **{"learned_schedule.max_ratio": 2.0})
    same(found, plain("sgd", lr=0.1 * 2**-0.999), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("implementation", ["native", "rule"])
@pytest.mark.parametrize(("inner", "key"), [("sgd", "momentum"), ("adamw", "beta1")])
def test_what_momentum_forgets_is_multiplied(inner, key, implementation):
    """1 − .9 times √3 leaves .8268."""
    found, _ = steered(inner, weights(momentum=0.5), implementation=implementation, **{key: 0.9})
    lr = metaopt.create_optimizer(inner, model_of()).param_groups[0]["lr"]
    expected = plain(inner, lr=lr, **{key: 1 - 0.1 * 3**0.5})
    same(found, expected, rtol=1e-3, atol=1e-5)


def test_a_rule_without_momentum_gets_none():
    found, _ = steered("sgd", weights(momentum=-0.9), lr=0.1)
    same(found, plain("sgd", lr=0.1), rtol=1e-4, atol=1e-6)


def test_a_stop_is_said_and_moves_nothing():
    found, optimizer = steered("sgd", weights(stop=60.0), lr=0.1)
    same(found, plain("sgd", lr=0.1), rtol=1e-4, atol=1e-6)
    assert float(optimizer.param_groups[0]["shared"]["learned_schedule.stop"]) == pytest.approx(1.0)


@pytest.mark.parametrize("name", WRAPPERS)
def test_another_architectures_weights_are_refused(name):
    theta = {**weights(), "output.bias": torch.zeros(5)}
    with pytest.raises(metaopt.InputError, match=f"'output.bias' have shape \\(5,\\), those of '{name}' \\(2,\\)"):
        metaopt.create_optimizer("adamw", model_of(), wrappers=[name], theta=theta, total_steps=5)


def test_a_recipe_has_one_learned_part():
    with pytest.raises(metaopt.PluginError, match="one learned part, and mlp_lopt and learned_schedule are"):
        metaopt.create_optimizer("mlp_lopt", model_of(), wrappers=["learned_schedule"], total_steps=5)


def test_it_needs_the_loss_and_the_number_of_steps():
    with pytest.raises(metaopt.PluginError, match="planned number of steps"):
        metaopt.create_optimizer("adamw", model_of(), wrappers=["learned_schedule"], theta=weights())
    theta = weights()
    optimizer = metaopt.create_optimizer("adamw", model_of(), wrappers=["learned_schedule"], theta=theta, total_steps=5)
    optimizer.param_groups[0]["params"][0].grad = torch.ones(4, 3)
    with pytest.raises(metaopt.PluginError, match="requires the training loss"):
        optimizer.step()


def line():
    inputs = torch.randn(64, 3, generator=torch.Generator().manual_seed(3))
    rows = metaopt.Split(inputs, inputs.sum(1, keepdim=True))
    task = metaopt.Task(
        name="line",
        family="lines",
        model=lambda: nn.Linear(3, 1),
        data=metaopt.Splits(rows, rows, rows),
        loss=nn.functional.mse_loss,
        batch_size=16,
        num_steps=50,
    )
    return dataclasses.replace(few_shot(task, 32), episodes_per_iteration=4, num_evaluated=4, num_validations=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRAPPERS)
def test_it_learns_to_raise_a_rate_that_is_too_low(name):
    hparams = {f"{name}.outer_lr": 0.05, f"{name}.deviation": 0.1, "lr": 2e-3}
    result = metaopt.meta_train("adamw", [line()], hparams, wrappers=[name], compile="off")
    curve = result.curves["line"]
    assert curve.values[-1] < 0.8 * curve.values[0]
    assert result.recipe.configuration.wrappers == (name,)
    run = result.recipe.bind(model_of(), total_steps=50)
    assert run.optimizer.theta.keys() == result.recipe.theta.keys()
