"""Rules are meta-trained under a schedule as they are deployed under it."""

import dataclasses

import pytest
import torch

import metaopt
from metaopt.configuration import Configuration, assemble
from metaopt.meta.estimators.evolution import Evolution
from metaopt.meta.estimators.parallel_trainings import Trainings
from metaopt.meta.inner_loop import InnerLoop
from metaopt.meta.task_episodes import few_shot
from metaopt.plugin.registry import current_registry

pytestmark = pytest.mark.thorough

STEPS = 12


def digits(**changes):
    return few_shot(dataclasses.replace(metaopt.load_corpus("starter")["digits_mlp"], num_steps=STEPS, **changes))


def weights(rule="mlp_lopt"):
    meta = current_registry().get(metaopt.OptimizerSpec, rule).meta
    values = {name: one.default for name, one in meta.full_space.items()}
    return meta.init_theta({}, torch.Generator().manual_seed(0), values)


def test_a_training_inside_is_the_same_as_a_deployed_run():
    configuration = Configuration("mlp_lopt", controller="cosine", hparams={"cosine.warmup": 0.25})
    task, theta = digits(), weights()
    inner_loop = InnerLoop(task, assemble(configuration, current_registry()), first_order=True)
    generator = torch.Generator().manual_seed(1)
    rows = [torch.randint(1000, (16,), generator=generator) for _ in range(STEPS)]
    episode = task.source.sample("train", 1, generator)
    batches = [(episode.support_inputs[0, one], episode.support_targets[0, one]) for one in rows]
    start = {name: one[0] for name, one in inner_loop.starts([3]).items()}
    horizon = torch.tensor(float(STEPS))
    params, state = inner_loop.begin(theta, start, batches[0], horizon)
    params, _, losses = inner_loop.advance(theta, params, state, batches, torch.tensor(0.0), horizon)

    model = task.build(3)
    run = metaopt.Recipe.create(configuration, theta=theta).bind(model, total_steps=STEPS)
    seen = []
    for inputs, targets in batches:
        run.optimizer.zero_grad()
        loss = task.loss(model(inputs), targets)
        loss.backward()
        run.step(loss)
        seen.append(float(loss.detach()))
    torch.testing.assert_close(losses, torch.tensor(seen), rtol=1e-5, atol=1e-6)
    for name, param in model.named_parameters():
        torch.testing.assert_close(params[name], param.detach(), rtol=1e-4, atol=1e-6)


def test_trainings_side_by_side_have_schedules_of_their_own_length():
    configuration = Configuration("mlp_lopt", controller="linear", hparams={"linear.warmup": 0.0})
    task = dataclasses.replace(digits(), episodes_per_iteration=3, batch_size=16)
    inner_loop = InnerLoop(task, assemble(configuration, current_registry()), first_order=True)
    theta = weights()
    evolution = Evolution(Trainings(inner_loop, theta, longest=STEPS, truncation=4), deviation=0.01)
    _, state = evolution.estimate(theta, {}, torch.Generator().manual_seed(0))
    assert len(set(state["horizon"].tolist())) > 1
    assert torch.isfinite(torch.cat([one.flatten() for one in state["params"].values()])).all()
    rates = [inner_loop.rate(metaopt.StepInfo(torch.tensor(4.0), horizon=one)) for one in state["horizon"]]
    assert rates == pytest.approx([1 - 4 / float(one) for one in state["horizon"]])


def test_a_controller_that_looks_at_the_training_is_refused():
    with pytest.raises(
        metaopt.InputError, match="controllers that are a schedule, and 'plateau' looks at the training"
    ):
        metaopt.meta_train("mlp_lopt", [digits_task()], controller="plateau", num_iterations=1)


def test_the_recipe_has_the_schedule():
    result = metaopt.meta_train(
        "mlp_lopt", [digits_task()], {"cosine.warmup": 0.1}, controller="cosine", num_iterations=1, compile="off"
    )
    assert result.recipe.configuration.controller == "cosine"
    assert result.recipe.configuration.hparams["cosine.warmup"] == 0.1


def digits_task():
    return dataclasses.replace(metaopt.load_corpus("starter")["digits_mlp"], num_steps=50)
