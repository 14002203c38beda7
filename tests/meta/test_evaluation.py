"""What adapting is worth: the metric of fresh episodes after the rule's steps, against a loop of plain autograd."""

import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call

import metaopt
from metaopt.configuration import Configuration
from metaopt.errors import InputError
from metaopt.meta.evaluation import few_shot_metrics
from metaopt.plugin.registry import current_registry
from tests.meta.conftest import blob_task, small_waves

LR = 0.05


def recipe_of(task, rule="maml"):
    """Gradient descent at a fixed rate from the start of a model."""
    theta = {f"start.{name}": param.detach().clone() for name, param in task.build(3).named_parameters()}
    return metaopt.Recipe.create(Configuration(rule, hparams={f"{rule}.lr": LR}), theta=theta)


def metrics(task, **settings):
    return few_shot_metrics(recipe_of(task), task, current_registry(), **settings)


def by_hand(task, partition, num_steps):
    """The metric of each evaluated episode after gradient steps on its support set."""
    model, found = task.build(3), []
    for support_x, support_y, query_x, query_y in zip(*task.evaluated_episodes(partition).tensors, strict=True):
        params = {name: param.detach().requires_grad_() for name, param in model.named_parameters()}
        for _ in range(num_steps):
            loss = task.loss(functional_call(model, params, (support_x,)), support_y)
            grads = torch.autograd.grad(loss, list(params.values()))
            params = {
                name: (param - LR * grad).detach().requires_grad_()
                for (name, param), grad in zip(params.items(), grads, strict=True)
            }
        output = functional_call(model, params, (query_x,))
        found.append((task.metric or task.loss)(output, query_y).detach())
    return torch.stack(found)


@pytest.mark.parametrize("partition", ["validation", "test"])
def test_it_is_that_of_a_loop_over_the_evaluated_episodes(partition):
    waves = small_waves(num_evaluated=5, num_steps=2)
    torch.testing.assert_close(metrics(waves, partition=partition), by_hand(waves, partition, 2), rtol=1e-4, atol=1e-5)


def test_more_steps_may_be_taken_on_fewer_episodes():
    waves = small_waves(num_evaluated=5, num_steps=1)
    found = metrics(waves, num_steps=4, count=3)
    few = dataclasses.replace(waves, num_evaluated=3)
    torch.testing.assert_close(found, by_hand(few, "test", 4), rtol=1e-4, atol=1e-5)


def test_a_metric_that_is_better_when_higher_is_given_as_the_user_sees_it():
    task = blob_task(num_evaluated=4, metric=metaopt.accuracy, mode="max")
    found = metrics(task)
    torch.testing.assert_close(found, by_hand(task, "test", task.num_steps), rtol=1e-4, atol=1e-5)
    assert bool((found > 0).any())


def test_a_rule_that_learned_nothing_begins_with_fresh_models_of_the_seed():
    waves = small_waves(num_evaluated=4)
    plain = metaopt.Recipe.create(Configuration("sgd", hparams={"sgd.lr": LR}))
    first, same, other = (few_shot_metrics(plain, waves, current_registry(), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.isclose(first, other).any()


def test_a_model_with_nothing_to_train_is_refused_by_the_tasks_name():
    task = dataclasses.replace(small_waves(), name="still", model=nn.Flatten, loss=F.mse_loss)
    plain = metaopt.Recipe.create(Configuration("sgd"))
    with pytest.raises(InputError, match="Task 'still'"):
        few_shot_metrics(plain, task, current_registry())
