"""A plan that does not fit the training is warned of in the words of what to do."""

import gc
import warnings

import pytest

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
