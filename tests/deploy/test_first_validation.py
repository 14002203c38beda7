"""A validation before the first step: the weights that a model came with are a candidate like any other."""

import logging
import math

import pytest
import torch
from torch import nn

import metaopt

RULES = [
    pytest.param("adamw", (), id="a library's class"),
    pytest.param("schedulefree_adamw", (), id="a class that averages"),
    pytest.param("adamw", ("averaged",), id="a rule that averages"),
    pytest.param("adamw", ("clip",), id="a rule"),
    pytest.param("prodigy", (), id="a rule that shares state"),
]


def model_of():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    model(torch.randn(16, 4))  # so that the statistics are not those of a fresh layer
    return model


def bound(optimizer="adamw", wrappers=(), controller="constant", stopper=None, model=None, total_steps=40, **hparams):
    model = model_of() if model is None else model
    configuration = metaopt.Configuration(optimizer, controller, wrappers=wrappers, hparams=hparams)
    return model, metaopt.Recipe.create(configuration, stopper).bind(model, total_steps=total_steps)


def train(run, num_steps=5):
    for step in range(num_steps):
        inputs = torch.randn(16, 4, generator=torch.Generator().manual_seed(step))
        run.optimizer.zero_grad()
        loss = nn.functional.mse_loss(run.model(inputs), inputs.sum(1, keepdim=True))
        loss.backward()
        run.step(loss)


def validated(run, value):
    with run.evaluating():
        pass
    return run.observe(value)


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("end", ["restore_best", "finish"])
@pytest.mark.parametrize(("optimizer", "wrappers"), RULES)
def test_where_nothing_was_better_the_model_is_handed_back_bit_for_bit(optimizer, wrappers, end, caplog):
    model, run = bound(optimizer, wrappers)
    given = weights(model)
    validated(run, 1.0)
    train(run)
    validated(run, 1.0)  # no better
    train(run)
    validated(run, 1.5)
    assert not same(given, weights(model))
    with caplog.at_level(logging.INFO, logger="metaopt"):
        getattr(run, end)()
    assert same(given, weights(model))
    assert (run.best_step, run.best_value) == (0, 1.0)
    assert "In 10 steps no validation was better than the one before the first step" in caplog.text


def test_what_is_better_than_the_start_is_restored_without_a_word(caplog):
    model, run = bound()
    validated(run, 1.0)
    train(run)
    better = weights(model)
    validated(run, 0.5)
    train(run)
    with caplog.at_level(logging.INFO, logger="metaopt"):
        run.restore_best()
    assert same(better, weights(model))
    assert not caplog.records


def test_a_run_that_takes_no_step_has_nothing_to_say(caplog):
    model, run = bound()
    given = weights(model)
    validated(run, 1.0)
    with caplog.at_level(logging.INFO, logger="metaopt"):
        run.finish()
    assert same(given, weights(model))
    assert not caplog.records


def test_the_start_is_remembered_by_a_resumed_run():
    model, run = bound()
    given = weights(model)
    validated(run, 1.0)
    train(run)
    again, resumed = bound()
    again.load_state_dict(model.state_dict())
    resumed.load_state_dict(run.state_dict())
    validated(resumed, 2.0)
    resumed.restore_best()
    assert same(given, weights(again))


def test_a_stopper_may_stop_before_the_first_step():
    _, run = bound(stopper=metaopt.StopperConfiguration("target", {"target": 0.5}))
    decision = validated(run, 0.4)
    assert decision.stop
    assert decision.best_step == 0


def test_a_plan_that_gains_nothing_is_told_once():
    _, run = bound()
    validated(run, 1.0)
    for _ in range(2):
        train(run)
        validated(run, 1.0)  # warnings are errors here
    train(run)
    with pytest.warns(UserWarning, match=r"^15 of 40 planned steps brought no validation better than .* first, 1: "):
        validated(run, 1.2)
    train(run)
    validated(run, 1.2)


@pytest.mark.parametrize("values", [(1.0, 0.9), (math.nan, 1.1)], ids=["gained", "no start"])
def test_a_plan_that_gains_or_had_no_start_is_no_reason_to_warn(values):
    _, run = bound()
    validated(run, values[0])
    for _ in range(5):
        train(run)
        validated(run, values[1])


def test_a_training_that_is_validated_at_its_end_alone_is_not_told():
    _, run = bound(total_steps=10)
    validated(run, 1.0)
    train(run, 10)
    validated(run, 1.2)


def test_patience_ends_a_training_that_never_beats_the_start():
    _, run = bound(stopper=metaopt.StopperConfiguration("patience", {"patience": 0.25}))
    stops = [validated(run, 1.0).stop]
    for _ in range(3):
        train(run)
        stops.append(validated(run, 1.1).stop)
    assert stops == [False, False, True, True]


@pytest.mark.parametrize("name", ["patience", "divergence"])
def test_a_first_value_that_could_not_be_computed_says_nothing(name):
    stopper = metaopt.StopperConfiguration(name, {"patience": 1})
    _, run = bound(controller="plateau", stopper=stopper, **{"plateau.patience": 0})
    assert not validated(run, math.nan).stop
    assert run.best_step is None
    assert run.optimizer.param_groups[0]["lr"] == run.scheduler.base_lrs[0]
    train(run)
    assert validated(run, math.nan).stop


def test_weights_that_are_not_finite_from_the_start_are_told_at_once():
    model = model_of()
    nn.init.constant_(model[0].weight, math.nan)
    _, run = bound(model=model)
    assert "weights are no longer finite" in validated(run, math.nan).reason


def test_a_stopper_that_needs_the_training_loss_does_without_before_the_first_step():
    _, run = bound(stopper=metaopt.StopperConfiguration("prechelt", {"criterion": "pq"}))
    assert not validated(run, 1.0).stop
    train(run)
    validated(run, 1.0)
    first, second = run.stopper.state_dict()["signals"]["train_loss"]
    assert first == "nan"
    assert second > 0
