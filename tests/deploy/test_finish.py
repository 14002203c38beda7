"""How a run ends: `run.finish()`."""

import math

import pytest
import torch
from torch import nn

import metaopt

AVERAGING = [
    pytest.param("schedulefree_adamw", (), id="a library's class"),
    pytest.param("adamw", ("averaged",), id="a rule"),
]


def model_of():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


def bound(optimizer="adamw", wrappers=(), **bind):
    model = model_of()
    configuration = metaopt.Configuration(optimizer, "constant", wrappers=wrappers)
    return model, metaopt.Recipe.create(configuration).bind(model, total_steps=30, **bind)


def backward(run, step):
    generator = torch.Generator().manual_seed(step)
    inputs = torch.randn(16, 4, generator=generator)
    run.optimizer.zero_grad()
    loss = nn.functional.mse_loss(run.model(inputs), inputs.sum(1, keepdim=True))
    loss.backward()
    return loss


def train(run, num_steps=10):
    for step in range(num_steps):
        run.step(backward(run, step))


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_that_was_validated_ends_with_its_best_weights():
    model, run = bound()
    train(run)
    run.observe(1.0)
    best = weights(model)
    train(run)
    run.observe(2.0)
    run.finish()
    assert same(best, weights(model))


@pytest.mark.parametrize("values", [[], [math.nan, math.inf]], ids=["no validation", "none was finite"])
def test_without_a_finite_value_a_rule_that_does_not_average_keeps_its_last_weights(values):
    model, run = bound()
    train(run)
    for value in values:
        run.observe(value)
    last = weights(model)
    run.finish()
    assert same(last, weights(model))


@pytest.mark.parametrize(("optimizer", "wrappers"), AVERAGING)
def test_without_a_finite_value_averages_are_what_remains(optimizer, wrappers):
    model, run = bound(optimizer, wrappers)
    train(run)
    training = weights(model)
    with run.evaluating():
        averages = weights(model)
    run.finish()
    assert same(averages, weights(model))
    assert not same(averages, training)
    with run.evaluating():
        assert same(averages, weights(model))


@pytest.mark.parametrize(("optimizer", "wrappers"), AVERAGING)
def test_without_a_copy_of_the_best_weights_averages_are_what_remains(optimizer, wrappers):
    model, run = bound(optimizer, wrappers, keep_best=None)
    train(run)
    with run.evaluating():
        averages = weights(model)
        run.observe(1.0)
    run.finish()
    assert same(averages, weights(model))


@pytest.mark.parametrize(("optimizer", "wrappers"), AVERAGING)
def test_finishing_twice_is_finishing_once(optimizer, wrappers):
    model, run = bound(optimizer, wrappers)
    train(run)
    run.finish()
    finished = weights(model)
    run.finish()
    assert same(finished, weights(model))


@pytest.mark.parametrize("wrappers", [(), ("averaged",)], ids=["a library's class", "a rule"])
def test_afterwards_a_step_is_refused_whoever_takes_it(wrappers):
    model, run = bound("adamw", wrappers)
    train(run)
    run.finish()
    finished = weights(model)
    loss = backward(run, 11)
    for step in (lambda: run.step(loss), run.optimizer.step):
        with pytest.raises(metaopt.InputError, match=r"This run is finished.*bind a new run to train on"):
            step()
    assert same(finished, weights(model))
    assert run.num_steps == 10


def test_a_finished_run_is_not_saved():
    _, run = bound()
    train(run)
    run.finish()
    with pytest.raises(metaopt.InputError, match=r"save run.state_dict\(\) before run.finish\(\)"):
        run.state_dict()


def test_it_is_not_finished_while_it_evaluates():
    _, run = bound()
    with run.evaluating(), pytest.raises(metaopt.InputError, match=r"before calling run.finish\(\)"):
        run.finish()


@pytest.mark.parametrize(("optimizer", "wrappers"), AVERAGING)
def test_a_finished_run_goes_on_from_a_checkpoint_that_was_made_before(optimizer, wrappers):
    model, run = bound(optimizer, wrappers)
    train(run)
    checkpoint, start = run.state_dict(), weights(model)
    run.finish()
    run.load_state_dict(checkpoint)
    model.load_state_dict(start)
    train(run)

    unbroken_model, unbroken = bound(optimizer, wrappers)
    train(unbroken)
    train(unbroken)
    assert same(weights(unbroken_model), weights(model))


def test_a_model_bound_anew_trains_on():
    model, run = bound("schedulefree_adamw")
    train(run)
    run.finish()
    finished = weights(model)
    again = metaopt.Recipe.create(metaopt.Configuration("adamw", "constant")).bind(model, total_steps=30)
    train(again)
    assert again.num_steps == 10
    assert not same(finished, weights(model))


@pytest.mark.parametrize(("optimizer", "wrappers"), AVERAGING)
@pytest.mark.parametrize("validated", [False, True], ids=["no validation", "validated"])
def test_nothing_that_a_test_loop_does_moves_the_weights_of_a_finished_run(optimizer, wrappers, validated):
    model, run = bound(optimizer, wrappers)
    train(run)
    if validated:
        with run.evaluating():
            pass
        run.observe(1.0)
        train(run, 5)
    run.finish()
    final = weights(model)
    run.scheduler.step()
    with run.evaluating():
        assert same(final, weights(model))
    if hasattr(run.optimizer, "eval"):
        run.optimizer.eval()
    assert same(final, weights(model))


def test_a_finished_run_takes_in_no_validation():
    model, run = bound()
    train(run)
    run.observe(1.0)
    run.finish()
    final = weights(model)
    decision = run.observe(0.5)
    assert (decision.best_value, run.best_value) == (1.0, 1.0)
    run.finish()
    assert same(final, weights(model))


def test_the_warning_about_averages_points_at_the_users_line():
    _, run = bound("schedulefree_adamw")
    train(run)
    with pytest.warns(UserWarning, match="measured with the training weights") as caught:
        run.observe(1.0)
    assert [warning.filename for warning in caught] == [__file__]
