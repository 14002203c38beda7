"""The meta-gradient through the steps, whole or some steps at a time."""

import torch
from torch.func import functional_call

from metaopt.meta.estimators.backprop import Backprop
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.unrolls import Unrolls
from tests.meta.conftest import learned, small_waves

STEPS, RATE = 3, 0.05


def estimator_of(**fields):
    inner_loop = InnerLoop(small_waves(episodes_per_iteration=4), learned("maml", lr=RATE))
    theta = inner_loop.meta.init_theta(
        inner_loop.parameters, torch.Generator().manual_seed(0), inner_loop.assembly.meta_values
    )
    return Backprop(Unrolls(inner_loop, theta, "eager"), STEPS, **fields), theta


def test_the_query_loss_is_derived_through_every_step():
    estimator, theta = estimator_of()
    estimate, state = estimator.estimate(theta, {}, torch.Generator().manual_seed(1))
    inner_loop, generator = estimator.unrolls.inner_loop, torch.Generator().manual_seed(1)
    episodes = inner_loop.draw_episodes(4, generator)
    batches = inner_loop.draw_batches(episodes, STEPS, generator)
    task, module = inner_loop.task, inner_loop.task.build(0)
    start = {name: theta[f"start.{name}"].clone().requires_grad_(True) for name, _ in module.named_parameters()}
    total = torch.zeros(())
    for row in range(4):
        current = dict(start)
        for step in range(STEPS):
            inputs, targets = episodes.support_inputs[row], episodes.support_targets[row]
            if batches is not None:
                inputs, targets = batches[0][row, step], batches[1][row, step]
            loss = task.loss(functional_call(module, current, (inputs,)), targets)
            grads = torch.autograd.grad(loss, list(current.values()), create_graph=True)
            current = {name: value - RATE * grad for (name, value), grad in zip(current.items(), grads, strict=True)}
        query = functional_call(module, current, (episodes.query_inputs[row],))
        total = total + task.loss(query, episodes.query_targets[row]) / 4
    expected = torch.autograd.grad(total, list(start.values()))
    torch.testing.assert_close(estimate.objective, total.detach())
    for name, gradient in zip(start, expected, strict=True):
        torch.testing.assert_close(estimate.gradient[f"start.{name}"], gradient, rtol=1e-4, atol=1e-6)
    assert state == {}


def test_truncated_it_goes_on_where_it_was_until_the_loop_ends():
    estimator, theta = estimator_of(truncation=2)
    generator = torch.Generator().manual_seed(1)
    first, state = estimator.estimate(theta, {}, generator)
    assert state["step"] == 2
    assert len(state["episodes"]) == 4
    second, ended = estimator.estimate(theta, state, generator)
    assert ended == {}
    assert second.objective < first.objective  # three steps have lowered the query loss further than two


def test_truncated_to_the_whole_loop_it_is_the_whole_gradient():
    estimates = []
    for truncation in (None, STEPS, 10 * STEPS):
        estimator, theta = estimator_of(truncation=truncation)
        estimates.append(estimator.estimate(theta, {}, torch.Generator().manual_seed(1))[0])
    for estimate in estimates[1:]:
        assert torch.equal(estimate.objective, estimates[0].objective)
        assert all(torch.equal(estimate.gradient[name], estimates[0].gradient[name]) for name in estimate.gradient)


def test_along_a_trajectory_the_mean_training_loss_counts():
    estimator, theta = estimator_of(trajectory=True)
    generator = torch.Generator().manual_seed(1)
    estimate, _ = estimator.estimate(theta, {}, generator)
    query, _ = estimator_of()[0].estimate(theta, {}, torch.Generator().manual_seed(1))
    assert estimate.objective > 0
    assert estimate.objective != query.objective
    assert any(gradient.abs().sum() > 0 for gradient in estimate.gradient.values())
