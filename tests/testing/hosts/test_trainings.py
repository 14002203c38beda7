"""The small training of the kit: the same each time, and stepped as each kind of loop steps."""

import pytest
import torch

import metaopt
from metaopt.plugin import current_registry
from metaopt.testing.hosts.trainings import by_host, by_run, cases_of, largest_difference, loss_on, train, weights_of


def spec_of(kind, name):
    return current_registry().get(kind, name)


def trained(case, step=by_run):
    model = case.model()
    run = case.bind(model)
    train(case, run, step, lambda: loss_on(model))
    return run, model


def test_it_is_the_same_each_time_and_lowers_the_loss():
    (case,) = cases_of(spec_of(metaopt.OptimizerSpec, "adamw"))
    (run, first), (_, second) = trained(case), trained(case)
    assert largest_difference(weights_of(first), weights_of(second))[1] == 0
    assert loss_on(first).item() < loss_on(case.model()).item()
    assert run.num_steps == 6
    assert run.best_step == 6


def test_a_wrapper_is_tried_around_each_of_the_kits_optimizers_and_a_controller_over_one():
    cases = cases_of(spec_of(metaopt.WrapperSpec, "averaged"))
    assert [case.label for case in cases] == ["Around plain_descent: ", "Around adamw: "]
    (case,) = cases_of(spec_of(metaopt.ControllerSpec, "plateau"))
    assert case.configuration.controller == "plateau"
    trained(case, by_host)


def test_the_parameter_that_differs_most_is_named():
    one = {"a": torch.tensor([1.0, 2.0]), "b": torch.tensor([100.0]), "empty": torch.zeros(0)}
    other = {"a": torch.tensor([1.0, 2.5]), "b": torch.tensor([110.0]), "empty": torch.zeros(0)}
    name, difference = largest_difference(one, other)
    assert name == "a"
    assert difference == pytest.approx(0.2)
