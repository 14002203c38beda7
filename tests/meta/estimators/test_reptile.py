"""Reptile's gradient is the way back from where inner loops end."""

import torch
from torch.func import functional_call

from metaopt.meta.estimators.reptile import Reptile
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.unrolls import Unrolls
from tests.meta.conftest import learned, small_waves

STEPS, RATE = 3, 0.05


def estimated():
    """The estimate, theta, and a function that gives the episodes it saw."""
    task = small_waves(episodes_per_iteration=4)
    inner_loop = InnerLoop(task, learned("reptile", lr=RATE))
    theta = inner_loop.meta.init_theta(
        inner_loop.parameters, torch.Generator().manual_seed(0), inner_loop.assembly.meta_values
    )
    estimator = Reptile(Unrolls(inner_loop, theta, "eager"), STEPS)
    estimate, state = estimator.estimate(theta, {}, torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    episodes = inner_loop.draw_episodes(4, generator)
    return task, theta, estimate, state, episodes, inner_loop.draw_batches(episodes, STEPS, generator)


def test_it_is_the_mean_way_of_loops_in_plain_autograd():
    task, theta, estimate, state, episodes, batches = estimated()
    module, ways = task.build(0), []
    for row in range(len(episodes)):
        current = {name: theta[f"start.{name}"].clone().requires_grad_(True) for name, _ in module.named_parameters()}
        begin = dict(current)
        for step in range(STEPS):
            inputs, targets = episodes.support_inputs[row], episodes.support_targets[row]
            if batches is not None:
                inputs, targets = batches[0][row, step], batches[1][row, step]
            loss = task.loss(functional_call(module, current, (inputs,)), targets)
            grads = torch.autograd.grad(loss, list(current.values()))
            current = {
                name: (value - RATE * grad).detach().requires_grad_(True)
                for (name, value), grad in zip(current.items(), grads, strict=True)
            }
        ways.append({name: begin[name].detach() - current[name].detach() for name in current})
    for name in ways[0]:
        expected = torch.stack([way[name] for way in ways]).mean(0)
        torch.testing.assert_close(estimate.gradient[f"start.{name}"], expected, rtol=1e-4, atol=1e-6)
    assert state == {}


def test_only_the_learned_start_has_a_gradient():
    _, theta, estimate, *_ = estimated()
    assert estimate.gradient.keys() == theta.keys()
    moved = {name for name, gradient in estimate.gradient.items() if gradient.abs().sum() > 0}
    assert moved
    assert all(name.startswith("start.") for name in moved)
