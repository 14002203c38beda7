"""Hypergradient descent on numbers worked out here, in a deployed run, and in a population."""

import dataclasses
import math

import pytest
import torch

import metaopt
from metaopt.configuration import assemble
from metaopt.inner import Member, train
from metaopt.plugin.registry import current_registry
from metaopt_controllers.hypergradient import HYPERGRADIENT


def test_it_rises_while_going_on_is_downhill():
    numbers = {"kappa": 0.1, "min_ratio": 0.5, "max_ratio": 1.2}
    tensors = {name: torch.tensor(number, dtype=torch.float64) for name, number in numbers.items()}
    state, found = HYPERGRADIENT.controller.init(tensors), []
    for step, agreement in enumerate([0.0, -1.0, -0.5, -1.0, 1.0, math.nan, *[1.0] * 9]):
        info = metaopt.StepInfo(torch.tensor(float(step)), signals={"agreement": torch.tensor(agreement)})
        rate, state = HYPERGRADIENT.controller.update(state, info, tensors)
        found.append(float(rate.value))
    assert found[:6] == pytest.approx([1.0, 1.1, 1.155, 1.2, 1.08, 1.08])
    assert found[-1] == 0.5


def run_of(model, **hparams):
    configuration = metaopt.Configuration("sgd", controller="hypergradient", hparams={"sgd.lr": 0.05, **hparams})
    return metaopt.Recipe.create(configuration).bind(model, total_steps=20)


def test_agreement_is_the_cosine_of_gradient_and_last_update():
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    run = run_of([w], **{"hypergradient.kappa": 0.5})
    rates = []
    for gradient in ([1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [1.0, 0.0]):
        w.grad = torch.tensor(gradient)
        run.step(torch.tensor(1.0))
        rates.append(run.optimizer.param_groups[0]["lr"] / 0.05)
    # Updates are −rate·gradient: cosines 0, −1, 1, 1/√2, then 0 (no gradient) and 0 (no update).
    last = 0.75 * (1 - 0.5 / math.sqrt(2))
    assert rates == pytest.approx([1.0, 1.5, 0.75, last, last, last], rel=1e-5)


def test_a_population_trains_as_a_deployed_run_does():
    task = dataclasses.replace(metaopt.load_corpus("starter")["wine_tanh"], num_steps=30, num_validations=3)
    configuration = metaopt.Configuration("sgd", controller="hypergradient", hparams={"hypergradient.kappa": 0.2})
    member = Member(assemble(configuration, current_registry()), 0)
    other = Member(assemble(metaopt.Configuration("sgd"), current_registry()), 0)
    together, constant = (one.curve for one in train(task, [member, other]))
    alone = train(task, [member], engine="loop")[0].curve
    assert not (together.values == constant.values).all()
    torch.testing.assert_close(torch.tensor(together.values), torch.tensor(alone.values), rtol=1e-4, atol=1e-6)


def test_a_loop_that_does_not_supply_it_is_refused_by_name():
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    with pytest.raises(metaopt.PluginError, match="agreement"):
        metaopt.create_scheduler("hypergradient", optimizer, total_steps=5)
