"""A plan that does not fit the training is warned of in the words of what to do."""

import gc
import warnings

import pytest
import torch
from torch import nn

import metaopt
from metaopt.deploy.plan_warnings import ValidationCount, warn_at_last, warn_nothing_gained, warn_past_the_plan


class Run:
    """Something a user holds."""


def give_up(held):
    held.clear()
    gc.collect()


def test_the_first_step_past_the_plan_says_which_number_to_give():
    with pytest.warns(UserWarning, match=r"All 30 planned steps are done and training goes on: .* give total_steps="):
        warn_past_the_plan(30)


def test_a_plan_without_a_gain_names_the_value_to_beat_and_what_may_be_wrong():
    with pytest.warns(UserWarning, match=r"^50 of 100 planned steps brought .* 2\.31: the rate may be too high"):
        warn_nothing_gained(50, 100, 2.31)


def test_a_policy_that_never_heard_of_a_validation_says_so_when_its_owner_is_given_up():
    held = [Run()]
    with warnings.catch_warnings(record=True) as while_held:
        warnings.simplefilter("always")
        warn_at_last(held[0], ValidationCount(), "The stopper 'patience'", 30, "run.observe(value)")
    assert while_held == []
    with pytest.warns(
        UserWarning, match=r"^The stopper 'patience' had no effect: all 30 planned steps .* call run\.observe\(value\) "
    ):
        give_up(held)


def test_a_validation_that_follows_training_is_in_time():
    held, validations = [Run()], ValidationCount()
    warn_at_last(held[0], validations, "The stopper 'patience'", 30, "run.observe(value)")
    validations.count += 1
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        give_up(held)
    assert raised == []


def trained(steps, *, before):
    """A run whose host steps the scheduler once after so many steps of the optimizer, and then after each."""
    model = nn.Linear(2, 1)
    run = metaopt.Recipe.create(metaopt.Configuration("sgd", "wsd")).bind(model, total_steps=100)
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        for step in range(1, steps + 1):
            model(torch.ones(1, 2)).sum().backward()
            run.optimizer.step()
            if step >= before:
                run.scheduler.step()
    return [str(warning.message) for warning in raised]


def test_a_scheduler_that_counts_epochs_is_told_once():
    (message,) = trained(40, before=12)
    assert message.startswith("The optimizer took 12 steps before the scheduler's first: call scheduler.step() after")


def test_a_few_steps_without_the_scheduler_are_no_epoch():
    assert trained(20, before=1) == []
    assert trained(20, before=9) == []
